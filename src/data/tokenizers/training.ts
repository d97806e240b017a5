/** @file Training a tokenizer from a stream of texts: words are counted once, then pieces are learnt. */

import { ConfigError, suggestion } from "../../core/errors.ts";
import { type CountedWords, trainBpe } from "./bpe-training.ts";
import { BYTE_CHARACTERS, byteOfFallback, fallbackPiece, spellBytes } from "./byte-level.ts";
import { type FileTokenizer, openTokenizerJson } from "./open-json.ts";
import { SPLITTINGS, type Splitting } from "./splitting.ts";
import { codePoints } from "./trie.ts";
import { trainUnigram } from "./unigram-training.ts";
import { countWords, type WordCounts, wellFormed } from "./word-counts.ts";
import { type Normalisation, tokenizerJson } from "./written-json.ts";

export const TOKENIZER_KINDS = ["bpe", "unigram"] as const;
export type TokenizerKind = (typeof TOKENIZER_KINDS)[number];

export interface TrainingOptions {
  readonly kind: TokenizerKind;
  /** Ids in all, special tokens and bytes included. Fewer come out when the text has no more pieces. */
  readonly vocab: number;
  /** Where words begin; `gpt2` for BPE and `metaspace` for unigram when left out. */
  readonly splitting?: Splitting;
  /**
   * Tokens that no text spells, in the order of their ids. `<|endoftext|>`, and `<unk> <s> </s>` under
   * `metaspace`, when left out; `<unk>` is added where the kind needs it.
   */
  readonly special?: readonly string[];
  /** BPE: least occurrences of a pair to be merged; 2. */
  readonly minFrequency?: number;
  /** Most symbols in a piece: bytes under `gpt2` and `gpt4`, else characters. 16 for unigram. */
  readonly longestPiece?: number;
  /** `metaspace`: share of the text's characters that the alphabet must cover, the most frequent first; 1. */
  readonly coverage?: number;
  /** `metaspace`: most characters in the alphabet. */
  readonly alphabet?: number;
  /** `metaspace`: other characters become their UTF-8 bytes, at the cost of 256 ids; else `<unk>`. True. */
  readonly byteFallback?: boolean;
  readonly normalisation?: Normalisation;
  /** Unigram: pieces to start from; 20 times `vocab`, at least 100,000. */
  readonly seeds?: number;
  /** Different words in memory at most; 4,000,000. */
  readonly mostWords?: number;
  onProgress?(progress: TrainingProgress): void;
}

export interface TrainingProgress {
  readonly phase: "count" | "learn";
  /** Texts read, or pieces there are. */
  readonly done: number;
  /** Pieces wanted; unknown while texts are counted. */
  readonly total?: number;
  /** Characters read so far. */
  readonly characters?: number;
}

/**
 * Learns a tokenizer. The same texts in the same order give the same tokenizer, on every machine.
 *
 * @returns the tokenizer; `json()` is the text of a `tokenizer.json`
 * @throws ConfigError when an option is out of its range, or `vocab` is smaller than what must be in it
 * @throws DataError when the texts are empty
 */
export async function trainTokenizer(
  texts: AsyncIterable<string> | Iterable<string>,
  options: TrainingOptions,
): Promise<FileTokenizer> {
  const plan = planOf(options);
  const counted = await countWords(texts, {
    splitting: plan.splitting,
    normalise: normaliser(plan.normalisation),
    ...(options.mostWords === undefined ? {} : { mostWords: options.mostWords }),
    onText: (done, characters) => options.onProgress?.({ phase: "count", done, characters }),
  });
  const text = learn(counted, plan, options);
  return openTokenizerJson(text, `${options.kind}-${options.vocab}`);
}

/** Options with their defaults filled in and checked. */
interface Plan {
  readonly kind: TokenizerKind;
  readonly splitting: Splitting;
  readonly special: readonly string[];
  readonly unknown: string | undefined;
  readonly fallback: boolean;
  readonly normalisation: Normalisation;
}

