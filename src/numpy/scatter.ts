/** @file Writing by index: rows, elements along an axis, boxes, and sums over segments. Indices are clamped. */

import { isFloat } from "../core/dtype.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { aval, axisOf, dimOf, showAval, without } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { add, div } from "../ops/arithmetic.ts";
import { broadcast, full, fullLike } from "../ops/creation.ts";
import * as d from "../ops/dynamic.ts";
import * as i from "../ops/indexing.ts";
import { inverse, reshape, transpose } from "../ops/layout.ts";
import { maximum } from "../ops/magnitude.ts";
import { concatenate } from "../ops/pieces.ts";
import * as s from "../ops/scatter.ts";
import type { Place } from "./indexing.ts";

type Axis = string | number;
type Write = (x: Tensor, u: Tensor, at: Tensor, params: s.ScatterParams) => Tensor;

function scatter(name: string, write: Write) {
  return (x: Tensor, { axis, at, distinct = 0 }: Place, rows: Tensor): Tensor =>
    write(x, rows, at, { batchDims: axisOf(name, x.aval, axis), distinct });
}

/**
 * x with rows along `axis` replaced: `rows` has the batch axes of x before it, the other axes of `at`,
 * then those of x after it. Of several rows for one place the last stays.
 */
export const scatterSet: (x: Tensor, place: Place, rows: Tensor) => Tensor = scatter(
  "scatterSet",
  s.scatterSet,
);

/** As `scatterSet`, but the largest of the old and all new elements stays; ties share the gradient. */
export const scatterMax: (x: Tensor, place: Place, rows: Tensor) => Tensor = scatter(
  "scatterMax",
  s.scatterMax,
);

/** As `scatterSet`, but the smallest of the old and all new elements stays; ties share the gradient. */
export const scatterMin: (x: Tensor, place: Place, rows: Tensor) => Tensor = scatter(
  "scatterMin",
  s.scatterMin,
);

/** The axes in an order with `axis` last. */
function lastly(x: Tensor, axis: number): number[] {
  return [...without([...x.dims.keys()], axis), axis];
}

/**
 * `y[…, j, …] = x[…, at[…, j, …], …]` along `axis`: an element per index. All other axes of `at` (int32)
 * are those of x.
 */
export function takeAlong(x: Tensor, at: Tensor, axis: Axis): Tensor {
  const order = lastly(x, axisOf("takeAlong", x.aval, axis));
  sameRank("takeAlong", x, at);
  const y = i.gather(transpose(x, order), transpose(at, order), x.rank - 1);
  return reshape(transpose(y, inverse(order)), at.dims, x.names);
}

/** What becomes of an element that is written over. */
export type Written = "set" | "add" | "max" | "min";

/** x with `y[…, at[…, j, …], …] = u[…, j, …]` along `axis`: the counterpart of `takeAlong`. */
export function putAlong(
  x: Tensor,
  at: Tensor,
  u: Tensor,
  axis: Axis,
  written: Written = "set",
): Tensor {
  const place = axisOf("putAlong", x.aval, axis);
  const order = lastly(x, place);
  sameRank("putAlong", x, at);
  sameRank("putAlong", x, u);
  const [to, rows, from] = [x, at, u].map((z) => transpose(z, order)) as [Tensor, Tensor, Tensor];
  const params = { batchDims: x.rank - 1, distinct: 0 };
  const size = dimOf(x.aval, place);
  const name = x.names[place] ?? null;
  const write: Readonly<Record<Written, () => Tensor>> = {
    set: () => s.scatterSet(to, from, rows, params),
    max: () => s.scatterMax(to, from, rows, params),
    min: () => s.scatterMin(to, from, rows, params),
    add: () =>
      add(to, reshape(i.scatterAdd(from, rows, { ...params, size, name }), to.dims, to.names)),
  };
  return transpose(write[written](), inverse(order));
}

function sameRank(name: string, x: Tensor, other: Tensor): void {
  if (x.rank === other.rank) return;
  throw new ShapeError("SHAPE-01", `${name}: the operands have unequal numbers of axes.`, [
    ["operand", showAval(x.aval)],
    ["other", showAval(other.aval)],
  ]);
}

