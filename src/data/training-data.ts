/** @file From the words of `--data` to batches: corpora found, encoded once, divided, mixed. */

import { createHash } from "node:crypto";
import { DataError } from "../core/errors.ts";
import { formatCount } from "../core/text.ts";
import { type CorpusBatches, createCorpusBatches } from "./batches.ts";
import type { Corpus } from "./corpora/entry.ts";
import type { ReadOptions } from "./corpora/paths.ts";
import { openCorpus } from "./corpora/table.ts";
import { parseMixture } from "./mixture-text.ts";
import type { StoreFacts, StoreTokenizer } from "./store/format.ts";
import { openTokenStore } from "./store/open.ts";
import type { TokenStore } from "./store/read.ts";
import type { OnInvalid } from "./text/utf8.ts";

export interface TrainingDataOptions extends ReadOptions {
  /** `books`, a path, or several with weights: `books:0.7,wikitext-2:0.3`. */
  readonly data: string;
  readonly tokenizer: StoreTokenizer;
  /** Ids that the model has; the tokenizer's must fit in. */
  readonly vocab?: number | undefined;
  /** Rows per batch. */
  readonly batch: number;
  /** Positions per row. */
  readonly length: number;
  readonly seed: number;
  /** Documents side by side in a row, which cannot see each other; off when absent. */
  readonly packed?: boolean | undefined;
  readonly validationBatches?: number | undefined;
  readonly onInvalid?: OnInvalid | undefined;
  /** Where token stores are kept; the user's cache when absent. */
  readonly folder?: string | undefined;
  /** Told while a corpus is encoded: bytes of its files read, of all. */
  readonly onProgress?:
    | ((corpus: string, done: number, total: number, tokens: number) => void)
    | undefined;
  readonly onNotice?: ((line: string) => void) | undefined;
}

export interface DataPart {
  readonly corpus: Corpus;
  /** Share of the training sequences. */
  readonly weight: number;
  readonly train: TokenStore;
  /** What is held out; undefined when the corpus holds nothing out. */
  readonly validation: TokenStore | undefined;
}

export interface TrainingData {
  readonly batches: CorpusBatches;
  readonly parts: readonly DataPart[];
  /** Of all text for training and validation: another text gives another one. */
  readonly sha256: string;
  /** Training tokens in all. */
  readonly tokens: number;
  /** Tokens and UTF-8 bytes of what is held out: nats per token times their quotient are nats per byte. */
  readonly heldOut: { readonly tokens: number; readonly bytes: number };
  close(): void;
}

/**
 * Opens the corpora that are named, encodes what is not in the cache, and makes batches.
 *
 * @throws DataError when a corpus is not there, unreadable or too short, or the tokenizer does not fit the model
 */
export async function openTrainingData(options: TrainingDataOptions): Promise<TrainingData> {
  checkVocabulary(options);
  const shares = parseMixture(options.data);
  const corpora: Corpus[] = [];
  // All of them before the first is encoded: a typing mistake must not show after minutes.
  for (const { name } of shares) corpora.push(await openCorpus(name, options));
  const opened: TokenStore[] = [];
  const close = () => {
    for (const store of opened) store.close();
  };
  const open = async (corpus: Corpus, split: "train" | "validation"): Promise<TokenStore> => {
    const { tokenizer, onInvalid, folder, onNotice, onProgress } = options;
    const store = await openTokenStore({
      corpus,
      split,
      tokenizer,
      onInvalid,
      folder,
      onNotice,
      mayBeEmpty: split === "validation",
      onProgress: ({ counts, tokens }, total) =>
        onProgress?.(`${corpus.name} (${split})`, counts.read, total, tokens),
    });
    opened.push(store);
    noteCounts(store.facts, onNotice);
    return store;
  };
  try {
    const stores: Omit<DataPart, "weight">[] = [];
    for (const corpus of corpora) {
      const train = await open(corpus, "train");
      const validation = await open(corpus, "validation");
      stores.push({ corpus, train, validation: validation.length > 1 ? validation : undefined });
    }
    const tokens = stores.reduce((sum, { train }) => sum + train.length, 0);
    const parts = stores.map((store, index) => ({
      ...store,
      // Without weights, a corpus counts as much as it is long.
      weight: shares[index]?.weight ?? store.train.length / tokens,
    }));
    const { batch, length, seed, packed = false, validationBatches } = options;
    const batches = createCorpusBatches({
      corpora: parts.map(({ corpus, ...part }) => ({ name: corpus.name, ...part })),
      batch,
      length,
      seed,
      packed,
      validationBatches,
    });
    return { batches, parts, sha256: digestOf(opened), tokens, heldOut: heldOutOf(parts), close };
  } catch (cause) {
    close();
    throw cause;
  }
}

/** One line for people: names, shares, sizes and licences. */
export function describeData({ parts }: Pick<TrainingData, "parts">): string {
  return parts
    .map(({ corpus, weight, train }) => {
      const share = parts.length === 1 ? "" : ` ${Number((100 * weight).toFixed(2))} %`;
      const size = `${formatCount(train.length)} ${train.facts.tokenizer.name} tokens`;
      return `${corpus.name}${share}, ${size}, licence: ${corpus.licence}`;
    })
    .join("; ");
}

/** What must be known of a corpus before it is used, a line each. */
export function noticesOf({ parts }: Pick<TrainingData, "parts">): string[] {
  return parts.flatMap(({ corpus: { name, notice } }) =>
    notice === undefined ? [] : [`${name}: ${notice}`],
  );
}

function noteCounts(
  { corpus, split, empty, replaced }: StoreFacts,
  onNotice: (line: string) => void = () => {},
): void {
  if (empty > 0) onNotice(`${corpus} (${split}): ${empty} empty documents skipped`);
  if (replaced > 0) {
    onNotice(`${corpus} (${split}): ${replaced} places were no UTF-8; U+FFFD stands there now`);
  }
}

function checkVocabulary({ tokenizer, vocab }: TrainingDataOptions): void {
  if (vocab === undefined || tokenizer.vocab <= vocab) return;
  throw new DataError(
    "DATA-01",
    `data: the tokenizer ${tokenizer.name} has ${tokenizer.vocab} tokens, the model ${vocab}.`,
    [
      ["needs", "an id of the model for each token"],
      [
        "fix",
        `give the model a vocabulary of ${tokenizer.vocab}, or the tokenizer it was made for`,
      ],
    ],
  );
}

function digestOf(stores: readonly TokenStore[]): string {
  const hash = createHash("sha256");
  for (const { facts } of stores) hash.update(facts.sha256);
  return hash.digest("hex");
}

function heldOutOf(parts: readonly DataPart[]): { tokens: number; bytes: number } {
  const held = parts.flatMap(({ validation }) => (validation === undefined ? [] : [validation]));
  return {
    tokens: held.reduce((sum, { facts }) => sum + facts.tokens, 0),
    bytes: held.reduce((sum, { facts }) => sum + facts.bytes, 0),
  };
}