const UNKNOWN = "<unk>";

function planOf(options: TrainingOptions): Plan {
  const { kind, vocab } = options;
  if (!TOKENIZER_KINDS.includes(kind)) throw unknownWord("kind", kind, TOKENIZER_KINDS);
  const splitting = options.splitting ?? (kind === "bpe" ? "gpt2" : "metaspace");
  if (!SPLITTINGS.includes(splitting)) throw unknownWord("splitting", splitting, SPLITTINGS);
  const meta = splitting === "metaspace";
  const fallback = meta && (options.byteFallback ?? true);
  const needsUnknown = meta || kind === "unigram";
  const given = options.special ?? (meta ? [UNKNOWN, "<s>", "</s>"] : ["<|endoftext|>"]);
  const special = needsUnknown && !given.includes(UNKNOWN) ? [UNKNOWN, ...given] : given;
  within("vocab", vocab, 1, 2 ** 20);
  within("minFrequency", options.minFrequency ?? 1, 1, Number.MAX_SAFE_INTEGER);
  within("longestPiece", options.longestPiece ?? 2, 2, 4096);
  within("alphabet", options.alphabet ?? 1, 1, 2 ** 20);
  within("seeds", options.seeds ?? 1, 1, 2 ** 24);
  within("mostWords", options.mostWords ?? 1000, 1000, 2 ** 24 - 1);
  const coverage = options.coverage ?? 1;
  if (!(coverage > 0 && coverage <= 1)) {
    throw new ConfigError("CONFIG-01", `tokenizer: coverage is ${coverage}.`, [
      ["range", "above 0, to 1"],
      ["fix", "0.9995 is usual for languages with many characters, 1 for others"],
    ]);
  }
  for (const [i, token] of special.entries()) {
    const wrong =
      codePoints(token).length < 2
        ? "shorter than two characters"
        : special.indexOf(token) !== i
          ? "given twice"
          : byteOfFallback(token) !== undefined
            ? "the name of a byte"
            : token !== wellFormed(token)
              ? "half a character"
              : undefined;
    if (wrong === undefined) continue;
    throw new ConfigError(
      "CONFIG-01",
      `tokenizer: the special token ${JSON.stringify(token)} is ${wrong}.`,
      [["fix", "give special tokens that differ, such as <|endoftext|>"]],
    );
  }
  return {
    kind,
    splitting,
    special,
    unknown: needsUnknown ? UNKNOWN : undefined,
    fallback,
    normalisation: options.normalisation ?? "none",
  };
}

function within(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new ConfigError("CONFIG-01", `tokenizer: ${name} is ${value}.`, [
    ["range", `a whole number from ${least} to ${most}`],
    ["fix", `give ${name} in this range`],
  ]);
}

function unknownWord(name: string, given: string, known: readonly string[]): ConfigError {
  return new ConfigError("CONFIG-01", `tokenizer: ${name} "${given}" is not known.`, [
    ["fix", suggestion(given, known)],
  ]);
}

function normaliser(form: Normalisation): (text: string) => string {
  if (form === "none") return (text) => text;
  return (text) => text.normalize(form === "nfc" ? "NFC" : "NFKC");
}

