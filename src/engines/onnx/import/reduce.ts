/** @file Operators that reduce along axes, run along one, or look for the largest. */

import { isFloat } from "../../../core/dtype.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { fullLike } from "../../../ops/creation.ts";
import { gather } from "../../../ops/indexing.ts";
import { reshape, reverse, transpose } from "../../../ops/layout.ts";
import type { Call, Result } from "./call.ts";
import { isNarrow, rangeOf } from "./elements.ts";
import { axesOf, inSingle, range } from "./forms.ts";
import { type Operator, type Operators, operator } from "./operator.ts";

type Reduction = (x: Tensor, axes: readonly number[], call: Call) => Tensor;

/** Axes reduced by a call: all when none are named, unless that means "nothing to do". */
function reducedAxes(call: Call, rank: number): number[] {
  const given = axesOf(call, 1);
  if (given === undefined || given.length === 0) {
    return call.flag("noop_with_empty_axes", false) ? [] : range(rank);
  }
  return call.axes(given, rank).sort((a, b) => a - b);
}

/** The reduced value, with ones in place of the axes if they are to be kept. */
function kept(call: Call, y: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  if (!call.flag("keepdims", true)) return y;
  return reshape(
    y,
    x.dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim)),
  );
}

function reduction(f: Reduction): Operator {
  return operator(
    1,
    (call) => {
      const x = call.x(0);
      const axes = reducedAxes(call, x.rank);
      return kept(call, f(x, axes, call), x, axes);
    },
    { wraps: true },
  );
}

/** What a reduction over nothing starts from. */
function extreme(x: Tensor, call: Call, greatest: boolean): number {
  const type = call.type(0);
  if (isFloat(x.dtype)) return greatest ? Infinity : -Infinity;
  if (isNarrow(type)) return rangeOf(type)[Number(greatest)] ?? 0;
  if (x.dtype === "uint32") return greatest ? 2 ** 32 - 1 : 0;
  const bits = x.dtype === "int64" ? 63 : 31;
  return greatest ? 2 ** bits - 1 : -(2 ** bits);
}

/** The least (or greatest) value there is over nothing; truth values go by way of integers. */
function extremum(greatest: boolean, f: (x: Tensor, axes: readonly number[]) => Tensor): Reduction {
  return (x, axes, call) => {
    if (axes.length === 0) return x;
    if (axes.some((axis) => x.dims[axis] === 0)) {
      const dims = x.dims.filter((_, axis) => !axes.includes(axis));
      const none = x.dtype === "bool" ? Number(!greatest) : extreme(x, call, !greatest);
      return np.full(none, dims, undefined, x.dtype);
    }
    if (x.dtype === "bool") return np.astype(f(np.astype(x, "int32"), axes), "bool");
    return f(x, axes);
  };
}

/** `log Σ eˣ`, shifted by the largest so that nothing overflows. */
const logSumExp: Reduction = (x, axes) => {
  if (axes.length === 0) return x;
  const count = axes.reduce((n, axis) => n * (x.dims[axis] ?? 1), 1);
  const rest = range(x.rank).filter((axis) => !axes.includes(axis));
  const kept = rest.map((axis) => x.dims[axis] ?? 1);
  if (count === 0) return np.full(-Infinity, kept, undefined, x.dtype);
  const together = reshape(np.transpose(x, [...rest, ...axes]), [...kept, count]);
  return np.logSumExp(together, kept.length);
};

function mean(x: Tensor, axes: readonly number[]): Tensor {
  const count = axes.reduce((n, axis) => n * (x.dims[axis] ?? 1), 1);
  return np.div(np.sum(x, axes), count);
}

/** The running sum; `exclusive` leaves the element itself out. */
function running(
  call: Call,
  f: (x: Tensor, axis: number, reverse: boolean) => Tensor,
  unit: number,
) {
  const x = call.x(0);
  const axis = call.axis(call.number(1, "the direction"), x.rank);
  const reverse = call.flag("reverse", false);
  const narrow = x.dtype === "uint32" ? "int64" : x.dtype;
  const run = (y: Tensor) => np.astype(f(np.astype(y, narrow), axis, reverse), x.dtype);
  if (!call.flag("exclusive", false)) return run(x);
  // The elements moved on by one place, with the neutral element in front.
  const length = x.dims[axis] ?? 0;
  const edge = np.full(
    unit,
    x.dims.map((dim, i) => (i === axis ? Math.min(1, dim) : dim)),
    undefined,
    x.dtype,
  );
  const rest = reverse
    ? np.slice(x, axis, Math.min(1, length), length)
    : np.slice(x, axis, 0, Math.max(0, length - 1));
  return run(np.concatenate(reverse ? [rest, edge] : [edge, rest], axis));
}

