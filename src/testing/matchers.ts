/** @file Comparison of arrays that says how far off they are. */

import { at, type NdArray } from "../core/ndarray.ts";
import { sameDims } from "../core/shape.ts";

export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Why two arrays differ; undefined when they agree. NaN equals NaN. */
export function difference(
  actual: NdArray,
  expected: NdArray,
  { rtol, atol }: Tolerance,
): string | undefined {
  if (!sameDims(actual.dims, expected.dims))
    return `dims [${actual.dims}] against [${expected.dims}]`;
  let bad = 0;
  let worst = 0;
  let first = "";
  for (let i = 0; i < expected.data.length; i++) {
    const a = at(actual, i);
    const b = at(expected, i);
    if (Object.is(a, b) || a === b) continue;
    const error = Math.abs(a - b);
    if (error <= atol + rtol * Math.abs(b)) continue;
    bad++;
    if (first === "") first = `element ${i}: ${a}, expected ${b}`;
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  }
  return bad === 0
    ? undefined
    : `${first}; ${bad} of ${expected.data.length} differ, largest error ${worst}`;
}

/** Largest error relative to the largest element of either side or 1; NaN and infinities aside. */
export function largestError(actual: NdArray, expected: NdArray): number {
  let error = 0;
  let scale = 1;
  for (let i = 0; i < expected.data.length; i++) {
    const [a, b] = [at(actual, i), at(expected, i)];
    if (!Number.isFinite(a) || !Number.isFinite(b)) continue;
    error = Math.max(error, Math.abs(a - b));
    scale = Math.max(scale, Math.abs(b));
  }
  return error / scale;
}

/** Runs a check of one sample; what it throws begins with the sample's label. */
export async function ofSample(
  { label }: { readonly label: string },
  check: () => void | Promise<void>,
): Promise<void> {
  try {
    await check();
  } catch (error) {
    if (error instanceof Error) error.message = `sample "${label}": ${error.message}`;
    throw error;
  }
}
