/** @file Small tensors for tests: drawn from a seed, read by index, compared. */

import { type DType, fromNumbers } from "../core/dtype.ts";
import { at, get, type NdArray } from "../core/ndarray.ts";
import { sampleStream } from "../core/samples.ts";
import { sizeOf } from "../core/shape.ts";
import { fromData, stored, type Tensor } from "../core/tensor.ts";
import { mapTree } from "../core/tree.ts";
import { difference, type Tolerance } from "./matchers.ts";

/** `{ batch: 2, pos: 3 }` filled by `f(flat)`. */
export function filled(
  sizes: Readonly<Record<string, number>>,
  f: (flat: number) => number,
  dtype: DType = "float32",
): Tensor {
  const dims = Object.values(sizes);
  const values = Array.from({ length: sizeOf(dims) }, (_, i) => f(i));
  return fromData(dtype, dims, fromNumbers(dtype, values), Object.keys(sizes).join(" "));
}

/** As `filled`, with doubles behind the word float32: exact input for `doubleEngine`. */
export function doubles(
  sizes: Readonly<Record<string, number>>,
  f: (flat: number) => number,
): Tensor {
  const { aval } = filled(sizes, () => 0);
  return stored(
    aval,
    Float64Array.from({ length: sizeOf(aval.dims) }, (_, i) => f(i)),
  );
}

/** x with doubles behind it, element `at` moved by `by`. */
export function nudged(x: Tensor, at: number, by: number): Tensor {
  return stored(
    x.aval,
    Float64Array.from(numbers(x), (value, i) => (i === at ? value + by : value)),
  );
}

/** Uniform in ±`range`, from a seed. */
export function drawn(seed: number, sizes: Readonly<Record<string, number>>, range = 1): Tensor {
  const next = sampleStream(seed);
  return filled(sizes, () => range * (2 * next() - 1));
}

/** Integers in [0, below), from a seed. */
export function drawnIds(
  seed: number,
  sizes: Readonly<Record<string, number>>,
  below: number,
): Tensor {
  const next = sampleStream(seed);
  return filled(sizes, () => Math.floor(below * next()), "int32");
}

/** A stored tensor as an array of the host. */
export function arrayOf(x: Tensor): NdArray {
  return { dtype: x.dtype, dims: x.dims, data: x.data() };
}

/** The elements as numbers, row-major. */
export function numbers(x: Tensor): number[] {
  const array = arrayOf(x);
  return Array.from({ length: array.data.length }, (_, i) => at(array, i));
}

/** `read(x)(i, j, k)` is one element. */
export function read(x: Tensor): (...index: number[]) => number {
  const array = arrayOf(x);
  return (...index) => get(array, index);
}

/** Why x is not `expected`, `f(index…)` element by element in row-major order; undefined when it is. */
export function differs(
  x: Tensor,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): string | undefined {
  const wanted: NdArray = { dtype: "float64", dims: x.dims, data: Float64Array.from(expected) };
  if (wanted.data.length !== x.data().length) return `${x.data().length} elements`;
  return difference(arrayOf(x), wanted, tolerance);
}

/** All indices of the given sizes, row-major. */
export function indices(...sizes: number[]): number[][] {
  return sizes.reduce<number[][]>(
    (list, size) => list.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}

/**
 * Doubles for every tensor of a tree, uniform in ±0.5 around `centre`, each from the seed of its path.
 *
 * @param forms - tensors of which only the forms matter
 */
export function drawnTree<T>(forms: T, centre: (path: string) => number): T {
  return mapTree(forms, ({ aval }, path) => {
    const next = sampleStream([...path].reduce((sum, c) => 31 * sum + c.charCodeAt(0), 7) >>> 0);
    const values = Array.from({ length: sizeOf(aval.dims) }, () => centre(path) + next() - 0.5);
    return stored(aval, Float64Array.from(values));
  });
}

/** A tree of float tensors rounded to single precision. */
export function inSingle<T>(tree: T): T {
  return mapTree(tree, (x) => stored(x.aval, Float32Array.from(x.data(), Number)));
}
