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

/** How a tokenizer does on a text. */
export function usesOf(tokenizer: Tokenizer, text: string): TextFacts {
  const ids = tokenizer.encode(text);
  const bytes = new TextEncoder().encode(text).length;
  return {
    bytes,
    tokens: ids.length,
    bytesPerToken: bytes / Math.max(1, ids.length),
    used: new Set(ids).size,
  };
}
