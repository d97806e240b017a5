/** @file Names, order and shape of axes. */

import { parseAxes } from "../core/axes.ts";
import { AxisError, ShapeError } from "../core/errors.ts";
import { axisOf, dimOf, showAval, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import * as l from "../ops/layout.ts";

/** Renames all axes, on purpose: `x.as("batch mem embed")`. */
export function as(x: Tensor, axes: string): Tensor {
  const names = parseAxes("as", axes);
  if (names.length !== x.rank) {
    throw new AxisError(
      "AXIS-01",
      `as: "${axes}" names ${names.length} axes, but ${showAval(x.aval)} has ${x.rank}`,
    );
  }
  return l.reshape(x, x.dims, names);
}

/** Reorders axes by name: `x.order("group expert token")`. */
export function order(x: Tensor, axes: string): Tensor {
  const names = parseAxes("order", axes);
  const places = names.map((name) => axisOf("order", x.aval, name));
  if (places.length !== x.rank) {
    throw new AxisError("AXIS-01", `order: "${axes}" leaves out axes of ${showAval(x.aval)}`);
  }
  return l.transpose(x, places);
}

/** Moves axes into `places`: axis i of the result is axis `places[i]` of x. */
export function transpose(x: Tensor, places: readonly number[]): Tensor {
  return l.transpose(x, places);
}

/** The same elements under other sizes; one size may be −1 and is worked out. `axes` names the result. */
export function reshape(x: Tensor, dims: readonly number[], axes?: string): Tensor {
  const known = sizeOf(dims.filter((dim) => dim !== -1));
  const whole = dims.map((dim) => (dim === -1 ? sizeOf(x.dims) / known : dim));
  if (whole.some((dim) => !Number.isInteger(dim)) || sizeOf(whole) !== sizeOf(x.dims)) {
    throw new ShapeError("SHAPE-01", "reshape: the number of elements must stay.", [
      ["from", `${showAval(x.aval)}, ${sizeOf(x.dims)} elements`],
      ["to", `[${dims.join(", ")}]`],
    ]);
  }
  return l.reshape(x, whole, axes === undefined ? undefined : parseAxes("reshape", axes));
}

/** Merges neighbouring axes into one: `merge(x, "batch pos", "token")`. */
export function merge(x: Tensor, axes: string, into: string): Tensor {
  const names = parseAxes("merge", axes);
  const first = axisOf("merge", x.aval, names[0] ?? "");
  if (!names.every((name, i) => x.names[first + i] === name)) {
    throw new AxisError(
      "AXIS-01",
      `merge: "${axes}" are not neighbouring axes of ${showAval(x.aval)}, in this order`,
    );
  }
  const end = first + names.length;
  const dims = [...x.dims.slice(0, first), sizeOf(x.dims.slice(first, end)), ...x.dims.slice(end)];
  return l.reshape(x, dims, [...x.names.slice(0, first), into, ...x.names.slice(end)]);
}

/** Divides one axis into several: `divide(x, "token", { batch: 4, pos: 8 })`. */
export function divide(x: Tensor, axis: string, into: Readonly<Record<string, number>>): Tensor {
  const at = axisOf("divide", x.aval, axis);
  const sizes = Object.values(into);
  if (sizeOf(sizes) !== dimOf(x.aval, at)) {
    throw new ShapeError(
      "SHAPE-01",
      `divide: ${sizes.join(" × ")} = ${sizeOf(sizes)} is not the size of "${axis}" in ${showAval(x.aval)}`,
    );
  }
  const dims = [...x.dims.slice(0, at), ...sizes, ...x.dims.slice(at + 1)];
  return l.reshape(x, dims, [
    ...x.names.slice(0, at),
    ...Object.keys(into),
    ...x.names.slice(at + 1),
  ]);
}

/** A new axis of length 1 at `place`. */
export function expandDims(x: Tensor, place: number, axis?: string): Tensor {
  const dims = [...x.dims.slice(0, place), 1, ...x.dims.slice(place)];
  return l.reshape(x, dims, [...x.names.slice(0, place), axis ?? null, ...x.names.slice(place)]);
}
