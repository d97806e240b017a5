/** @file Abstract values: dtype, static sizes and axis names of a tensor, without its data. */

import type { AxisName } from "./axes.ts";
import type { DType } from "./dtype.ts";
import { AxisError, ShapeError } from "./errors.ts";

/** What is known of a tensor before it has data. */
export interface Aval {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** One entry per axis. */
  readonly names: readonly AxisName[];
}

/** An aval; names default to unnamed. */
export function aval(dtype: DType, dims: readonly number[], names?: readonly AxisName[]): Aval {
  return { dtype, dims, names: names ?? dims.map(() => null) };
}

/** Number of elements. */
export function sizeOf(dims: readonly number[]): number {
  let size = 1;
  for (const dim of dims) size *= dim;
  return size;
}

/** `x.dims[axis]`, for axes that are known to exist. */
export function dimOf(x: { readonly dims: readonly number[] }, axis: number): number {
  const dim = x.dims[axis];
  if (dim === undefined) throw new ShapeError("SHAPE-01", `axis ${axis} of rank ${x.dims.length}`);
  return dim;
}

/** Row-major strides in elements. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let i = dims.length - 2; i >= 0; i--)
    strides[i] = (strides[i + 1] ?? 1) * (dims[i + 1] ?? 1);
  return strides;
}

export function sameDims(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** `float32[batch 8, pos 128]`, `int32[3, 4]`, `float32[]`. */
export function showAval(x: Aval): string {
  const axes = x.dims.map((dim, i) => {
    const name = x.names[i];
    return name == null ? `${dim}` : `${name} ${dim}`;
  });
  return `${x.dtype}[${axes.join(", ")}]`;
}

/**
 * The position of an axis given by name or by index (negative counts from the end).
 *
 * @throws AxisError when there is no such axis
 */
export function axisOf(operation: string, x: Aval, axis: string | number): number {
  const found =
    typeof axis === "string" ? x.names.indexOf(axis) : axis < 0 ? axis + x.dims.length : axis;
  if (Number.isInteger(found) && found >= 0 && found < x.dims.length) return found;
  const named = x.names.filter((name) => name !== null);
  const has = typeof axis === "string" && named.length > 0 ? named.join(", ") : axisRange(x);
  throw new AxisError(
    "AXIS-01",
    `${operation}: ${typeof axis === "string" ? `"${axis}"` : axis} is not an axis of ${showAval(x)}, which has ${has}`,
  );
}

function axisRange(x: Aval): string {
  if (x.dims.length === 0) return "none";
  return x.dims.length === 1 ? "axis 0" : `axes 0 to ${x.dims.length - 1}`;
}

/** The list without entry `at`. */
export function without<T>(list: readonly T[], at: number): T[] {
  return list.filter((_, i) => i !== at);
}
