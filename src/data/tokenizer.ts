/** @file Text to token ids and back. The byte tokenizer needs no training: an id is a UTF-8 byte. */

import { TextDecoder } from "node:util";
import { DataError } from "../core/errors.ts";

/** Turns ids that arrive one by one into text that is safe to print at once. */
export interface TextStream {
  /** The text that `id` completes; "" while a character is still open. */
  push(id: number): string;
  /** What is left: "" or one U+FFFD for a character that never came to its end. */
  end(): string;
}

export interface Tokenizer {
  readonly name: string;
  /** Ids lie in `[0, vocab)`. */
  readonly vocab: number;
  /** @returns `[pos]` token ids */
  encode(text: string): Int32Array;
  /** @throws DataError when an id is outside the vocabulary */
  decode(ids: ArrayLike<number>): string;
  stream(): TextStream;
}

/**
 * One token per UTF-8 byte, 256 in all.
 *
 * Any bytes decode: what is no valid UTF-8 becomes U+FFFD, since a model that is still learning
 * writes such bytes often.
 */
export const byteTokenizer: Tokenizer = {
  name: "byte",
  vocab: 256,
  encode: (text) => Int32Array.from(new TextEncoder().encode(text)),
  decode: (ids) => lossyDecoder().decode(Uint8Array.from(ids, checkedByte)),
  stream: byteStream,
};

function byteStream(): TextStream {
  const decoder = lossyDecoder();
  return {
    push: (id) => decoder.decode(Uint8Array.of(checkedByte(id)), { stream: true }),
    end: () => decoder.decode(),
  };
}

/** `ignoreBOM` keeps a byte order mark as text, so that decoding gives back what was encoded. */
function lossyDecoder(): TextDecoder {
  return new TextDecoder("utf-8", { ignoreBOM: true });
}

function checkedByte(id: number): number {
  if (Number.isInteger(id) && id >= 0 && id < 256) return id;
  throw new DataError("DATA-01", `decode: ${id} is not a token of the byte tokenizer.`, [
    ["range", "0 to 255"],
    ["fix", "give the model a vocabulary of 256, so that it cannot choose other ids"],
  ]);
}
