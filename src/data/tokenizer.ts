/** @file Text to token ids and back. The byte tokenizer needs no training: an id is a UTF-8 byte. */

import { DataError } from "../core/errors.ts";
import { BYTE_CHARACTERS } from "./tokenizers/byte-level.ts";
import { fingerprintOf } from "./tokenizers/canonical.ts";
import { byteStream, lossyDecoder } from "./tokenizers/decoding.ts";

/** Turns ids that arrive one by one into text that is safe to print at once. */
export interface TextStream {
  /** The text that `id` completes; "" while a character is still open. */
  push(id: number): string;
  /** What is left: "" or one U+FFFD for a character that never came to its end. */
  end(): string;
}

export interface EncodeOptions {
  /** Puts the tokens around the text that the tokenizer's own template says, such as `<s>`. False. */
  readonly addSpecial?: boolean;
  /**
   * Reads `<|endoftext|>` and its like in the text as the tokens of that name. False: a user's text must
   * not be able to end a document or speak in another's turn.
   */
  readonly parseSpecial?: boolean;
}

export interface DecodeOptions {
  /** Whether special tokens are shown by their names or left out. `skip`. */
  readonly special?: "skip" | "show";
}

export interface Tokenizer {
  readonly name: string;
  /** Ids lie in `[0, vocab)`. */
  readonly vocab: number;
  /** Tokens that no text spells, by content. */
  readonly special: ReadonlyMap<string, number>;
  /** The token between documents, where there is one. */
  readonly endOfText?: number | undefined;
  /** The token that fills up rows of a batch, where there is one. */
  readonly padding?: number | undefined;
  /** The token at the beginning of a text, where there is one. */
  readonly bos?: number | undefined;
  /** @returns `[pos]` token ids; half a surrogate pair is read as U+FFFD */
  encode(text: string, options?: EncodeOptions): Int32Array;
  /** @throws DataError when an id is outside the vocabulary */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  stream(options?: DecodeOptions): TextStream;
  /** The token as its file writes it, such as `Ġthe`. */
  piece(id: number): string;
  /**
   * UTF-8 bytes that an id stands for; 0 for special tokens. A space that the encoder puts before a text
   * is counted, so that over a text the sum is its size or one more.
   */
  bytesOf(id: number): number;
  /** The text of a `tokenizer.json`. */
  json(): string;
  /** SHA-256 of what `json()` says, however it is written: tells whether a checkpoint belongs to it. */
  fingerprint(): string;
}

/** The file that says the same as the byte tokenizer: 256 pieces and no merges. */
const BYTE_FILE = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: false,
  },
  post_processor: null,
  decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(BYTE_CHARACTERS.map((character, byte) => [character, byte])),
    merges: [],
  },
};

/**
 * One token per UTF-8 byte, 256 in all.
 *
 * Any bytes decode: what is no valid UTF-8 becomes U+FFFD, since a model that is still learning
 * writes such bytes often.
 */
export const byteTokenizer: Tokenizer = {
  name: "byte",
  vocab: 256,
  special: new Map(),
  encode: (text) => Int32Array.from(new TextEncoder().encode(text)),
  decode: (ids) => lossyDecoder().decode(Uint8Array.from(ids, checkedByte)),
  stream() {
    const stream = byteStream(false);
    return { push: (id) => stream.push(Uint8Array.of(checkedByte(id))), end: stream.end };
  },
  piece: (id) => BYTE_CHARACTERS[checkedByte(id)] ?? "",
  bytesOf: (id) => Uint8Array.of(checkedByte(id)).length,
  json: () => `${JSON.stringify(BYTE_FILE, null, 1)}\n`,
  fingerprint: () => fingerprintOf(BYTE_FILE),
};

function checkedByte(id: number): number {
  if (Number.isInteger(id) && id >= 0 && id < 256) return id;
  throw new DataError("DATA-01", `decode: ${id} is not a token of the byte tokenizer.`, [
    ["range", "0 to 255"],
    ["fix", "give the model a vocabulary of 256, so that it cannot choose other ids"],
  ]);
}
