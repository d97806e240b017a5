/**
 * @file Language-model batches as a pure function of (seed, step).
 *
 * Nothing is kept between steps, so a resumed run asks for step k and has it at once.
 */

import { ConfigError, DataError } from "../core/errors.ts";
import { asOneDocument, evaluationOf } from "./rows/evaluation.ts";
import { type MixedCorpus, mixRows } from "./rows/mixture.ts";
import { packedRows } from "./rows/packed.ts";
import { type BatchArrays, emptyBatch, type RowStream } from "./rows/row-stream.ts";
import { type WindowRows, windowRows } from "./rows/windows.ts";
import { type DocumentSource, partOf, type TokenSource, tokensInMemory } from "./store/source.ts";

/** Rows `[batch, pos]`; `targets` are the `tokens` one position later, −1 where there is nothing to predict. */
export interface Batch extends BatchArrays {
  /** Which pass over the corpus, of a mixture the fewest; 0 for validation. */
  readonly epoch: number;
}

export interface Batches {
  /** @param step - from 0 */
  train(step: number): Batch;
  /** The same batches each time, made one by one; none when nothing is held out. */
  validation(): Iterable<Batch>;
  /** Steps of one pass; of a mixture, until each corpus was passed once. */
  readonly stepsPerEpoch: number;
}

interface Sizes {
  /** Rows per batch. */
  readonly batch: number;
  /** Positions per row. */
  readonly length: number;
  readonly seed: number;
  /** At most this many validation batches, at even distances over what is held out; 8 when absent. */
  readonly validationBatches?: number | undefined;
}

export interface BatchOptions extends Sizes {
  /** `[token]` the whole corpus */
  readonly tokens: Int32Array | TokenSource;
  /** Share of the text, from its end, kept for validation; 0 to below 1. */
  readonly validationFraction: number;
}

/** Batches of one text. */
export interface TextBatches extends Batches {
  /** Tokens before this index are for training, the others for validation. */
  readonly trainTokens: number;
  /** Where the rows of a training step start in the corpus; the rows hold `length + 1` tokens. */
  trainStarts(step: number): { readonly epoch: number; readonly starts: readonly number[] };
}

const VALIDATION_BATCHES = 8;

/**
 * Batches of one text in windows that overlap by one token, so each token between is a target once.
 *
 * An epoch has `stepsPerEpoch · batch` windows, each used once.
 *
 * @throws DataError when the train or the validation part is too short for one batch
 * @throws ConfigError when an option is out of its range
 */
export function createBatches(options: BatchOptions): TextBatches {
  checkSizes(options);
  checkFraction(options.validationFraction);
  const { batch, length, seed, validationFraction } = options;
  const tokens =
    options.tokens instanceof Int32Array ? tokensInMemory(options.tokens) : options.tokens;
  const trainTokens = Math.floor(tokens.length * (1 - validationFraction));
  const needed = batch * length + 1;
  if (trainTokens < needed) throw tooShort("train", trainTokens, tokens.length, options);
  const heldOut = tokens.length - trainTokens;
  if (validationFraction > 0 && heldOut < needed) {
    throw tooShort("validation", heldOut, tokens.length, options);
  }
  const rows = windowRows(partOf(tokens, 0, trainTokens), { length, key: [seed], multiple: batch });
  const held = asOneDocument(partOf(tokens, trainTokens, tokens.length));
  return {
    ...trainingOf(rows, batch),
    trainTokens,
    validation: () => (validationFraction === 0 ? [] : validationOf([held], false, options)),
    trainStarts: (step) => startsOf(rows, step, batch),
  };
}

export interface CorpusPart {
  readonly name: string;
  readonly train: DocumentSource;
  /** What is held out; none when absent. */
  readonly validation?: DocumentSource | undefined;
  /** Share of the rows, above 0. */
  readonly weight: number;
}

export interface CorpusBatchOptions extends Sizes {
  readonly corpora: readonly CorpusPart[];
  /** Documents side by side in a row, which cannot see each other; else each corpus is one long text. */
  readonly packed: boolean;
}

/** What a mixture or a packed corpus adds. */
export interface CorpusBatches extends Batches {
  /** Passes over each corpus before `step`. */
  epochs(step: number): readonly number[];
  /** Share of the places of a row that are padding; 0 when not packed. */
  readonly waste: number;
}

/**
 * Batches of one corpus or of several by weight.
 *
 * @throws DataError when a corpus is too short for one sequence, or has nothing to predict
 * @throws ConfigError when an option is out of its range
 */
