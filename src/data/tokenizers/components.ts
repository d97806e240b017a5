/** @file The forms of normalisers, pre-tokenizers and decoders: what is known here, and what each must say. */

import { z } from "zod";

const text = z.string();
const flag = z.boolean().nullish();
const mark = z.string().min(1).max(8);
const pattern = z.union([
  z.strictObject({ String: z.string().min(1) }),
  z.strictObject({ Regex: z.string().max(4096) }),
]);
const behaviour = z.enum([
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
]);
const scheme = z.enum(["always", "never", "first"]).nullish();

const form = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.looseObject({ type: z.literal(type), ...shape });

const byteLevel = form("ByteLevel", {
  add_prefix_space: flag,
  trim_offsets: flag,
  use_regex: flag,
});
const metaspace = form("Metaspace", {
  replacement: mark,
  str_rep: text.nullish(),
  prepend_scheme: scheme,
  add_prefix_space: flag,
  split: flag,
});
const replace = form("Replace", { pattern, content: text });

const normalizer = z.discriminatedUnion("type", [
  form("NFC", {}),
  form("NFD", {}),
  form("NFKC", {}),
  form("NFKD", {}),
  form("Lowercase", {}),
  form("StripAccents", {}),
  form("Prepend", { prepend: text }),
  form("Strip", { strip_left: flag, strip_right: flag }),
  form("Precompiled", { precompiled_charsmap: text.nullish() }),
  form("BertNormalizer", {
    clean_text: flag,
    handle_chinese_chars: flag,
    strip_accents: flag,
    lowercase: flag,
  }),
  replace,
]);

const preTokenizer = z.discriminatedUnion("type", [
  form("BertPreTokenizer", {}),
  form("Whitespace", {}),
  form("WhitespaceSplit", {}),
  form("Punctuation", { behavior: behaviour.nullish() }),
  form("Digits", { individual_digits: flag }),
  form("FixedLength", { length: z.int().min(1) }),
  form("Split", { pattern, behavior: behaviour, invert: flag }),
  byteLevel,
  metaspace,
]);

const decoder = z.discriminatedUnion("type", [
  form("Fuse", {}),
  form("ByteFallback", {}),
  form("WordPiece", { prefix: text, cleanup: flag }),
  form("BPEDecoder", { suffix: text.nullish() }),
  form("CTC", { pad_token: text, word_delimiter_token: text, cleanup: flag }),
  form("Strip", { content: mark, start: z.int().min(0).max(64), stop: z.int().min(0).max(64) }),
  replace,
  byteLevel,
  metaspace,
]);

/** By the key of the file: the form of one part, and what a sequence calls its parts. */
export const COMPONENT_FORMS: {
  readonly [key in "normalizer" | "pre_tokenizer" | "decoder"]: {
    readonly form: z.ZodType;
    readonly parts: string;
  };
} = {
  normalizer: { form: normalizer, parts: "normalizers" },
  pre_tokenizer: { form: preTokenizer, parts: "pretokenizers" },
  decoder: { form: decoder, parts: "decoders" },
};