/** Place of the largest (or smallest) along an axis, as int64. */
function argument(f: (x: Tensor, axis: number) => Tensor): Operator {
  return operator(1, (call) => {
    const x = call.x(0);
    const axis = call.axis(call.int("axis", 0), x.rank);
    const length = x.dims[axis] ?? 0;
    // Of equals the first, or the last: then along the axis turned round.
    const last = call.flag("select_last_index", false);
    const found = f(last ? reverse(x, [axis]) : x, axis);
    const place = last ? np.sub(length - 1, found) : found;
    return kept(call, np.astype(place, "int64"), x, [axis]);
  });
}

function topK(call: Call): readonly Result[] {
  const x = call.x(0);
  const axis = call.axis(call.int("axis", -1), x.rank);
  const k = call.opset < 10 ? call.int("k") : call.number(1, "the size of the result");
  if (k < 0 || k > (x.dims[axis] ?? 0)) throw call.wrong(`k is ${k}`);
  const largest = call.flag("largest", true);
  const order = [...range(x.rank).filter((i) => i !== axis), axis];
  const back = (y: Tensor) =>
    transpose(
      y,
      range(x.rank).map((i) => order.indexOf(i)),
    );
  const { values, indices } = isFloat(x.dtype)
    ? largestFloats(x, axis, k, largest)
    : firstSorted(transpose(x, order), k, largest);
  return [back(values), back(np.astype(indices, "int64"))];
}

/** The k largest, or smallest, along an axis that moves to the end. */
function largestFloats(x: Tensor, axis: number, k: number, largest: boolean): np.Largest {
  const { values, indices } = np.topK(largest ? x : np.neg(x), { along: axis, k });
  return { values: largest ? values : np.neg(values), indices };
}

/** Integers by sorting: engines choose among floats only. */
function firstSorted(x: Tensor, k: number, descending: boolean): np.Largest {
  const last = x.rank - 1;
  const indices = np.slice(np.argsort(x, { axis: last, descending }), last, 0, k);
  return { values: gather(x, indices, last), indices };
}

/** `x / ‖x‖` along an axis, 0 where the norm is 0. */
function lpNormalization(call: Call): Tensor {
  const x = call.x(0);
  const axis = call.axis(call.int("axis", -1), x.rank);
  const p = call.int("p", 2);
  const norm = p === 1 ? np.sum(np.abs(x), axis) : np.sqrt(np.sum(np.square(x), axis));
  const spread = reshape(
    norm,
    x.dims.map((dim, i) => (i === axis ? 1 : dim)),
  );
  const zero = np.equal(spread, 0);
  const safe = np.where(zero, fullLike(spread, 1), spread);
  return np.where(zero, fullLike(x, 0), np.div(x, safe));
}

function meanVariance(call: Call): Tensor {
  const { x, back } = inSingle(call.x(0));
  const axes = call.axes(call.ints("axes") ?? [0, 2, 3], x.rank).sort((a, b) => a - b);
  const keep = x.dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  const centred = np.sub(x, reshape(mean(x, axes), keep));
  const deviation = np.sqrt(reshape(mean(np.square(centred), axes), keep));
  return back(np.div(centred, np.add(deviation, 1e-9)));
}

export const REDUCE: Operators = {
  ReduceSum: reduction((x, axes) => np.sum(x, axes)),
  ReduceMean: reduction(mean),
  ReduceMax: reduction(extremum(true, np.max)),
  ReduceMin: reduction(extremum(false, (x, axes) => np.min(x, axes))),
  ReduceProd: reduction((x, axes) => np.prod(x, axes)),
  ReduceL1: reduction((x, axes) => np.sum(np.abs(x), axes)),
  ReduceL2: reduction((x, axes) => np.sqrt(np.sum(np.square(x), axes))),
  ReduceSumSquare: reduction((x, axes) => np.sum(np.square(x), axes)),
  ReduceLogSum: reduction((x, axes) => np.log(np.sum(x, axes))),
  ReduceLogSumExp: reduction(logSumExp),
  CumSum: operator(
    11,
    (call) => running(call, (x, axis, reverse) => np.cumsum(x, axis, { reverse }), 0),
    { wraps: true },
  ),
  CumProd: operator(
    26,
    (call) => running(call, (x, axis, reverse) => np.cumprod(x, axis, { reverse }), 1),
    { wraps: true },
  ),
  ArgMax: argument((x, axis) => np.argmax(x, axis)),
  ArgMin: argument((x, axis) => np.argmin(x, axis)),
  TopK: operator(1, topK),
  LpNormalization: operator(1, lpNormalization),
  MeanVarianceNormalization: operator(9, meanVariance),
};
