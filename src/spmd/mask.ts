/** @file Padding behind the last element of an uneven dimension, overwritten where elements meet. */

import { aval, dimOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { broadcast, fullLike, iota } from "../ops/creation.ts";
import { less, select } from "../ops/logic.ts";
import { GREATEST, LEAST } from "../ops/magnitude.ts";
import type { AxisPart, Mesh } from "./mesh.ts";
import { sizeOfParts } from "./mesh.ts";
import { deviceAlong } from "./place.ts";

/** Which number does nothing when elements are combined. */
export type Neutral = "sum" | "max" | "min";

function neutral({ dtype }: Tensor, kind: Neutral): number {
  if (kind === "sum") return 0;
  return (kind === "max" ? LEAST : GREATEST)[dtype];
}

/** int32[…] like x: the index along `dim` in the whole tensor. */
export function wholeIndex(mesh: Mesh, x: Tensor, dim: number, axes: readonly AxisPart[]): Tensor {
  const form = aval("int32", x.dims);
  const first = mul(deviceAlong(mesh, axes), fullLike(aval("int32", []), dimOf(x.aval, dim)));
  const start = broadcast(first, { dims: form.dims, axes: [], names: form.names });
  return add(iota(form, dim), start);
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
  const index = wholeIndex(mesh, x, dim, axes);
  return select(less(index, fullLike(index.aval, size)), x, fullLike(x.aval, value));
}

/** A piece with the neutral element beyond the last element of the whole. */
export function withoutPadding(mesh: Mesh, x: Tensor, split: Split, kind: Neutral): Tensor {
  return withPadding(mesh, x, split, neutral(x, kind));
}