/** Learns from counted words; answers the text of a `tokenizer.json`. */
function learn({ counts }: WordCounts, plan: Plan, options: TrainingOptions): string {
  const { kind, splitting, special, fallback } = plan;
  const meta = splitting === "metaspace";
  const bytes = fallback ? Array.from({ length: 256 }, (_, byte) => fallbackPiece(byte)) : [];
  const letters = meta ? alphabetOf(counts, options) : [...BYTE_CHARACTERS].sort();
  const given = [...special, ...bytes];
  const least = given.length + letters.length;
  if (least > options.vocab) {
    throw new ConfigError("CONFIG-01", `tokenizer: vocab ${options.vocab} is too small.`, [
      [
        "needs",
        `${least}: ${special.length} special tokens, ${bytes.length} bytes for characters outside the alphabet, ${letters.length} ${meta ? "characters" : "bytes"}`,
      ],
      [
        "fix",
        meta ? "raise vocab, or lower coverage or alphabet" : `raise vocab to ${least} or more`,
      ],
    ]);
  }
  const forbidden = new Set(given);
  const onPiece = (pieces: number): void =>
    options.onProgress?.({ phase: "learn", done: pieces, total: options.vocab });
  const spell = meta
    ? (word: string) => word
    : (word: string) => spellBytes(new TextEncoder().encode(word));

  if (kind === "bpe") {
    const pieces = [...given, ...letters];
    const ids = new Map(letters.map((letter, i) => [letter.codePointAt(0) ?? 0, given.length + i]));
    const words = countedWords(counts, spell, (point) => ids.get(point));
    const bpe = trainBpe(words, pieces, {
      vocab: options.vocab,
      minFrequency: options.minFrequency ?? 2,
      longest: options.longestPiece ?? Number.MAX_SAFE_INTEGER,
      forbidden,
      onPiece,
    });
    return tokenizerJson({ ...plan, model: { type: "BPE", ...bpe } });
  }
  const known = new Set(letters.map((letter) => letter.codePointAt(0)));
  const words = countedWords(counts, spell, (point) => (known.has(point) ? point : undefined));
  const learnt = trainUnigram(words, {
    vocab: options.vocab - given.length,
    longest: options.longestPiece ?? 16,
    seeds: options.seeds ?? Math.max(100_000, 20 * options.vocab),
    shrinking: 0.75,
    rounds: 2,
    forbidden,
    onPieces: onPiece,
  });
  const unseen = letters.filter((letter) => !learnt.some(({ piece }) => piece === letter));
  const lowest = learnt.reduce((low, { score }) => Math.min(low, score), 0);
  const scored = [...learnt, ...unseen.map((piece) => ({ piece, score: lowest - 1 }))];
  return tokenizerJson({ ...plan, model: { type: "Unigram", given, bytes, scored } });
}

/** The characters of the words, the most frequent ones if not all are wanted, in code point order. */
function alphabetOf(
  counts: ReadonlyMap<string, number>,
  { coverage = 1, alphabet = Number.POSITIVE_INFINITY }: TrainingOptions,
): string[] {
  const seen = new Map<number, number>();
  let total = 0;
  for (const [word, count] of counts) {
    for (const point of codePoints(word)) {
      seen.set(point, (seen.get(point) ?? 0) + count);
      total += count;
    }
  }
  const ranked = [...seen].sort(([a, x], [b, y]) => y - x || a - b);
  let covered = 0;
  let size = 0;
  while (size < Math.min(alphabet, ranked.length) && covered < coverage * total) {
    covered += ranked[size++]?.[1] ?? 0;
  }
  return ranked
    .slice(0, size)
    .map(([point]) => point)
    .sort((a, b) => a - b)
    .map((point) => String.fromCodePoint(point));
}

/**
 * Words as symbols. A character outside the alphabet ends a word: what stands on its two sides were
 * never neighbours of each other.
 */
function countedWords(
  counts: ReadonlyMap<string, number>,
  spell: (word: string) => string,
  symbolOf: (point: number) => number | undefined,
): CountedWords {
  const symbols: number[] = [];
  const starts: number[] = [0];
  const times: number[] = [];
  const end = (count: number): void => {
    if (symbols.length === starts.at(-1)) return;
    starts.push(symbols.length);
    times.push(count);
  };
  for (const [word, count] of counts) {
    for (const point of codePoints(spell(word))) {
      const symbol = symbolOf(point);
      if (symbol === undefined) end(count);
      else symbols.push(symbol);
    }
    end(count);
  }
  return {
    symbols: Int32Array.from(symbols),
    starts: Int32Array.from(starts),
    counts: Float64Array.from(times),
  };
}
