/** @file Packed mode: whole documents side by side in a row, which cannot see each other. */

import { permutation } from "../permutation.ts";
import type { DocumentSource } from "../store/source.ts";
import { type PackedPiece, type PackingPlan, planPacking } from "./packing.ts";
import type { BatchArrays, RowStream } from "./row-stream.ts";

export interface PackedOptions {
  /** Positions of a row. */
  readonly length: number;
  /** Fixes the order; whole numbers. */
  readonly key: readonly number[];
}

export interface PackedRows extends RowStream {
  readonly plan: PackingPlan;
}

/**
 * Every target of the corpus once in an epoch, in rows of whole documents.
 *
 * The plan is the same in each epoch; the order of its rows is a permutation of its own in each. Documents in a row
 * cannot see each other, so which ones share it changes nothing but the make-up of a batch.
 */
export function packedRows(source: DocumentSource, { length, key }: PackedOptions): PackedRows {
  const plan = planPacking(source, length);
  const epochOf = (k: number) => Math.floor(k / plan.rows);
  return {
    length,
    packed: true,
    plan,
    rowsPerEpoch: plan.rows,
    epochOf,
    fill: (k, batch, at) => {
      const row = permutation(plan.rows, ...key, epochOf(k))(k % plan.rows);
      fillPieces(source, plan.row(row), batch, at * length);
    },
  };
}

/** Writes the pieces one after another from place `at` of the batch on. */
export function fillPieces(
  source: DocumentSource,
  pieces: readonly PackedPiece[],
  batch: BatchArrays,
  at: number,
): void {
  let place = at;
  pieces.forEach(({ from, count }, segment) => {
    const ids = readWithBefore(source, from, count);
    batch.tokens.set(ids.subarray(0, count), place);
    batch.targets.set(ids.subarray(1), place);
    batch.segments?.fill(segment, place, place + count);
    for (let i = 0; i < count; i++) if (batch.positions) batch.positions[place + i] = i;
    place += count;
  });
}

/** `count` tokens from place `from` on, and the one before them; before the first of all stands an end-of-text. */
export function readWithBefore(source: DocumentSource, from: number, count: number): Int32Array {
  if (from > 0) return source.read(from - 1, from + count);
  const ids = new Int32Array(count + 1);
  ids[0] = source.endOfText ?? 0;
  ids.set(source.read(0, count), 1);
  return ids;
}
