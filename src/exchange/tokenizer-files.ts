/** @file The tokenizer of a Hub folder: `tokenizer.json`, `tokenizer_config.json`, and the template of chats. */

import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { byteTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { byteTokenizerJson } from "./byte-tokenizer.ts";
import { COPY_AGAIN, hubError } from "./errors.ts";
import { type JsonObject, parseObject, readObject, readTextFile } from "./json-files.ts";

export const TOKENIZER_FILE = "tokenizer.json";
export const TOKENIZER_CONFIG_FILE = "tokenizer_config.json";
export const CHAT_TEMPLATE_FILE = "chat_template.jinja";

export interface TokenizerFiles {
  readonly tokenizer: Tokenizer;
  /** Text of `tokenizer.json`. */
  readonly json: string;
  readonly config: JsonObject | undefined;
  /** Jinja text by which the model's makers lay out a chat; kept and exported, not run. */
  readonly chatTemplate: string | undefined;
}

/**
 * The tokenizer in a folder; undefined when it has no `tokenizer.json`.
 *
 * @throws CheckpointError when a file is damaged
 */
export async function openTokenizer(folder: string): Promise<TokenizerFiles | undefined> {
  const path = join(folder, TOKENIZER_FILE);
  const json = await readTextFile(path);
  if (json === undefined) return undefined;
  const content = parseObject(json, path);
  const config = await readObject(join(folder, TOKENIZER_CONFIG_FILE));
  const alone = await readTextFile(join(folder, CHAT_TEMPLATE_FILE));
  return {
    tokenizer: tokenizerOf(content, json, path),
    json,
    config,
    chatTemplate: alone ?? templateOf(config),
  };
}

function tokenizerOf(content: JsonObject, _json: string, path: string): Tokenizer {
  if (isDeepStrictEqual(content, byteTokenizerJson())) return byteTokenizer;
  throw hubError(`${path} TODO`, [], COPY_AGAIN);
}

/** Older files hold the template in the configuration, one or several with names. */
function templateOf(config: JsonObject | undefined): string | undefined {
  const template = config?.["chat_template"];
  if (typeof template === "string") return template;
  if (!Array.isArray(template)) return undefined;
  const named = template as readonly { readonly name?: unknown; readonly template?: unknown }[];
  const chosen = named.find(({ name }) => name === "default")?.template;
  return typeof chosen === "string" ? chosen : undefined;
}
