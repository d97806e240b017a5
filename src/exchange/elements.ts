/**
 * @file Elements between files and weights: dtypes and the two layouts of a matrix.
 *
 * Weights are float32. Widening is exact, so a checkpoint in 16 bits comes back bit for bit when it is
 * written in its own dtype. Rounding to 16 bits goes to the nearest, ties to even; what is too large
 * becomes infinite, which `narrow` counts.
 */

import { viewOf } from "../core/dtype.ts";
import { fromHalf, toHalf } from "../core/half.ts";

/** Dtypes in which checkpoints hold weights. */
export const WEIGHT_DTYPES = ["float32", "bfloat16", "float16"] as const;
export type WeightDType = (typeof WEIGHT_DTYPES)[number];

export function isWeightDType(dtype: string): dtype is WeightDType {
  return WEIGHT_DTYPES.some((known) => known === dtype);
}

/** Raw little-endian elements as float32; `bytes` must own its memory when they are float32 already. */
export function widen(dtype: WeightDType, bytes: Uint8Array<ArrayBuffer>): Float32Array {
  if (dtype === "float32") {
    return viewOf("float32", bytes.buffer, bytes.byteOffset, bytes.length / 4) as Float32Array;
  }
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  if (dtype === "bfloat16") {
    // The upper half of a float32, NaN's payload included.
    const patterns = Uint32Array.from(halves, (half) => half << 16);
    return new Float32Array(patterns.buffer);
  }
  return Float32Array.from(halves, (half) => FLOAT16[half] ?? Number.NaN);
}

/** Elements of `dtype`, and how many finite ones became infinite. */
export function narrow(
  dtype: WeightDType,
  data: Float32Array,
): { readonly data: Float32Array | Uint16Array; readonly overflows: number } {
  if (dtype === "float32") return { data, overflows: 0 };
  const infinity = toHalf(dtype, Number.POSITIVE_INFINITY);
  let overflows = 0;
  const halves = Uint16Array.from(data, (value) => {
    const half = toHalf(dtype, value);
    if ((half & 0x7fff) === infinity && Number.isFinite(value)) overflows++;
    return half;
  });
  return { data: halves, overflows };
}

/** All 65,536 of them: reading is a look-up. */
const FLOAT16 = Float32Array.from({ length: 65_536 }, (_, half) => fromHalf("float16", half));

/** Side of a tile in elements: a tile's rows and columns stay in the cache. */
const TILE = 32;

/** The `[columns, rows]` matrix of a `[rows, columns]` one. */
export function transpose(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(top + TILE, rows);
    for (let left = 0; left < columns; left += TILE) {
      const right = Math.min(left + TILE, columns);
      for (let r = top; r < bottom; r++) {
        for (let c = left; c < right; c++) out[c * rows + r] = data[r * columns + c] ?? 0;
      }
    }
  }
  return out;
}
