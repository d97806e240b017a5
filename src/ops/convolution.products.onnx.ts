/** @file The kernel's gradient as matrix products over positions: at least one per tap of the last axis. */

import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { type Aval, aval, dimOf, sizeOf } from "../core/shape.ts";
import { type Cut, cut, padded } from "./sliding-window.onnx.ts";
import { extent, type WindowAxis } from "./sliding-window.ts";

/**
 * Chooses by what was measured (docs/log.md).
 *
 * - All examples together, one Gemm per tap, where images are so small that the products of single
 *   examples, one kernel each, would be the larger part.
 * - An example at a time, one product per tap, where groups are narrow: nothing is gained by wider ones.
 * - Else an example at a time, one product per column of the window, which takes fewer copies: of y where
 *   that copies less, else of x.
 *
 * @param axes - of a window over a bare input
 */
export function kernelByProducts(
  g: OnnxEmitter,
  x: OnnxValue,
  y: OnnxValue,
  axes: readonly WindowAxis[],
  groups: number,
  w: Aval,
): OnnxValue {
  const input = padded(
    g,
    x,
    axes.map(({ low, high }) => [low, high]),
  );
  const [batch, outs, channels] = [dimOf(y, 0), dimOf(y, 1), dimOf(x, 1)];
  const large = sizeOf(y.dims.slice(2)) * (outs + channels) > sizeOf(w.dims);
  if (groups === 1 && batch > 1 && !large) return allTogether(g, input, y, axes, w);
  if (groups > 1 && dimOf(w, 1) < WIDE) return tapByTap(g, input, y, axes, groups, w);
  const [outer, column] = lastApart(axes);
  const rowTaps = sizeOf(outer.map(({ taps }) => taps));
  const copiesOfY = rowTaps * outs + column.taps * channels;
  const copiesOfX = rowTaps * (1 + column.taps) * channels;
  return axes.every(({ stride }) => stride === 1) && copiesOfY < copiesOfX
    ? byShiftedResults(g, input, y, axes, groups, w)
    : byRowsOfInput(g, input, y, axes, groups, w);
}

/** Channels per group from which products of whole rows of the window pay. */
export const WIDE = 8;

/** One Gemm per tap, `[channel, batch · positions]` after a Transpose. */
function allTogether(
  g: OnnxEmitter,
  x: OnnxValue,
  y: OnnxValue,
  axes: readonly WindowAxis[],
  w: Aval,
): OnnxValue {
  const channelsFirst = (z: OnnxValue) => g.transpose(z, [1, 0, ...axes.map((_, i) => i + 2)]);
  const matrix = (z: OnnxValue) => g.reshape(z, [dimOf(z, 0), sizeOf(z.dims.slice(1))]);
  const left = matrix(channelsFirst(y));
  const product = aval(w.dtype, w.dims.slice(0, 2));
  const products = underEveryTap(g, channelsFirst(x), axes).map((under) =>
    g.node("Gemm", [left, matrix(under)], product, { transB: { int: 1 } }),
  );
  return g.reshape(stacked(g, products), w.dims);
}

/** One product per tap, group and example. */
function tapByTap(
  g: OnnxEmitter,
  x: OnnxValue,
  y: OnnxValue,
  axes: readonly WindowAxis[],
  groups: number,
  w: Aval,
): OnnxValue {
  const left = matrices(g, y, groups, 1);
  const products = underEveryTap(g, x, axes).map((under) =>
    productOverImages(g, left, matrices(g, under, groups, 1)),
  );
  return g.reshape(stacked(g, products), w.dims);
}

/** The elements under each tap of all windows, tap by tap in row-major order. */
function underEveryTap(
  g: OnnxEmitter,
  x: OnnxValue,
  axes: readonly WindowAxis[],
): readonly OnnxValue[] {
  return everyIndex(axes.map(({ taps }) => taps)).map((tap) =>
    cut(
      g,
      x,
      axes.map((axis, i) => underTap(axis, tap[i] ?? 0, 2 + i)),
    ),
  );
}

/**
 * Stride 1: copies of y, each moved on by one row of the window, stand below each other, so that one
 * product makes all rows of the kernel for one column.
 */
function byShiftedResults(
  g: OnnxEmitter,
  x: OnnxValue,
  y: OnnxValue,
  axes: readonly WindowAxis[],
  groups: number,
  w: Aval,
): OnnxValue {
  const [outer, column] = lastApart(axes);
  const reach = outer.map(({ taps, dilation }) => (taps - 1) * dilation);
  const room = padded(g, y, [...reach.map((n) => [n, n] as const), [0, 0]]);
  // row r of the copy for tap k is row r − k·dilation of y, which stands `reach` further on in `room`
  const shifted = rows(
    g,
    room,
    outer.map(({ taps, dilation, count }, i) => ({
      taps,
      count: count + (reach[i] ?? 0),
      at: (k, r) => r + (taps - 1 - k) * dilation,
    })),
  );
  const rowTaps = sizeOf(outer.map(({ taps }) => taps));
  const left = matrices(g, shifted, groups, rowTaps);
  const products = everyIndex([column.taps]).map(([k = 0]) => {
    const under = cut(g, x, [underTap(column, k, x.dims.length - 1)]);
    return productOverImages(g, left, matrices(g, under, groups, 1));
  });
  const [outs = 1, perGroup = 1] = w.dims;
  const apart = products.map((z) => g.reshape(z, [outs, rowTaps, perGroup]));
  return g.reshape(g.transpose(stacked(g, apart), [0, 2, 1, 3]), w.dims);
}

