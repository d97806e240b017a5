/** @file Cholesky factors of covariances of about a thousand samples, row by row in flat arrays. */

import { SignalError } from "../core/errors.ts";

/** L of K = LLᵀ. */
export interface CholeskyFactor {
  readonly size: number;
  /** Row i holds L_i0 … L_ii. */
  readonly rows: readonly Float64Array[];
  /** log det K */
  readonly logDeterminant: number;
}

/**
 * @param rows lower triangle of K, row i of length i + 1; overwritten with L
 * @throws SignalError when K is not positive definite
 */
export function choleskyFactor(rows: readonly Float64Array[]): CholeskyFactor {
  let logDeterminant = 0;
  rows.forEach((row, i) => {
    for (let j = 0; j < i; j++) {
      const other = rows[j] as Float64Array;
      row[j] = ((row[j] as number) - dot(row, other, j)) / (other[j] as number);
    }
    const left = (row[i] as number) - dot(row, row, i);
    if (!(left > 0))
      throw new SignalError("SIGNAL-01", `covariance: not positive definite at sample ${i}.`, [
        ["fix", "give the model some white noise, or amplitudes above 0"],
      ]);
    row[i] = Math.sqrt(left);
    logDeterminant += Math.log(left);
  });
  return { size: rows.length, rows, logDeterminant };
}

/** L⁻¹b, in place. */
export function solveLower({ rows }: CholeskyFactor, b: Float64Array): Float64Array {
  rows.forEach((row, i) => {
    b[i] = ((b[i] as number) - dot(row, b, i)) / (row[i] as number);
  });
  return b;
}

/** L⁻ᵀb, in place. */
export function solveUpper({ rows, size }: CholeskyFactor, b: Float64Array): Float64Array {
  for (let i = size - 1; i >= 0; i--) {
    const row = rows[i] as Float64Array;
    const value = (b[i] as number) / (row[i] as number);
    b[i] = value;
    for (let j = 0; j < i; j++) b[j] = (b[j] as number) - value * (row[j] as number);
  }
  return b;
}

/** Σ a_k b_k, k < count; four sums run side by side, for speed. */
export function dot(a: Float64Array, b: Float64Array, count: number): number {
  let [s, t, u, v] = [0, 0, 0, 0];
  let k = 0;
  for (; k + 3 < count; k += 4) {
    s += (a[k] as number) * (b[k] as number);
    t += (a[k + 1] as number) * (b[k + 1] as number);
    u += (a[k + 2] as number) * (b[k + 2] as number);
    v += (a[k + 3] as number) * (b[k + 3] as number);
  }
  for (; k < count; k++) s += (a[k] as number) * (b[k] as number);
  return s + t + u + v;
}
