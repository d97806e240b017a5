/** @file Reductions and normalisations along axes given by name or index. */

import { axisOf, dimOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";

import * as e from "../ops/elementwise.ts";
import * as r from "../ops/reduce.ts";
import * as s from "../ops/softmax.ts";
import { onLast } from "./last-axis.ts";

/** One axis or several, by name or index; all when absent. */
export type Axes = string | number | readonly (string | number)[];

function resolve(operation: string, x: Tensor, axes: Axes | undefined): number[] {
  if (axes === undefined) return x.dims.map((_, i) => i);
  const list = typeof axes === "object" ? axes : [axes];
  return [...new Set(list.map((axis) => axisOf(operation, x.aval, axis)))].sort((a, b) => a - b);
}

/** Sum along `axes`; along all when absent. */
export function sum(x: Tensor, axes?: Axes): Tensor {
  return r.sum(x, resolve("sum", x, axes));
}

/** Mean along `axes`; along all when absent. */
export function mean(x: Tensor, axes?: Axes): Tensor {
  const list = resolve("mean", x, axes);
  return e.scale(r.sum(x, list), 1 / list.reduce((n, axis) => n * dimOf(x.aval, axis), 1));
}

/** Largest element along `axes`; ties share the gradient. */
export function max(x: Tensor, axes?: Axes): Tensor {
  return r.reduceMax(x, resolve("max", x, axes));
}

/** Running sum along one axis. */
export function cumsum(
  x: Tensor,
  axis: string | number,
  options: { readonly reverse?: boolean } = {},
): Tensor {
  return r.cumsum(x, axisOf("cumsum", x.aval, axis), options.reverse ?? false);
}

/** `exp x / Σ exp x` along one axis. */
export function softmax(x: Tensor, axis: string | number): Tensor {
  return onLast("softmax", x, axis, s.softmax, true);
}

/** `x − log Σ exp x` along one axis. */
export function logSoftmax(x: Tensor, axis: string | number): Tensor {
  return onLast("logSoftmax", x, axis, s.logSoftmax, true);
}

/** `log Σ exp x` along one axis, which is reduced away. */
export function logSumExp(x: Tensor, axis: string | number): Tensor {
  return onLast("logSumExp", x, axis, s.logSumExp, false);
}
