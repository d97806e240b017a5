/** @file Arrays with data on the host: what the reference engine computes with. */

import {
  allocate,
  type DType,
  fromNumbers,
  readElement,
  type TypedArray,
  writeElement,
} from "./dtype.ts";
import { ShapeError } from "./errors.ts";
import { type Aval, sizeOf, stridesOf } from "./shape.ts";

/** A dense row-major array. */
export interface NdArray {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TypedArray;
}

export function ndarray(dtype: DType, dims: readonly number[], values: ArrayLike<number>): NdArray {
  if (values.length !== sizeOf(dims)) {
    throw new ShapeError(
      "SHAPE-01",
      `array: ${values.length} values do not fill [${dims.join(", ")}], which holds ${sizeOf(dims)}.`,
    );
  }
  return { dtype, dims, data: fromNumbers(dtype, values) };
}

/** A zeroed array of the form of `like`. */
export function zeros(like: Pick<Aval, "dtype" | "dims">): NdArray {
  return { dtype: like.dtype, dims: like.dims, data: allocate(like.dtype, sizeOf(like.dims)) };
}

/** Element `i` as a number; bool is 0 or 1, int64 must be exact in a double. */
export function at(x: NdArray, i: number): number {
  return readElement(x.dtype, x.data, i);
}

/** Writes a number: floats round to nearest, integers wrap as their typed arrays do. */
export function put(x: NdArray, i: number, value: number): void {
  writeElement(x.dtype, x.data, i, value);
}

/** An array computed element by element: `f(index, flat)` with the row-major multi-index. */
export function build(
  like: Pick<Aval, "dtype" | "dims">,
  f: (index: readonly number[], flat: number) => number,
): NdArray {
  const out = zeros(like);
  const index = like.dims.map(() => 0);
  for (let flat = 0; flat < out.data.length; flat++) {
    put(out, flat, f(index, flat));
    for (let axis = index.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      if (next < (like.dims[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
    }
  }
  return out;
}

/** Flat offset of a multi-index. */
export function offsetOf(dims: readonly number[], index: readonly number[]): number {
  const strides = stridesOf(dims);
  return index.reduce((sum, i, axis) => sum + i * (strides[axis] ?? 0), 0);
}

/** Element at a multi-index. */
export function get(x: NdArray, index: readonly number[]): number {
  return at(x, offsetOf(x.dims, index));
}

/** Every element through `f`; the dtype may change. */
export function mapElements(x: NdArray, dtype: DType, f: (value: number) => number): NdArray {
  const out = zeros({ dtype, dims: x.dims });
  for (let i = 0; i < x.data.length; i++) put(out, i, f(at(x, i)));
  return out;
}

/** Two arrays of equal dims, element by element. */
export function zipElements(
  a: NdArray,
  b: NdArray,
  dtype: DType,
  f: (a: number, b: number) => number,
): NdArray {
  const out = zeros({ dtype, dims: a.dims });
  for (let i = 0; i < a.data.length; i++) put(out, i, f(at(a, i), at(b, i)));
  return out;
}

/**
 * Calls `f(base, stride, length)` for every line along `axis`: element `j` of a line lies at `base + j·stride`.
 */
export function forLines(
  dims: readonly number[],
  axis: number,
  f: (base: number, stride: number, length: number) => void,
): void {
  const stride = sizeOf(dims.slice(axis + 1));
  const length = dims[axis] ?? 0;
  const outer = sizeOf(dims.slice(0, axis));
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < stride; j++) f(i * stride * length + j, stride, length);
  }
}
