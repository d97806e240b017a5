/**
 * @file Operators whose results have sizes that depend on data: computed on the host, where the data is known.
 */

import { at, type NdArray } from "../../../core/ndarray.ts";
import { sizeOf, stridesOf } from "../../../core/shape.ts";
import type { Call } from "./call.ts";
import { range } from "./forms.ts";
import { type Operators, operator } from "./operator.ts";
import { hostArray, hostInts, knownValue, type TensorValue } from "./value.ts";

/** Different elements, or slices along an axis; with first places, places in the result, and counts. */
function unique(call: Call): readonly TensorValue[] {
  const what = "the size of the result";
  const x = call.known(0, what);
  const whole = !call.given("axis");
  const dims = whole ? [sizeOf(x.dims)] : x.dims;
  const axis = whole ? 0 : call.axis(call.int("axis"), dims.length);
  const strides = stridesOf(dims);
  const length = dims[axis] ?? 0;
  const rest = dims.map((dim, i) => (i === axis ? 1 : dim));
  /** Flat places of slice j, in row-major order. */
  const places = (j: number) => flatPlaces(rest, strides).map((p) => p + j * (strides[axis] ?? 1));
  const slices = range(length).map((j) => places(j).map((p) => at(x, p)));
  const order = range(length);
  if (call.flag("sorted", true)) order.sort((a, b) => compare(slices[a], slices[b]) || a - b);
  const first: number[] = [];
  const counts: number[] = [];
  const inverse = new Array<number>(length);
  for (const j of order) {
    const known = first.findIndex((i) => compare(slices[i], slices[j]) === 0);
    const group = known < 0 ? first.push(j) - 1 : known;
    inverse[j] = group;
    counts[group] = (counts[group] ?? 0) + 1;
  }
  const outDims = dims.map((dim, i) => (i === axis ? first.length : dim));
  const outStrides = stridesOf(outDims);
  const values = new Array<number>(sizeOf(outDims));
  first.forEach((j, group) => {
    const to = flatPlaces(rest, outStrides).map((p) => p + group * (outStrides[axis] ?? 1));
    to.forEach((p, i) => {
      values[p] = slices[j]?.[i] ?? 0;
    });
  });
  return [
    knownValue(hostArray(x.dtype, outDims, values), call.type(0)),
    knownValue(hostInts(first)),
    knownValue(hostInts(inverse)),
    knownValue(hostInts(counts)),
  ];
}

function flatPlaces(dims: readonly number[], strides: readonly number[]): number[] {
  return dims.reduce<number[]>(
    (list, dim, axis) => list.flatMap((p) => range(dim).map((i) => p + i * (strides[axis] ?? 1))),
    [0],
  );
}

function compare(a: readonly number[] = [], b: readonly number[] = []): number {
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? 0;
    if (x !== y && !(Number.isNaN(x) && Number.isNaN(y))) return x < y ? -1 : 1;
  }
  return 0;
}

interface Box {
  readonly low: readonly [number, number];
  readonly high: readonly [number, number];
}

/** Boxes by falling score that overlap no better one by more than a threshold, per batch and class. */
function nonMaxSuppression(call: Call): TensorValue {
  const what = "the size of the result";
  const boxes = call.known(0, what);
  const scores = call.known(1, what);
  const most = call.has(2) ? call.number(2, what) : 0;
  const overlap = call.has(3) ? call.number(3, what) : 0;
  const least = call.has(4) ? call.number(4, what) : -Infinity;
  const centred = call.flag("center_point_box", false);
  const [batches = 0, count = 0] = boxes.dims;
  const classes = scores.dims[1] ?? 0;
  const found: number[] = [];
  for (const b of range(batches)) {
    const all = range(count).map((i) => boxAt(boxes, (b * count + i) * 4, centred));
    for (const c of range(classes)) {
      const score = (i: number) => at(scores, (b * classes + c) * count + i);
      const order = range(count)
        .filter((i) => score(i) > least)
        .sort((i, j) => score(j) - score(i) || i - j);
      const kept: Box[] = [];
      for (const i of order) {
        const box = all[i] as Box;
        if (kept.length >= most) break;
        if (kept.some((other) => intersectionOverUnion(box, other) > overlap)) continue;
        kept.push(box);
        found.push(b, c, i);
      }
    }
  }
  return knownValue(hostArray("int64", [found.length / 3, 3], found));
}

/** Corners in any order, or centre and size. */
function boxAt(boxes: NdArray, from: number, centred: boolean): Box {
  const [a, b, c, d] = [0, 1, 2, 3].map((i) => at(boxes, from + i)) as [
    number,
    number,
    number,
    number,
  ];
  if (centred) return { low: [a - c / 2, b - d / 2], high: [a + c / 2, b + d / 2] };
  return { low: [Math.min(a, c), Math.min(b, d)], high: [Math.max(a, c), Math.max(b, d)] };
}

function intersectionOverUnion(a: Box, b: Box): number {
  const area = (low: readonly number[], high: readonly number[]) =>
    Math.max(0, (high[0] ?? 0) - (low[0] ?? 0)) * Math.max(0, (high[1] ?? 0) - (low[1] ?? 0));
  const common = area(
    [Math.max(a.low[0], b.low[0]), Math.max(a.low[1], b.low[1])],
    [Math.min(a.high[0], b.high[0]), Math.min(a.high[1], b.high[1])],
  );
  const union = area(a.low, a.high) + area(b.low, b.high) - common;
  return union <= 0 ? 0 : common / union;
}

export const HOST: Operators = {
  Unique: operator(11, unique, { fold: false }),
  NonMaxSuppression: operator(10, nonMaxSuppression, { fold: false }),
};
