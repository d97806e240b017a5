/** @file Documents to tokens, piece by piece, with all that is counted on the way. */

import { createHash, type Hash } from "node:crypto";
import { DataError } from "../../core/errors.ts";
import { type DocumentCounts, documents, noCounts } from "../corpora/documents.ts";
import type { Corpus, Split } from "../corpora/entry.ts";
import type { OnInvalid } from "../text/utf8.ts";
import type { StoreTokenizer } from "./format.ts";

/** What is encoded, and how. */
export interface EncodeInput {
  readonly corpus: Corpus;
  /** All of the corpus when absent. */
  readonly split?: Split | undefined;
  readonly tokenizer: StoreTokenizer;
  /** At bytes that are no UTF-8; `stop` when absent. */
  readonly onInvalid?: OnInvalid | undefined;
  /** UTF-16 units that are encoded at once; for tests. */
  readonly pieceLength?: number | undefined;
}

/** Sums over what was read so far. */
export interface Running {
  pieces: number;
  documents: number;
  tokens: number;
  bytes: number;
  readonly hash: Hash;
  readonly counts: DocumentCounts;
}

export interface EncodedPiece {
  readonly tokens: Int32Array;
  /** Whether its document ends here. */
  readonly ends: boolean;
}

export function startRunning(): Running {
  return {
    pieces: 0,
    documents: 0,
    tokens: 0,
    bytes: 0,
    hash: createHash("sha256"),
    counts: noCounts(),
  };
}

/** Pieces that were encoded before, and the hash of their text. */
export interface Done {
  readonly pieces: number;
  readonly sha256: string;
}

/** The text is another one than that which was encoded before. */
export class TextChanged extends Error {}

/**
 * The tokens of each piece of text in order. A document ends with the tokenizer's end-of-text token; where it has none,
 * with an empty line.
 *
 * @param done - pieces that are read and hashed, but not encoded: they were before
 * @throws TextChanged when those are not what they were
 * @throws DataError as `documents` does, and when the tokenizer answers an id outside its vocabulary
 */
export async function* encodePieces(
  input: EncodeInput,
  running: Running,
  done: Done = { pieces: 0, sha256: "" },
): AsyncGenerator<EncodedPiece> {
  const { corpus, split, tokenizer, onInvalid, pieceLength } = input;
  const { counts, hash } = running;
  for await (const document of documents(corpus, { split, onInvalid, pieceLength, counts })) {
    const ends = !document.continues;
    running.pieces++;
    hash.update(document.text);
    if (ends) hash.update("\0");
    if (running.pieces === done.pieces && hash.copy().digest("hex") !== done.sha256) {
      throw new TextChanged();
    }
    if (running.pieces <= done.pieces) continue;
    const { endOfText } = tokenizer;
    const text = ends && endOfText === undefined ? withEmptyLine(document.text) : document.text;
    const encoded = tokenizer.encode(text);
    const tokens = ends && endOfText !== undefined ? withLast(encoded, endOfText) : encoded;
    checkIds(tokens, tokenizer);
    running.tokens += tokens.length;
    running.bytes += Buffer.byteLength(text);
    if (ends) running.documents++;
    yield { tokens, ends };
  }
  if (running.pieces < done.pieces) throw new TextChanged();
}

function withEmptyLine(text: string): string {
  return text.endsWith("\n") ? `${text}\n` : `${text}\n\n`;
}

function withLast(tokens: Int32Array, last: number): Int32Array {
  const all = new Int32Array(tokens.length + 1);
  all.set(tokens);
  all[tokens.length] = last;
  return all;
}

function checkIds(tokens: Int32Array, { name, vocab }: StoreTokenizer): void {
  for (let at = 0; at < tokens.length; at++) {
    const id = tokens[at] ?? 0;
    if (id >= 0 && id < vocab) continue;
    throw new DataError("DATA-01", `tokens: the tokenizer ${name} answered id ${id}.`, [
      ["vocabulary", `${vocab}, so ids are 0 to ${vocab - 1}`],
      ["fix", "its vocabulary and its files do not belong together: give the tokenizer anew"],
    ]);
  }
}
