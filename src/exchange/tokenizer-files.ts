/** @file The tokenizer of a folder, with the files that say more of it: both are exported as they came. */

import { join } from "node:path";
import { byteTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { openTokenizerJson } from "../data/tokenizers/open-json.ts";
import { type JsonObject, readObject, readTextFile } from "./json-files.ts";

export const TOKENIZER_FILE = "tokenizer.json";
export const TOKENIZER_CONFIG_FILE = "tokenizer_config.json";
export const CHAT_TEMPLATE_FILE = "chat_template.jinja";

export interface TokenizerFiles {
  readonly tokenizer: Tokenizer;
  /** `tokenizer_config.json`. */
  readonly config: JsonObject | undefined;
  /** Jinja text by which the model's makers lay out a chat; kept and exported, not run. */
  readonly chatTemplate: string | undefined;
}

/**
 * The tokenizer in a folder; undefined when it has no `tokenizer.json`.
 *
 * @param name - of the tokenizer, for people
 * @throws CheckpointError or DataError when a file is damaged
 */
export async function tokenizerFilesOf(
  folder: string,
  name: string,
): Promise<TokenizerFiles | undefined> {
  const path = join(folder, TOKENIZER_FILE);
  const json = await readTextFile(path);
  if (json === undefined) return undefined;
  const config = await readObject(join(folder, TOKENIZER_CONFIG_FILE));
  const alone = await readTextFile(join(folder, CHAT_TEMPLATE_FILE));
  const chatTemplate = alone ?? templateOf(config);
  const facts = { ...(config === undefined ? {} : { config }), chatTemplate };
  const opened = openTokenizerJson(json, name, facts);
  const isBytes = opened.fingerprint() === byteTokenizer.fingerprint();
  return { tokenizer: isBytes ? byteTokenizer : opened, config, chatTemplate };
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
