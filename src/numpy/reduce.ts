/** @file Reductions along axes given by name or index. Ties, NaN and empty axes: see `docs/numerics.md`. */

import { isFloat } from "../core/dtype.ts";
import { ShapeError } from "../core/errors.ts";
import { axisOf, dimOf, showAval, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import * as arg from "../ops/arg-max.ts";
import { mul, scale, sub } from "../ops/arithmetic.ts";
import { not } from "../ops/bits.ts";
import { fullLike } from "../ops/creation.ts";
import { sqrt } from "../ops/exponential.ts";
import { reduceMax, reduceMin } from "../ops/extremes.ts";
import { reshape, transpose } from "../ops/layout.ts";
import { convert, equal, notEqual } from "../ops/logic.ts";
import * as r from "../ops/reduce.ts";
import * as s from "../ops/softmax.ts";
import * as sums from "../ops/sum.ts";
import { onLast } from "./last-axis.ts";

/** One axis or several, by name or index; all when absent. */
export type Axes = string | number | readonly (string | number)[];

/** What a reduction may be asked besides its axes. */
export interface Keep {
  /** Keep reduced axes, with length 1 and without name; then the result broadcasts against x by position. */
  readonly keepDims?: boolean;
}

function resolve(operation: string, x: Tensor, axes: Axes | undefined): number[] {
  if (axes === undefined) return x.dims.map((_, i) => i);
  const list = typeof axes === "object" ? axes : [axes];
  return [...new Set(list.map((axis) => axisOf(operation, x.aval, axis)))].sort((a, b) => a - b);
}

/** y, reduced from x along `axes`, with these axes put back where wanted. */
function kept(y: Tensor, x: Tensor, axes: readonly number[], { keepDims = false }: Keep): Tensor {
  if (!keepDims) return y;
  return reshape(
    y,
    x.dims.map((dim, i) => (axes.includes(i) ? 1 : dim)),
    x.names.map((name, i) => (axes.includes(i) ? null : name)),
  );
}

function reduction(
  name: string,
  reduce: (x: Tensor, axes: readonly number[]) => Tensor,
): (x: Tensor, axes?: Axes, keep?: Keep) => Tensor {
  return (x, axes, keep = {}) => {
    const list = resolve(name, x, axes);
    return kept(reduce(x, list), x, list, keep);
  };
}

type Reduce = (x: Tensor, axes?: Axes, keep?: Keep) => Tensor;

/** Sum along `axes`; along all when absent. */
export const sum: Reduce = reduction("sum", sums.sum);

/** Product along `axes`; along all when absent. Its derivative is right at zeros. */
export const prod: Reduce = reduction("prod", r.prod);

/** Largest element along `axes`; NaN wins, ties share the gradient. @throws ShapeError for an empty axis */
export const max: Reduce = reduction("max", reduceMax);

/** Smallest element along `axes`; NaN wins, ties share the gradient. @throws ShapeError for an empty axis */
export const min: Reduce = reduction("min", reduceMin);

/** How many elements are not 0 along `axes`, int32; NaN counts. */
export const countNonzero: Reduce = reduction("countNonzero", (x, axes) => {
  const hit = x.dtype === "bool" ? x : notEqual(x, fullLike(x, 0));
  return sums.sum(convert(hit, "int32"), axes);
});

/** Whether any element is not 0 along `axes`; false for none. */
export const any: Reduce = reduction("any", (x, axes) => {
  const count = countNonzero(x, axes);
  return notEqual(count, fullLike(count, 0));
});

/** Whether every element is not 0 along `axes`; true for none. */
export const all: Reduce = reduction("all", (x, axes) => {
  const zero = x.dtype === "bool" ? not(x) : equal(x, fullLike(x, 0));
  const count = countNonzero(zero, axes);
  return equal(count, fullLike(count, 0));
});

/** Number of elements that one result along `axes` is made of. */
function countOf(x: Tensor, axes: readonly number[]): number {
  return sizeOf(axes.map((axis) => dimOf(x.aval, axis)));
}

/** Integers and truth values have their means in float32. */
function asFloat(x: Tensor): Tensor {
  return isFloat(x.dtype) ? x : convert(x, "float32");
}

/** Mean along `axes`; NaN for none. */
export const mean: Reduce = reduction("mean", (x, axes) => {
  return scale(sums.sum(asFloat(x), axes), 1 / countOf(x, axes));
});

/** What a variance may be asked. */
export interface Spread extends Keep {
  /** Subtracted from the count that is divided by: 0, the default, for a whole population, 1 for a sample of it. */
  readonly ddof?: number;
}

/** Mean squared distance from the mean along `axes`, in two passes; NaN where count ≤ `ddof`. */
export function variance(x: Tensor, axes?: Axes, { ddof = 0, ...keep }: Spread = {}): Tensor {
  const list = resolve("variance", x, axes);
  const floats = asFloat(x);
  const centre = scale(sums.sum(floats, list), 1 / countOf(x, list));
  const distance = sub(floats, sums.restore(centre, x.aval, list));
  const count = countOf(x, list) - ddof;
  const total = sums.sum(mul(distance, distance), list);
  return kept(scale(total, count > 0 ? 1 / count : NaN), x, list, keep);
}

/** Root of the variance; its gradient is NaN where all elements are equal. */
export function std(x: Tensor, axes?: Axes, options: Spread = {}): Tensor {
  return sqrt(variance(x, axes, options));
}

function argReduction(
  name: string,
  place: (x: Tensor, axis: number) => Tensor,
): (x: Tensor, axis?: string | number, keep?: Keep) => Tensor {
  return (x, axis, keep = {}) => {
    if (axis !== undefined) {
      const at = axisOf(name, x.aval, axis);
      return kept(place(x, at), x, [at], keep);
    }
    if (sizeOf(x.dims) === 0)
      throw new ShapeError("SHAPE-01", `${name}: ${showAval(x.aval)} has no element to choose`);
    const flat = place(reshape(x, [sizeOf(x.dims)]), 0);
    return kept(flat, x, resolve(name, x, undefined), keep);
  };
}

type ArgReduce = (x: Tensor, axis?: string | number, keep?: Keep) => Tensor;

/**
 * int32 place of the largest element along `axis`; in row-major order of all elements when absent. NaN wins;
 * of ties, the lowest place. @throws ShapeError when there is no element
 */
export const argmax: ArgReduce = argReduction("argmax", arg.argMax);

/** int32 place of the smallest element; otherwise as `argmax`. */
export const argmin: ArgReduce = argReduction("argmin", arg.argMin);

/** `exp x / Σ exp x` along one axis. */
export function softmax(x: Tensor, axis: string | number): Tensor {
  return onLast("softmax", x, axis, s.softmax, true);
}

/** `x − log Σ exp x` along one axis. */
export function logSoftmax(x: Tensor, axis: string | number): Tensor {
  return onLast("logSoftmax", x, axis, s.logSoftmax, true);
}

/** `log Σ exp x` along `axes`, without overflow; an infinite maximum is the result. @throws ShapeError for an empty axis */
export const logSumExp: Reduce = reduction("logSumExp", (x, axes) => {
  if (axes.length === 0) return x;
  const rest = x.dims.map((_, i) => i).filter((i) => !axes.includes(i));
  const moved = transpose(x, [...rest, ...axes]);
  if (axes.length === 1) return s.logSumExp(moved);
  const names = [...rest.map((axis) => x.names[axis] ?? null), null];
  const dims = [...rest.map((axis) => dimOf(x.aval, axis)), countOf(x, axes)];
  return s.logSumExp(reshape(moved, dims, names));
});
