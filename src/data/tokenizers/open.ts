/** @file Opening a tokenizer by name, by file, or by a folder in the Hub's form. */

import { readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { DataError } from "../../core/errors.ts";
import { byteTokenizer, type Tokenizer } from "../tokenizer.ts";
import { damaged } from "./file.ts";
import { type FileTokenizer, openTokenizerJson } from "./open-json.ts";

export const TOKENIZER_FILE = "tokenizer.json";
const CONFIG_FILE = "tokenizer_config.json";
const TEMPLATE_FILE = "chat_template.jinja";

/**
 * The tokenizer of a `tokenizer.json`, of a folder that holds one (a Hub folder or a run), or `byte`.
 *
 * @throws DataError when there is none, or it is damaged
 */
export async function openTokenizer(given: string): Promise<Tokenizer | FileTokenizer> {
  if (given === "byte") return byteTokenizer;
  const kind = await stat(given).catch(() => undefined);
  if (kind === undefined) {
    throw new DataError("DATA-01", `tokenizer: there is no file or folder ${given}.`, [
      ["looked at", resolve(given)],
      [
        "fix",
        'give a tokenizer.json, a folder that holds one, or "byte"; meshloom tokenizer train makes one',
      ],
    ]);
  }
  if (!kind.isDirectory()) {
    return openTokenizerJson(await text(given), basename(given).replace(/\.json$/, ""));
  }
  const path = join(given, TOKENIZER_FILE);
  const content = await textIfThere(path);
  if (content === undefined) {
    throw new DataError("DATA-01", `tokenizer: the folder ${given} holds no ${TOKENIZER_FILE}.`, [
      ["looked at", resolve(path)],
      ["fix", 'give a folder that holds one, or "byte" for a run without a tokenizer of its own'],
    ]);
  }
  const config = configOf(await textIfThere(join(given, CONFIG_FILE)), join(given, CONFIG_FILE));
  const inConfig = config["chat_template"];
  const chatTemplate =
    (await textIfThere(join(given, TEMPLATE_FILE))) ??
    (typeof inConfig === "string" ? inConfig : undefined);
  return openTokenizerJson(content, basename(resolve(given)), { config, chatTemplate });
}

function configOf(content: string | undefined, path: string): Record<string, unknown> {
  if (content === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (cause) {
    throw damaged(path, "is not JSON", [["it says", (cause as Error).message]]);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw damaged(path, "holds no object");
}

async function text(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new DataError("DATA-01", `tokenizer: ${path} cannot be read.`, [
      ["it says", (cause as Error).message],
      ["fix", "check that it is a file that you may read"],
    ]);
  }
}

async function textIfThere(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? undefined : text(path);
}