export function createCorpusBatches(options: CorpusBatchOptions): CorpusBatches {
  checkSizes(options);
  const { batch, length, seed, packed, corpora } = options;
  const wastes: number[] = [];
  const mixed: MixedCorpus[] = corpora.map(({ name, train, weight }, index) => {
    // One corpus alone has the keys that it always had.
    const key = corpora.length === 1 ? [seed] : [seed, index];
    if (!packed) {
      const multiple = corpora.length === 1 ? batch : 1;
      checkLength(name, train.length, multiple * length + 1, options);
      return { name, weight, rows: windowRows(train, { length, key, multiple }) };
    }
    const rows = packedRows(train, { length, key });
    checkLength(name, rows.plan.targets, 1, options);
    wastes.push(rows.plan.waste * weight);
    return { name, weight, rows };
  });
  const mixture = mixRows(mixed, seed);
  const held = corpora.flatMap(({ validation }) => (validation === undefined ? [] : [validation]));
  return {
    ...trainingOf(mixed.length === 1 && mixed[0] !== undefined ? mixed[0].rows : mixture, batch),
    waste: wastes.reduce((sum, waste) => sum + waste, 0),
    epochs: (step) =>
      mixture
        .counts(step * batch)
        .map((count, index) => count / (mixed[index]?.rows.rowsPerEpoch ?? 1)),
    validation: () => validationOf(held, packed, options),
  };
}

function trainingOf(rows: RowStream, batch: number): Pick<Batches, "train" | "stepsPerEpoch"> {
  return {
    stepsPerEpoch: Math.ceil(rows.rowsPerEpoch / batch),
    train: (step) => {
      checkWhole("step", step, 0);
      const arrays = emptyBatch(batch, rows.length, rows.packed);
      for (let at = 0; at < batch; at++) rows.fill(step * batch + at, arrays, at);
      return { ...arrays, epoch: rows.epochOf(step * batch) };
    },
  };
}

function startsOf(rows: WindowRows, step: number, batch: number) {
  checkWhole("step", step, 0);
  const starts = Array.from({ length: batch }, (_, i) => rows.startOf(step * batch + i));
  return { epoch: rows.epochOf(step * batch), starts };
}

function* validationOf(
  sources: readonly DocumentSource[],
  packed: boolean,
  { batch, length, validationBatches = VALIDATION_BATCHES }: Sizes,
): Generator<Batch> {
  for (const source of sources) {
    const evaluation = evaluationOf(source, { batch, length, packed, batches: validationBatches });
    for (const arrays of evaluation.batches()) yield { ...arrays, epoch: 0 };
  }
}

function checkSizes(options: Sizes): void {
  checkWhole("batch", options.batch, 1);
  checkWhole("length", options.length, 1);
  checkWhole("seed", options.seed, 0);
  checkWhole("validationBatches", options.validationBatches ?? VALIDATION_BATCHES, 1);
}

function checkFraction(fraction: number): void {
  if (fraction >= 0 && fraction < 1) return;
  throw new ConfigError("CONFIG-01", `batches: validationFraction is ${fraction}.`, [
    ["range", "0 to below 1"],
    ["fix", "0.1 keeps the last tenth of the text for validation"],
  ]);
}

function checkWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new ConfigError("CONFIG-01", `batches: ${name} is ${value}.`, [
    ["fix", `give a whole number, ${least} or more`],
  ]);
}

function checkLength(name: string, has: number, needed: number, options: CorpusBatchOptions): void {
  if (has >= needed) return;
  const { batch, length, packed, corpora } = options;
  if (packed) {
    throw new DataError("DATA-01", `batches: ${name} has nothing to predict.`, [
      ["found", "no document of more than one token"],
      ["fix", "give texts of more than one token, or train without packing"],
    ]);
  }
  const rows = corpora.length === 1 ? `${batch} rows` : "1 row";
  throw new DataError("DATA-01", `batches: ${name} has ${has} tokens; it needs ${needed}.`, [
    ["needs", `${rows} of ${length} positions, and 1 token more for the last target`],
    ["fix", "give a longer text, a smaller batch or length, or pack short documents"],
  ]);
}

function tooShort(
  part: "train" | "validation",
  has: number,
  all: number,
  options: BatchOptions,
): DataError {
  const { batch, length, validationFraction } = options;
  const needed = batch * length + 1;
  const share = part === "train" ? 1 - validationFraction : validationFraction;
  const total = Math.ceil(needed / share);
  return new DataError(
    "DATA-01",
    `batches: the ${part} part has ${has} tokens; one batch needs ${needed}.`,
    [
      ["batch", `${batch} rows of ${length} positions, and 1 token more for the last target`],
      ["corpus", `${all} tokens, validationFraction ${validationFraction}`],
      ["fix", `use a text of ${total} tokens or more, or a smaller batch or length`],
    ],
  );
}
