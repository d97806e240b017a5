/** @file Cutting tensors and putting them together: slices, pieces, padding, repetition, rotation. */

import type { AxisName } from "../core/axes.ts";
import { ShapeError } from "../core/errors.ts";
import { axisOf, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { broadcast } from "../ops/creation.ts";
import * as l from "../ops/layout.ts";
import * as pieces from "../ops/pieces.ts";
import { roll as moveOn } from "../ops/roll.ts";

type Axis = string | number;

/** Elements `start ≤ i < end` along one axis, every `step`-th. */
export function slice(x: Tensor, axis: Axis, start: number, end: number, step = 1): Tensor {
  const at = axisOf("slice", x.aval, axis);
  const from = x.dims.map((_, i) => (i === at ? start : 0));
  const to = x.dims.map((dim, i) => (i === at ? end : dim));
  const by = x.dims.map((_, i) => (i === at ? step : 1));
  return pieces.slice(x, from, to, by);
}

/** Pieces of the given sizes along one axis. */
export function split(x: Tensor, axis: Axis, sizes: readonly number[]): readonly Tensor[] {
  return pieces.split(x, axisOf("split", x.aval, axis), sizes);
}

/** Tensors one after another along an axis that they have. */
export function concatenate(xs: readonly Tensor[], axis: Axis): Tensor {
  const [first] = xs;
  if (first === undefined)
    throw new ShapeError("SHAPE-01", "concatenate: needs at least one tensor");
  return pieces.concatenate(xs, axisOf("concatenate", first.aval, axis));
}

/** Tensors of one form along a new axis called `axis`, which stands at `place`: first where absent. */
export function stack(xs: readonly Tensor[], axis?: string, place = 0): Tensor {
  const widened = <T>(list: readonly T[], value: T) => [
    ...list.slice(0, place),
    value,
    ...list.slice(place),
  ];
  return pieces.concatenate(
    xs.map((x) => {
      if (Number.isInteger(place) && place >= 0 && place <= x.rank)
        return l.reshape(x, widened(x.dims, 1), widened<AxisName>(x.names, axis ?? null));
      throw new ShapeError("SHAPE-01", `stack: ${showAval(x.aval)} has no place ${place}`);
    }),
    place,
  );
}

/** How many elements come before and after, and between any two; negative ones are cut away at the ends. */
export interface Padding {
  readonly before?: number;
  readonly after?: number;
  /** Counted before the ends are padded or cut; never negative. */
  readonly between?: number;
}

/**
 * Elements of one value around and between those of x, by axis: `pad(x, { pos: { before: 1, between: 2 } })`.
 * An unnamed axis goes by its index.
 */
export function pad(x: Tensor, by: Readonly<Record<Axis, Padding>>, value = 0): Tensor {
  const low = x.dims.map(() => 0);
  const high = [...low];
  const interior = [...low];
  for (const [axis, { before = 0, after = 0, between = 0 }] of Object.entries(by)) {
    const at = axisOf(
      "pad",
      x.aval,
      x.names.includes(axis) || !/^-?\d+$/.test(axis) ? axis : Number(axis),
    );
    low[at] = before;
    high[at] = after;
    interior[at] = between;
  }
  return pieces.pad(x, low, high, interior, value);
}

/** The opposite order along the given axes, all where absent. */
export function flip(x: Tensor, ...axes: readonly Axis[]): Tensor {
  const list = axes.map((axis) => axisOf("flip", x.aval, axis));
  return l.reverse(x, axes.length === 0 ? x.dims.map((_, i) => i) : [...new Set(list)]);
}

/** Moves every element `shift` places on along one axis; those that leave come in at the other end. */
export function roll(x: Tensor, axis: Axis, shift: number): Tensor {
  return moveOn(x, axisOf("roll", x.aval, axis), shift);
}

/** x `count` times one after another along an axis: 1 2 becomes 1 2 1 2. */
export function tile(x: Tensor, axis: Axis, count: number): Tensor {
  return copies("tile", x, axis, count, 0);
}

/** Every element `count` times along an axis: 1 2 becomes 1 1 2 2. */
export function repeat(x: Tensor, axis: Axis, count: number): Tensor {
  return copies("repeat", x, axis, count, 1);
}

/** Copies along a new axis before (0) or after (1) the given one, and both merged. */
function copies(name: string, x: Tensor, axis: Axis, count: number, after: 0 | 1): Tensor {
  const at = axisOf(name, x.aval, axis);
  if (!Number.isInteger(count) || count < 0)
    throw new ShapeError("SHAPE-01", `${name}: ${count} is no number of copies`);
  const place = at + after;
  const wide = [...x.dims.slice(0, place), count, ...x.dims.slice(place)];
  const axes = x.dims.map((_, i) => (i < place ? i : i + 1));
  const many = broadcast(x, { dims: wide, axes, names: wide.map(() => null) });
  const dims = x.dims.map((dim, i) => (i === at ? dim * count : dim));
  return l.reshape(many, dims, x.names);
}
