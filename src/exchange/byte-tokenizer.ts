/** @file The byte tokenizer as a `tokenizer.json` that other programs load: byte-level pieces, no merges. */

import { BYTE_CHARACTERS } from "../data/tokenizers/byte-level.ts";
import type { JsonObject } from "./json-files.ts";

/** An id is a byte, as in ours; each is spelled by its character of GPT-2's table. */
export function byteTokenizerJson(): JsonObject {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    // No regular expression: there is nothing to merge within words.
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
}
