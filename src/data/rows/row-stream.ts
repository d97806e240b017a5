/** @file An endless row of training sequences, each a function of its number alone. */

/** Rows of a batch, `[batch, pos]` each. */
export interface BatchArrays {
  readonly tokens: Int32Array;
  /** −1 where there is nothing to predict. */
  readonly targets: Int32Array;
  /** Of packed rows: which document of its row a place is of, from 0; −1 for padding. */
  readonly segments?: Int32Array;
  /** Of packed rows: the place in its document, or in the piece of a long one, from 0. */
  readonly positions?: Int32Array;
}

/** Sequences of `length` positions by number. Nothing is kept from one to the next, so any can be asked for. */
export interface RowStream {
  readonly length: number;
  readonly packed: boolean;
  /** Rows of one pass over the corpus. */
  readonly rowsPerEpoch: number;
  /** Which pass row `k` is of. */
  epochOf(k: number): number;
  /** Writes row `k` into row `at` of a batch, whose targets are all −1 before. */
  fill(k: number, batch: BatchArrays, at: number): void;
}

/** A batch of nothing: padding everywhere. */
export function emptyBatch(batch: number, length: number, packed: boolean): BatchArrays {
  const size = batch * length;
  const plain = { tokens: new Int32Array(size), targets: new Int32Array(size).fill(-1) };
  if (!packed) return plain;
  return { ...plain, segments: new Int32Array(size).fill(-1), positions: new Int32Array(size) };
}
