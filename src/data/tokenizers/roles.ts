/** @file Which special token ends a text, begins one, or fills a row: by the folder's config, else by its name. */

/** Ids by role, where known. */
export interface Roles {
  readonly endOfText?: number | undefined;
  readonly padding?: number | undefined;
  readonly bos?: number | undefined;
}

const END = ["<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<|eos|>", "[SEP]"];
const BEGIN = ["<s>", "<|begin_of_text|>", "<bos>", "<|bos|>", "<|startoftext|>", "[CLS]"];
const PADDING = ["<pad>", "<|pad|>", "<|padding|>", "[PAD]", "<|finetune_right_pad_id|>"];

export function rolesOf(
  special: ReadonlyMap<string, number>,
  config: Readonly<Record<string, unknown>>,
): Roles {
  const of = (key: string, usual: readonly string[]): number | undefined => {
    const said = contentOf(config[key]);
    if (said !== undefined) return special.get(said);
    const name = usual.find((content) => special.has(content));
    return name === undefined ? undefined : special.get(name);
  };
  return {
    endOfText: of("eos_token", END),
    padding: of("pad_token", PADDING),
    bos: of("bos_token", BEGIN),
  };
}

/** `tokenizer_config.json` gives a token as a string or as an object with its content. */
function contentOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const content = (value as { readonly content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}
