/** @file What the commands say of a tokenizer. */

import type { Tokenizer } from "../../data/tokenizer.ts";
import type { FileTokenizer } from "../../data/tokenizers/open-json.ts";

export interface TokenizerFacts {
  readonly name: string;
  readonly kind: string;
  readonly encoder: "own" | "package";
  readonly vocab: number;
  readonly special: Readonly<Record<string, number>>;
  readonly endOfText: number | null;
  readonly padding: number | null;
  readonly bos: number | null;
  readonly chatTemplate: boolean;
  readonly fingerprint: string;
}

export function describeTokenizer(tokenizer: Tokenizer | FileTokenizer): TokenizerFacts {
  const file = "kind" in tokenizer ? tokenizer : undefined;
  return {
    name: tokenizer.name,
    kind: file?.kind ?? "bytes",
    encoder: file?.encoder ?? "own",
    vocab: tokenizer.vocab,
    special: Object.fromEntries(tokenizer.special),
    endOfText: tokenizer.endOfText ?? null,
    padding: tokenizer.padding ?? null,
    bos: tokenizer.bos ?? null,
    chatTemplate: file?.chatTemplate !== undefined,
    fingerprint: tokenizer.fingerprint(),
  };
}

export interface TextFacts {
  readonly bytes: number;
  readonly tokens: number;
  readonly bytesPerToken: number;
  /** Ids that the text uses. */
  readonly used: number;
}

/** How a tokenizer does on documents. */
export async function usesOf(
  tokenizer: Tokenizer,
  texts: AsyncIterable<{ readonly text: string }>,
): Promise<TextFacts> {
  const used = new Set<number>();
  let bytes = 0;
  let tokens = 0;
  for await (const { text } of texts) {
    const ids = tokenizer.encode(text);
    bytes += Buffer.byteLength(text);
    tokens += ids.length;
    for (const id of ids) used.add(id);
  }
  return { bytes, tokens, bytesPerToken: bytes / Math.max(1, tokens), used: used.size };
}
