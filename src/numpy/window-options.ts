/** @file How people say where a window slides: axes by name or index, steps once or per axis, padding by rule. */

import { parseAxes } from "../core/axes.ts";
import { AxisError, ShapeError } from "../core/errors.ts";
import { axisOf, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { extent } from "../ops/sliding-window.ts";

/** One number for all axes, or one for each. */
export type PerAxis = number | readonly number[];

/** Several axes: words in one string, or a list of names and indices. */
export type SpaceAxes = string | readonly (string | number)[];

/**
 * - `"valid"`: none, every window lies inside;
 * - `"same"`: as much as makes `ceil(length / stride)` windows, the odd one at the end, as in TensorFlow and JAX;
 * - a number: on all sides;
 * - a list: per axis a number for both sides, or `[low, high]`. Negative numbers cut off.
 */
export type Padding = "valid" | "same" | number | readonly (number | readonly [number, number])[];

/** What a window does along each axis beyond its size. */
export interface Steps {
  /** Distance between windows. */
  readonly stride?: PerAxis;
  /** Distance between the taps of one window, 1 when absent. */
  readonly dilation?: PerAxis;
}

/** @throws ShapeError when the list has another length */
export function perAxis(
  operation: string,
  name: string,
  value: PerAxis | undefined,
  rank: number,
  otherwise: readonly number[],
): readonly number[] {
  if (value === undefined) return otherwise;
  if (typeof value === "number") return Array<number>(rank).fill(value);
  if (value.length === rank) return value;
  throw new ShapeError(
    "SHAPE-01",
    `${operation}: ${name} has ${value.length} entries for a window of ${rank} axes.`,
    [
      ["given", `${name}: [${value.join(", ")}]`],
      ["fix", "give one number for all axes, or one for each"],
    ],
  );
}

/** Padding of each axis in numbers. */
export function paddingOf(
  operation: string,
  padding: Padding,
  axes: {
    readonly lengths: readonly number[];
    readonly taps: readonly number[];
    readonly stride: readonly number[];
    readonly dilation: readonly number[];
  },
): readonly (readonly [number, number])[] {
  const rank = axes.taps.length;
  if (typeof padding === "number") return axes.taps.map(() => [padding, padding] as const);
  if (padding === "valid") return axes.taps.map(() => [0, 0] as const);
  if (padding === "same")
    return axes.taps.map((taps, i) =>
      samePadding(axes.lengths[i] ?? 0, taps, axes.stride[i] ?? 1, axes.dilation[i] ?? 1),
    );
  if (padding.length !== rank) {
    throw new ShapeError(
      "SHAPE-01",
      `${operation}: padding has ${padding.length} entries for a window of ${rank} axes.`,
      [["fix", 'give one number, "same", "valid", or a number or a pair per axis']],
    );
  }
  return padding.map((side) => (typeof side === "number" ? [side, side] : side));
}

/** Padding that makes `ceil(length / stride)` windows. */
export function samePadding(
  length: number,
  taps: number,
  stride = 1,
  dilation = 1,
): readonly [low: number, high: number] {
  const needed = (Math.ceil(length / stride) - 1) * stride + extent(taps, dilation);
  const total = Math.max(0, needed - length);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

/**
 * Positions of `rank` axes of x, in the order in which they are given; the last ones when they are not.
 *
 * @param taken - an axis that is not free, such as the channel
 * @throws AxisError for an axis that x lacks or that stands twice, ShapeError when x has too few
 */
export function spaceOf(
  operation: string,
  x: Tensor,
  given: SpaceAxes | undefined,
  rank: number,
  taken?: number,
): readonly number[] {
  const free = x.dims.map((_, i) => i).filter((i) => i !== taken);
  if (given === undefined) {
    if (free.length >= rank) return free.slice(free.length - rank);
    throw new ShapeError(
      "SHAPE-01",
      `${operation}: ${showAval(x.aval)} has too few axes for a window of ${rank} axes${taken === undefined ? "" : " and a channel"}.`,
    );
  }
  const words = typeof given === "string" ? parseAxes(operation, given) : given;
  const axes = words.map((word) => axisOf(operation, x.aval, word));
  const facts = [
    ["operand", showAval(x.aval)],
    ["space", words.join(" ")],
  ] as const;
  if (axes.length !== rank) {
    throw new ShapeError(
      "SHAPE-01",
      `${operation}: ${axes.length} axes are given for a window of ${rank}.`,
      facts,
    );
  }
  const all = taken === undefined ? axes : [...axes, taken];
  if (new Set(all).size < all.length) {
    throw new AxisError(
      "AXIS-01",
      `${operation}: an axis stands twice.`,
      taken === undefined ? facts : [...facts, ["channel", `axis ${x.names[taken] ?? taken}`]],
    );
  }
  return axes;
}
