/** @file Tokens by position, wherever they lie. */

/** A long row of token ids that is read in parts. */
export interface TokenSource {
  /** Tokens in all. */
  readonly length: number;
  /** @returns `[end − start]`, a copy; the range must lie in `[0, length]` */
  read(start: number, end: number): Int32Array;
}

/** Tokens with documents in them. */
export interface DocumentSource extends TokenSource {
  readonly documents: number;
  /**
   * Where documents end.
   *
   * @returns for each document of `[first, last)` the place after its last token
   */
  ends(first: number, last: number): Float64Array;
  /** What stands at the end of each document; undefined when the tokenizer has no such token. */
  readonly endOfText: number | undefined;
}

/** Tokens that are in memory. */
export function tokensInMemory(tokens: Int32Array): TokenSource {
  return { length: tokens.length, read: (start, end) => tokens.slice(start, end) };
}

/** A part of a source, with places of its own from 0. */
export function partOf(source: TokenSource, start: number, end: number): TokenSource {
  return {
    length: end - start,
    read: (from, to) => source.read(start + from, start + to),
  };
}
