/** @file Stream mode: a corpus as one long text, cut into windows. */

import { drawBelow, permutation } from "../permutation.ts";
import type { TokenSource } from "../store/source.ts";
import type { BatchArrays, RowStream } from "./row-stream.ts";

export interface WindowOptions {
  /** Positions of a row. */
  readonly length: number;
  /** Fixes the order; whole numbers. */
  readonly key: readonly number[];
  /** The rows of an epoch are a multiple of this; 1 when absent. */
  readonly multiple?: number;
}

export interface WindowRows extends RowStream {
  /** Where row `k` starts in the corpus; it reads `length + 1` tokens from there. */
  startOf(k: number): number;
}

/**
 * Windows of `length + 1` tokens that overlap by one, so each token between is a target once in an epoch.
 *
 * They lie on a grid whose start moves from epoch to epoch, so that the cuts fall on other words each time; their order
 * is a permutation that can be entered anywhere. The few tokens that fill no window are left out; which ones, changes
 * with the grid.
 *
 * @param source - at least `multiple · length + 1` tokens
 */
export function windowRows(
  source: TokenSource,
  { length, key, multiple = 1 }: WindowOptions,
): WindowRows {
  // One window's length is left free where there is room, so that the grid can take every phase.
  const steps = Math.max(1, Math.floor((source.length - length) / (multiple * length)));
  const rowsPerEpoch = steps * multiple;
  const epochOf = (k: number) => Math.floor(k / rowsPerEpoch);
  const startOf = (k: number): number => {
    const epoch = epochOf(k);
    const offset = drawBelow(source.length - rowsPerEpoch * length, ...key, epoch);
    return offset + permutation(rowsPerEpoch, ...key, epoch)(k % rowsPerEpoch) * length;
  };
  const fill = (k: number, batch: BatchArrays, at: number): void => {
    const start = startOf(k);
    const ids = source.read(start, start + length + 1);
    batch.tokens.set(ids.subarray(0, length), at * length);
    batch.targets.set(ids.subarray(1), at * length);
  };
  return { length, packed: false, rowsPerEpoch, epochOf, startOf, fill };
}