/** Any stride: the rows of x under each row of the window, from which the columns are cut. */
function byRowsOfInput(
  g: OnnxEmitter,
  x: OnnxValue,
  y: OnnxValue,
  axes: readonly WindowAxis[],
  groups: number,
  w: Aval,
): OnnxValue {
  const [outer, column] = lastApart(axes);
  const under = rows(
    g,
    x,
    outer.map(({ taps, count, stride, dilation }) => ({
      taps,
      count,
      at: (k, p) => p * stride + k * dilation,
    })),
  );
  const rowTaps = sizeOf(outer.map(({ taps }) => taps));
  const left = matrices(g, y, groups, 1);
  const products = everyIndex([column.taps]).map(([k = 0]) =>
    productOverImages(
      g,
      left,
      matrices(g, cut(g, under, [underTap(column, k, 4)]), groups, rowTaps),
    ),
  );
  const [outs = 1, perGroup = 1] = w.dims;
  const apart = products.map((z) => g.reshape(z, [outs, perGroup, rowTaps]));
  return g.reshape(stacked(g, apart), w.dims);
}

/** One axis of rows to be picked: for every tap and place, which. */
interface RowAxis {
  readonly taps: number;
  readonly count: number;
  at(tap: number, place: number): number;
}

/** `[batch, channel, rows…, columns]` as `[batch, channel, taps, places, columns]`, in whole rows. */
function rows(g: OnnxEmitter, x: OnnxValue, axes: readonly RowAxis[]): OnnxValue {
  const [batch = 1, channels = 1, ...space] = x.dims;
  const [lengths, columns] = lastApart(space);
  const places = everyIndex(axes.map(({ count }) => count));
  const taps = everyIndex(axes.map((axis) => axis.taps));
  const picked = taps.flatMap((tap) =>
    places.map((place) =>
      axes.reduce(
        (flat, axis, i) => flat * (lengths[i] ?? 1) + axis.at(tap[i] ?? 0, place[i] ?? 0),
        0,
      ),
    ),
  );
  const all = sizeOf(lengths);
  const form = aval(x.dtype, [batch, channels, taps.length, places.length, columns]);
  if (picked.length === all && picked.every((row, i) => row === i)) return g.reshape(x, form.dims);
  const table = g.reshape(x, [batch, channels, all, columns]);
  const chosen = g.constant("int64", [taps.length, places.length], picked);
  return g.node("Gather", [table, chosen], form, { axis: { int: 2 } });
}

/** `[batch, channel, …]` as `[batch, groups, channel / groups · taps, positions]`. */
function matrices(g: OnnxEmitter, x: OnnxValue, groups: number, taps: number): OnnxValue {
  const [batch, channels] = [dimOf(x, 0), dimOf(x, 1)];
  const rowCount = (channels / groups) * taps;
  return g.reshape(x, [batch, groups, rowCount, sizeOf(x.dims) / (batch * channels * taps)]);
}

/** `Σ left · rightᵀ` over the images, `[groups, rows, columns]`. */
function productOverImages(g: OnnxEmitter, left: OnnxValue, right: OnnxValue): OnnxValue {
  const form = aval(left.dtype, [...left.dims.slice(0, 3), dimOf(right, 2)]);
  const each = g.node(
    "FusedMatMul",
    [left, right],
    form,
    { transA: { int: 0 }, transB: { int: 1 } },
    "com.microsoft",
  );
  if (dimOf(left, 0) === 1) return g.reshape(each, form.dims.slice(1));
  return g.node(
    "ReduceSum",
    [each, g.constant("int64", [1], [0])],
    aval(left.dtype, form.dims.slice(1)),
    { keepdims: { int: 0 } },
  );
}

/** Values of equal dims along a new last axis. */
function stacked(g: OnnxEmitter, parts: readonly OnnxValue[]): OnnxValue {
  const columns = parts.map((part) => g.reshape(part, [...part.dims, 1]));
  const [first] = columns;
  if (first === undefined) throw new Error("a window has a tap");
  if (columns.length === 1) return first;
  const dims = [...first.dims.slice(0, -1), columns.length];
  return g.node("Concat", columns, aval(first.dtype, dims), { axis: { int: dims.length - 1 } });
}

/** The elements under one tap of every window, along one axis of the (padded) input. */
function underTap(axis: WindowAxis, tap: number, at: number): Cut {
  const from = tap * axis.dilation;
  return { axis: at, from, to: from + extent(axis.count, axis.stride), step: axis.stride };
}

function lastApart<T>(list: readonly T[]): readonly [rest: readonly T[], last: T] {
  const last = list.at(-1);
  if (last === undefined) throw new Error("a window has a space axis");
  return [list.slice(0, -1), last];
}

/** All indices of the given sizes, row-major. */
function everyIndex(sizes: readonly number[]): readonly (readonly number[])[] {
  return sizes.reduce<readonly (readonly number[])[]>(
    (indices, size) =>
      indices.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}