/** A piece of one axis whose start, an int32 scalar, is known at run time only. */
export interface DynamicPlace {
  readonly axis: Axis;
  readonly start: Tensor | number;
}

/** One start per axis; 0 where none is given. */
function starts(name: string, x: Tensor, places: readonly DynamicPlace[]): Tensor {
  const list = x.dims.map(() => full(0, aval("int32", [1])));
  for (const { axis, start } of places) {
    const one = start instanceof Tensor ? start : full(start, aval("int32", []));
    if (one.rank !== 0)
      throw new ShapeError(
        "SHAPE-01",
        `${name}: a start must be a scalar, not ${showAval(one.aval)}`,
      );
    list[axisOf(name, x.aval, axis)] = reshape(one, [1]);
  }
  return list.length === 0 ? full(0, aval("int32", [0])) : concatenate(list, 0);
}

/**
 * `size` elements along an axis from a start known at run time, for one axis or several; other axes stay
 * whole. Starts are clamped so that the piece fits.
 */
export function dynamicSlice(
  x: Tensor,
  ...pieces: readonly (DynamicPlace & { readonly size: number })[]
): Tensor {
  const sizes = [...x.dims];
  for (const { axis, size } of pieces) sizes[axisOf("dynamicSlice", x.aval, axis)] = size;
  return d.dynamicSlice(x, starts("dynamicSlice", x, pieces), sizes);
}

/** x with a box replaced by `u`, which starts at places known at run time, clamped so that u fits. */
export function dynamicUpdateSlice(
  x: Tensor,
  u: Tensor,
  ...places: readonly DynamicPlace[]
): Tensor {
  return d.dynamicUpdateSlice(x, u, starts("dynamicUpdateSlice", x, places));
}

/** Segments of the first axis: row i of x belongs to segment `of[i]`, in any order. */
export interface Segments {
  /** int32, one per row. */
  readonly of: Tensor;
  readonly count: number;
  /** Name of the axis of segments. */
  readonly as?: string;
}

/** Sums of rows by segment; 0 for a segment without rows. */
export function segmentSum(x: Tensor, { of, count, as }: Segments): Tensor {
  return i.scatterAdd(x, of, { batchDims: 0, distinct: 0, size: count, name: as ?? null });
}

/** Means of rows by segment; 0 for a segment without rows. */
export function segmentMean(x: Tensor, segments: Segments): Tensor {
  const total = segmentSum(x, segments);
  const ones = fullLike({ ...segments.of.aval, dtype: x.dtype }, 1);
  const counts = segmentSum(ones, segments);
  const least = maximum(counts, fullLike(counts, 1));
  return div(total, broadcast(reshape(least, least.dims), { ...total.aval, axes: [0] }));
}

/** What every number is larger than (for −1), or smaller than (for 1). */
function beyond(x: Tensor, sign: 1 | -1): number {
  if (isFloat(x.dtype)) return sign * Infinity;
  if (x.dtype === "int32") return sign === 1 ? 2 ** 31 - 1 : -(2 ** 31);
  const name = sign === 1 ? "segmentMin" : "segmentMax";
  throw new DTypeError("DTYPE-01", `${name}: takes floats and int32, not ${showAval(x.aval)}`);
}

function segmentExtreme(x: Tensor, { of, count, as }: Segments, sign: 1 | -1): Tensor {
  const form = aval(x.dtype, [count, ...x.dims.slice(1)], [as ?? null, ...x.names.slice(1)]);
  const start = full(beyond(x, sign), form);
  const write = sign === -1 ? s.scatterMax : s.scatterMin;
  return write(start, x, of, { batchDims: 0, distinct: 0 });
}

/** Largest elements by segment; −∞, or the least integer, for a segment without rows. */
export function segmentMax(x: Tensor, segments: Segments): Tensor {
  return segmentExtreme(x, segments, -1);
}

/** Smallest elements by segment; +∞, or the largest integer, for a segment without rows. */
export function segmentMin(x: Tensor, segments: Segments): Tensor {
  return segmentExtreme(x, segments, 1);
}
