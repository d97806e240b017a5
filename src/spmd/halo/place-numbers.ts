/**
 * @file Whole numbers that depend on the place of a device, and boxes of tensors that begin at them.
 *
 * They are known by place while the program is written. A program has one text for all devices, so it computes them:
 * as a constant where all places have the same, as a straight line where it fits, else by looking them up.
 */

import type { AxisPart, Mesh } from "../../core/mesh.ts";
import { aval, dimOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add, mul } from "../../ops/arithmetic.ts";
import { and } from "../../ops/bits.ts";
import { broadcast, fullLike, iota, literal } from "../../ops/creation.ts";
import { dynamicSlice, dynamicUpdateSlice } from "../../ops/dynamic.ts";
import { reshape } from "../../ops/layout.ts";
import { greaterEqual, less } from "../../ops/logic.ts";
import { slice } from "../../ops/pieces.ts";
import { startAt } from "../blocks.ts";
import { deviceAlong, int32 } from "../place.ts";

/** A number per place; null where any will do. */
export type PlaceNumbers = readonly (number | null)[];

/** The place of this device along some axes, written into the program when it is first asked for. */
export type Here = () => Tensor;

export function hereAlong(mesh: Mesh, axes: readonly AxisPart[]): Here {
  let place: Tensor | undefined;
  return () => {
    place ??= deviceAlong(mesh, axes);
    return place;
  };
}

/** The number that all places have, or undefined; 0 where any will do. */
export function sameEverywhere(numbers: PlaceNumbers): number | undefined {
  const first = numbers.find((number) => number !== null) ?? 0;
  return numbers.every((number) => number === null || number === first) ? first : undefined;
}

/** Slope and value at place 0 of the line through the numbers, if they lie on one. */
export function lineThrough(
  numbers: PlaceNumbers,
): { readonly slope: number; readonly at0: number } | undefined {
  const fixed = numbers.flatMap((number, i) => (number === null ? [] : [[i, number] as const]));
  const [first, second] = fixed;
  if (first === undefined || second === undefined) return { slope: 0, at0: first?.[1] ?? 0 };
  const slope = (second[1] - first[1]) / (second[0] - first[0]);
  const at0 = first[1] - slope * first[0];
  const fits = Number.isInteger(slope) && fixed.every(([i, number]) => at0 + slope * i === number);
  return fits ? { slope, at0 } : undefined;
}

/** This device's number: int32[]. */
export function numberHere(here: Here, numbers: PlaceNumbers): Tensor {
  const line = lineThrough(numbers);
  if (line !== undefined) {
    const { slope, at0 } = line;
    if (slope === 0) return int32(at0);
    const scaled = slope === 1 ? here() : mul(here(), fullLike(here(), slope));
    return at0 === 0 ? scaled : add(scaled, fullLike(scaled, at0));
  }
  const table = literal(
    aval("int32", [numbers.length]),
    numbers.map((number) => number ?? 0),
  );
  return reshape(dynamicSlice(table, reshape(here(), [1]), [1]), []);
}

/** Elements [from, to) of one dimension. */
export function cut(x: Tensor, dim: number, from: number, to: number): Tensor {
  if (from === 0 && to === x.dims[dim]) return x;
  return slice(
    x,
    x.dims.map((_, i) => (i === dim ? from : 0)),
    x.dims.map((size, i) => (i === dim ? to : size)),
  );
}

/** `length` elements of one dimension, from this device's own offset on. Offsets are clamped as `dynamicSlice` does. */
export function cutHere(
  x: Tensor,
  dim: number,
  here: Here,
  offsets: PlaceNumbers,
  length: number,
): Tensor {
  const same = sameEverywhere(offsets);
  if (same !== undefined || length === dimOf(x.aval, dim)) {
    const from = Math.max(0, Math.min(same ?? 0, dimOf(x.aval, dim) - length));
    return cut(x, dim, from, from + length);
  }
  const box = x.dims.map((size, i) => (i === dim ? length : size));
  return dynamicSlice(x, startAt(x.dims.length, dim, numberHere(here, offsets)), box);
}

/** x with `piece` in it from this device's own offset on. Offsets are clamped as `dynamicUpdateSlice` does. */
export function putHere(
  x: Tensor,
  piece: Tensor,
  dim: number,
  here: Here,
  offsets: PlaceNumbers,
): Tensor {
  return dynamicUpdateSlice(x, piece, startAt(x.dims.length, dim, numberHere(here, offsets)));
}

/**
 * Whether an element's index along `dim` is in [from, to), numbers of this device.
 *
 * @returns bool of the form of x, or null where that is so for all elements on all devices
 */
export function insideHere(
  x: Tensor,
  dim: number,
  here: Here,
  from: PlaceNumbers,
  to: PlaceNumbers,
): Tensor | null {
  const length = dimOf(x.aval, dim);
  const index = iota(aval("int32", [length]), 0);
  const bound = (numbers: PlaceNumbers) =>
    broadcast(numberHere(here, numbers), { dims: [length], axes: [], names: [null] });
  const tests = [
    ...(from.some((number) => (number ?? 0) > 0) ? [greaterEqual(index, bound(from))] : []),
    ...(to.some((number) => (number ?? length) < length) ? [less(index, bound(to))] : []),
  ];
  const [first, second] = tests;
  if (first === undefined) return null;
  const test = second === undefined ? first : and(first, second);
  return broadcast(test, { dims: x.dims, axes: [dim], names: x.names });
}
