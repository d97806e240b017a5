/** @file The `tokenizer.json` of what is trained here: the form that the `tokenizers` packages load. */

import type { Bpe } from "./bpe-training.ts";
import { META, patternSource, type Splitting } from "./splitting.ts";
import type { ScoredPiece } from "./unigram-training.ts";

export const NORMALISATIONS = ["none", "nfc", "nfkc"] as const;
export type Normalisation = (typeof NORMALISATIONS)[number];

export interface Written {
  readonly splitting: Splitting;
  readonly special: readonly string[];
  readonly unknown: string | undefined;
  /** Whether characters outside the alphabet become bytes. */
  readonly fallback: boolean;
  readonly normalisation: Normalisation;
  readonly model:
    | ({ readonly type: "BPE" } & Bpe)
    | {
        readonly type: "Unigram";
        /** Special tokens, then bytes: the first ids. */
        readonly given: readonly string[];
        readonly bytes: readonly string[];
        readonly scored: readonly ScoredPiece[];
      };
}

/** The text of the file, with a line feed at its end. */
export function tokenizerJson(written: Written): string {
  const { splitting, special, model } = written;
  const value = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: normalizer(written),
    pre_tokenizer: preTokenizer(splitting),
    post_processor: postProcessor(written),
    decoder: decoder(written),
    model: model.type === "BPE" ? bpeModel(model, written) : unigramModel(model, written),
  };
  return `${JSON.stringify(value, null, 1)}\n`;
}

function normalizer({ splitting, normalisation }: Written): object | null {
  const parts = [
    ...(normalisation === "none" ? [] : [{ type: normalisation.toUpperCase() }]),
    ...(splitting === "metaspace"
      ? [
          { type: "Prepend", prepend: META },
          { type: "Replace", pattern: { String: " " }, content: META },
        ]
      : []),
  ];
  if (parts.length < 2) return parts[0] ?? null;
  return { type: "Sequence", normalizers: parts };
}

function preTokenizer(splitting: Splitting): object {
  if (splitting === "metaspace") {
    return { type: "Metaspace", replacement: META, prepend_scheme: "never", split: true };
  }
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  if (splitting === "gpt2") return { ...bytes, use_regex: true };
  return {
    type: "Sequence",
    pretokenizers: [
      {
        type: "Split",
        pattern: { Regex: patternSource(splitting) },
        behavior: "Isolated",
        invert: false,
      },
      { ...bytes, use_regex: false },
    ],
  };
}

/** Begins each text with `<s>` when asked for special tokens, where there is an `<s>`. */
function postProcessor({ special, splitting }: Written): object | null {
  const id = special.indexOf("<s>");
  if (id >= 0) {
    const begin = { SpecialToken: { id: "<s>", type_id: 0 } };
    return {
      type: "TemplateProcessing",
      single: [begin, { Sequence: { id: "A", type_id: 0 } }],
      pair: [begin, { Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
      special_tokens: { "<s>": { id: "<s>", ids: [id], tokens: ["<s>"] } },
    };
  }
  if (splitting === "metaspace") return null;
  return { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
}

function decoder({ splitting }: Written): object {
  if (splitting !== "metaspace") {
    return { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  }
  return {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: META }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  };
}

function bpeModel({ pieces, merges }: Bpe, { unknown, fallback }: Written): object {
  return {
    type: "BPE",
    dropout: null,
    unk_token: unknown ?? null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: unknown !== undefined,
    byte_fallback: fallback,
    ignore_merges: false,
    vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
    merges: merges.map(([left, right]) => [pieces[left], pieces[right]]),
  };
}

/**
 * Special tokens score 0, as everywhere. A byte scores below any spelling of the six characters of its
 * name, so that a text that holds `<0x41>` is not read as a byte by those who look for it in the text.
 */
function unigramModel(
  model: Extract<Written["model"], { readonly type: "Unigram" }>,
  { unknown, fallback }: Written,
): object {
  const lowest = model.scored.reduce((low, { score }) => Math.min(low, score), 0);
  const bytes = new Set(model.bytes);
  return {
    type: "Unigram",
    unk_id: unknown === undefined ? null : model.given.indexOf(unknown),
    vocab: [
      ...model.given.map((piece) => [piece, bytes.has(piece) ? 8 * lowest - 8 : 0]),
      ...model.scored.map(({ piece, score }) => [piece, score]),
    ],
    byte_fallback: fallback,
  };
}
