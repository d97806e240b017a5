/**
 * @file Language-model batches as a pure function of (seed, step).
 *
 * Nothing is kept between steps, so a resumed run asks for step k and has it at once: the epoch's
 * order is a permutation that can be entered anywhere, and its windows lie on a grid whose start
 * moves from epoch to epoch, so that the cuts fall on other words each time.
 */

import { ConfigError, DataError } from "../core/errors.ts";
import { drawBelow, permutation } from "./permutation.ts";

/** `targets` are the `tokens` one position later. */
export interface Batch {
  /** `[batch, pos]` */
  readonly tokens: Int32Array;
  /** `[batch, pos]` */
  readonly targets: Int32Array;
  /** Which pass over the corpus; 0 for validation. */
  readonly epoch: number;
}

export interface BatchOptions {
  /** `[token]` the whole corpus */
  readonly tokens: Int32Array;
  /** Rows per batch. */
  readonly batch: number;
  /** Positions per row. */
  readonly length: number;
  readonly seed: number;
  /** Share of the text, from its end, kept for validation; 0 to below 1. */
  readonly validationFraction: number;
  /** At most this many validation batches, spread over the validation part; 8 when absent. */
  readonly validationBatches?: number;
}

export interface Batches {
  /** @param step - from 0 */
  train(step: number): Batch;
  /** The same batches each time; empty when `validationFraction` is 0. */
  validation(): readonly Batch[];
  readonly stepsPerEpoch: number;
  /** Tokens before this index are for training, the others for validation. */
  readonly trainTokens: number;
  /** Where the rows of a training step start in the corpus; the rows hold `length + 1` tokens. */
  trainStarts(step: number): { readonly epoch: number; readonly starts: readonly number[] };
}

/**
 * Windows of `length + 1` tokens that overlap by one, so each token between is a target once.
 *
 * An epoch has `stepsPerEpoch · batch` windows, each used once. The few tokens that fill no whole
 * batch are left out; which ones, changes with the epoch's offset.
 *
 * @throws DataError when the train or the validation part is too short for one batch
 * @throws ConfigError when an option is out of its range
 */
export function createBatches(options: BatchOptions): Batches {
  checkOptions(options);
  const { tokens, batch, length, seed, validationFraction } = options;
  const trainTokens = Math.floor(tokens.length * (1 - validationFraction));
  const needed = batch * length + 1;
  if (trainTokens < needed) throw tooShort("train", trainTokens, options);
  const validationTokens = tokens.length - trainTokens;
  if (validationFraction > 0 && validationTokens < needed) {
    throw tooShort("validation", validationTokens, options);
  }

  const stepsPerEpoch = epochSteps(trainTokens, batch, length);
  const trainStarts = (step: number) => {
    checkWhole("step", step, 0);
    const epoch = Math.floor(step / stepsPerEpoch);
    const windows = stepsPerEpoch * batch;
    const offset = drawBelow(trainTokens - windows * length, seed, epoch);
    const windowAt = permutation(windows, seed, epoch);
    const first = (step % stepsPerEpoch) * batch;
    const starts = Array.from({ length: batch }, (_, i) => offset + windowAt(first + i) * length);
    return { epoch, starts };
  };
  return {
    stepsPerEpoch,
    trainTokens,
    trainStarts,
    train: (step) => {
      const { epoch, starts } = trainStarts(step);
      return cutBatch(tokens, starts, length, epoch);
    },
    validation: () =>
      validationStarts(options, trainTokens).map((starts) => cutBatch(tokens, starts, length, 0)),
  };
}

/**
 * One window's length of tokens is left free where the corpus has room, so that the offset can
 * take every phase of the grid. At least one step.
 */
function epochSteps(trainTokens: number, batch: number, length: number): number {
  return Math.max(1, Math.floor((trainTokens - length) / (batch * length)));
}

/** The starts of each validation batch; a bounded choice takes batches at even distances. */
function validationStarts(options: BatchOptions, from: number): number[][] {
  const { tokens, batch, length, validationFraction, validationBatches = 8 } = options;
  if (validationFraction === 0) return [];
  const all = Math.floor((tokens.length - from - 1) / (batch * length));
  const used = Math.min(all, validationBatches);
  return Array.from({ length: used }, (_, index) => {
    const first = from + Math.floor((index * all) / used) * batch * length;
    return Array.from({ length: batch }, (_, row) => first + row * length);
  });
}

function cutBatch(
  tokens: Int32Array,
  starts: readonly number[],
  length: number,
  epoch: number,
): Batch {
  const inputs = new Int32Array(starts.length * length);
  const targets = new Int32Array(starts.length * length);
  starts.forEach((start, row) => {
    inputs.set(tokens.subarray(start, start + length), row * length);
    targets.set(tokens.subarray(start + 1, start + 1 + length), row * length);
  });
  return { tokens: inputs, targets, epoch };
}

function checkOptions(options: BatchOptions): void {
  checkWhole("batch", options.batch, 1);
  checkWhole("length", options.length, 1);
  checkWhole("seed", options.seed, 0);
  checkWhole("validationBatches", options.validationBatches ?? 8, 1);
  const fraction = options.validationFraction;
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

function tooShort(part: "train" | "validation", has: number, options: BatchOptions): DataError {
  const { batch, length, tokens, validationFraction } = options;
  const needed = batch * length + 1;
  const share = part === "train" ? 1 - validationFraction : validationFraction;
  const total = Math.ceil(needed / share);
  return new DataError(
    "DATA-01",
    `batches: the ${part} part has ${has} tokens; one batch needs ${needed}.`,
    [
      ["batch", `${batch} rows of ${length} positions, and 1 token more for the last target`],
      ["corpus", `${tokens.length} tokens, validationFraction ${validationFraction}`],
      ["fix", `use a text of ${total} tokens or more, or a smaller batch or length`],
    ],
  );
}
