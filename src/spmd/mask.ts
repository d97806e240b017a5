/** @file Padding behind the last element of an uneven dimension, overwritten where elements meet. */

import type { AxisPart, Mesh } from "../core/mesh.ts";
import { sizeOfParts } from "../core/mesh.ts";
import { dimOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul } from "../ops/arithmetic.ts";
import { GREATEST, LEAST } from "../ops/magnitude.ts";
import { indexFrom, valueFrom } from "./blocks.ts";
import { deviceAlong, int32 } from "./place.ts";

/** Which number does nothing when elements are combined. */
export type Neutral = "sum" | "max" | "min";

function neutral({ dtype }: Tensor, kind: Neutral): number {
  if (kind === "sum") return 0;
  return (kind === "max" ? LEAST : GREATEST)[dtype];
}

/** int32[…] like x: the index along `dim` in the whole tensor. */
export function wholeIndex(mesh: Mesh, x: Tensor, dim: number, axes: readonly AxisPart[]): Tensor {
  return indexFrom(x, dim, firstIndex(mesh, x, dim, axes));
}

/** int32[]: where this device's piece begins in the whole tensor. */
function firstIndex(mesh: Mesh, x: Tensor, dim: number, axes: readonly AxisPart[]): Tensor {
  return mul(deviceAlong(mesh, axes), int32(dimOf(x.aval, dim)));
}

/** A dimension of a whole value that is split. */
export interface Split {
  readonly dim: number;
  readonly axes: readonly AxisPart[];
  /** Of the whole value. */
  readonly size: number;
}

/** A piece with `value` beyond the last element of the whole; the piece itself where the dimension is even. */
export function withPadding(
  mesh: Mesh,
  x: Tensor,
  { dim, axes, size }: Split,
  value: number,
): Tensor {
  if (dimOf(x.aval, dim) * sizeOfParts(axes) === size) return x;
  return valueFrom(x, dim, firstIndex(mesh, x, dim, axes), size, value);
}

/** A piece with the neutral element beyond the last element of the whole. */
export function withoutPadding(mesh: Mesh, x: Tensor, split: Split, kind: Neutral): Tensor {
  return withPadding(mesh, x, split, neutral(x, kind));
}
