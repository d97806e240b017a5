/** @file Tokenizers that have no fast way here, through `@huggingface/tokenizers`. */

import { randomBytes } from "node:crypto";
import { damaged, type TokenizerFile } from "./file.ts";
import { PackageTokenizer } from "./package.ts";

export interface ThroughPackage {
  encode(text: string, parseSpecial: boolean): readonly number[];
  decode(ids: readonly number[], showSpecial: boolean): string;
}

/**
 * Two tokenizers of the package: one that reads special tokens in a text, and one to which they mean
 * nothing. The second has other names for them, which no text can guess.
 *
 * @param config - the folder's `tokenizer_config.json`, `{}` when there is none
 * @throws DataError when the package cannot build what the file says
 */
export function throughPackage(
  file: TokenizerFile,
  config: Readonly<Record<string, unknown>>,
  name: string,
): ThroughPackage {
  const value = withAllParts(file.value);
  const reading = build(value, config, name);
  const special = new Map(
    file.added
      .filter((token) => token.special)
      .map(({ content }) => [content, `${randomBytes(16).toString("hex")}`]),
  );
  let deaf: InstanceType<typeof PackageTokenizer> | undefined;
  return {
    encode(text, parseSpecial) {
      if (text === "") return [];
      deaf ??= build(renamed(value, special), config, name);
      const { ids } = (parseSpecial ? reading : deaf).encode(text, { add_special_tokens: false });
      return ids.filter((id) => id !== undefined);
    },
    decode(ids, showSpecial) {
      if (ids.length === 0) return "";
      return reading.decode([...ids], {
        skip_special_tokens: !showSpecial,
        clean_up_tokenization_spaces: config["clean_up_tokenization_spaces"] === true,
      });
    },
  };
}

function withAllParts(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const none = { normalizer: null, pre_tokenizer: null, decoder: null };
  // What stands around a text is put there by who calls.
  return { ...none, ...value, post_processor: null, added_tokens: value["added_tokens"] ?? [] };
}

function build(value: object, config: object, name: string): InstanceType<typeof PackageTokenizer> {
  try {
    return new PackageTokenizer(value, config);
  } catch (cause) {
    throw damaged(name, "cannot be used", [
      ["it says", cause instanceof Error ? cause.message : String(cause)],
    ]);
  }
}

/** The file with other names for its special tokens, and these not looked for. */
function renamed(
  value: Readonly<Record<string, unknown>>,
  names: ReadonlyMap<string, string>,
): Record<string, unknown> {
  const nameOf = (piece: string): string => names.get(piece) ?? piece;
  const model = value["model"] as Readonly<Record<string, unknown>>;
  const vocab = model["vocab"];
  return {
    ...value,
    added_tokens: (value["added_tokens"] as { readonly special?: boolean }[]).filter(
      ({ special }) => special !== true,
    ),
    model: {
      ...model,
      vocab: Array.isArray(vocab)
        ? vocab.map(([piece, score]: [string, number]) => [nameOf(piece), score])
        : Object.fromEntries(
            Object.entries(vocab as Record<string, number>).map(([piece, id]) => [
              nameOf(piece),
              id,
            ]),
          ),
      ...(typeof model["unk_token"] === "string" ? { unk_token: nameOf(model["unk_token"]) } : {}),
    },
  };
}
