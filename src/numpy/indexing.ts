/** @file Choosing by index, and counting. Indices out of range are clamped to the axis. */

import { parseAxes } from "../core/axes.ts";
import type { DType } from "../core/dtype.ts";
import { aval, axisOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { broadcast, full as fullOf, iota } from "../ops/creation.ts";
import * as i from "../ops/indexing.ts";
import { reshape, transpose } from "../ops/layout.ts";
import { convert, equal } from "../ops/logic.ts";
import { topK as topKOf } from "../ops/top-k.ts";

/** Where to look: `axis` of the operand, at int32 indices whose leading axes the operand shares. */
export interface Place {
  readonly axis: string | number;
  readonly at: Tensor;
  /** How many equal pieces of the list of indices name no place twice; 0, the default, when unknown. */
  readonly distinct?: number;
}

/**
 * Rows of x along `axis`.
 *
 * Axes of x before `axis` are batch axes: `at` has the same ones first. The chosen axis is replaced
 * by the remaining axes of `at`.
 */
export function gather(x: Tensor, { axis, at, distinct = 0 }: Place): Tensor {
  return i.gather(x, at, axisOf("gather", x.aval, axis), distinct);
}

/** Rows of a table, `table[at]`, by indices of any shape. */
export function take(
  table: Tensor,
  at: Tensor,
  options: { readonly distinct?: number } = {},
): Tensor {
  return i.gather(table, at, 0, options.distinct ?? 0);
}

/**
 * Sums rows of x into `size` places along a new axis called `as`: the transpose of `gather`.
 *
 * `batch` axes lead. `distinct` is as for `gather`; say it where it is known: the sum is then many
 * times as fast.
 */
export function scatterAdd(
  x: Tensor,
  options: {
    readonly at: Tensor;
    readonly size: number;
    readonly batch: number;
    readonly as: string | null;
    readonly distinct?: number;
  },
): Tensor {
  const { at, size, batch, as, distinct = 0 } = options;
  return i.scatterAdd(x, at, { batchDims: batch, distinct, size, name: as });
}

export interface Largest {
  readonly values: Tensor;
  /** int32 places along the axis. */
  readonly indices: Tensor;
}

/**
 * The k largest along an axis, falling, NaN before all numbers, ties by lower index; the new axis stands
 * last and is called `as`.
 */
export function topK(
  x: Tensor,
  options: { readonly along: string | number; readonly k: number; readonly as?: string },
): Largest {
  const at = axisOf("topK", x.aval, options.along);
  const order = [...x.dims.map((_, axis) => axis).filter((axis) => axis !== at), at];
  const [values, indices] = topKOf(transpose(x, order), options.k);
  const name = (y: Tensor) => reshape(y, y.dims, [...y.names.slice(0, -1), options.as ?? null]);
  return { values: name(values), indices: name(indices) };
}

/** 0, 1, 2 … along one named (or unnamed) axis. */
export function arange(length: number, axis?: string, dtype: DType = "int32"): Tensor {
  return iota(aval(dtype, [length], [axis ?? null]), 0);
}

/** One value everywhere. */
export function full(
  value: number,
  dims: readonly number[],
  axes?: string,
  dtype: DType = "float32",
): Tensor {
  return fullOf(value, aval(dtype, dims, axes === undefined ? undefined : parseAxes("full", axes)));
}

export function zeros(dims: readonly number[], axes?: string, dtype: DType = "float32"): Tensor {
  return full(0, dims, axes, dtype);
}

/** A scalar constant. */
export function scalar(value: number, dtype: DType = "float32"): Tensor {
  return full(value, [], undefined, dtype);
}

/** `y[…, j] = (at[…] = j)` as numbers, along a new last axis. */
export function oneHot(at: Tensor, size: number, axis?: string): Tensor {
  return convert(isOneHot(at, size, axis), "float32");
}

/** `oneHot` as truth values. */
export function isOneHot(at: Tensor, size: number, axis?: string): Tensor {
  const dims = [...at.dims, size];
  const names = [...at.names, axis ?? null];
  const places = broadcast(at, { dims, axes: at.dims.map((_, k) => k), names });
  return equal(places, iota(aval("int32", dims, names), at.rank));
}
