/** @file Boxes along one dimension that begin where only the running program knows, and padding behind them. */

import { aval, dimOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { broadcast, fullLike, iota, literal } from "../ops/creation.ts";
import { dynamicSlice, dynamicUpdateSlice } from "../ops/dynamic.ts";
import { reshape } from "../ops/layout.ts";
import { less, select } from "../ops/logic.ts";
import { concatenate, pad, slice } from "../ops/pieces.ts";
import { int32 } from "./place.ts";

/** Block `number`, int32[], of those of `length` elements along a dimension. */
export function blockAt(x: Tensor, dim: number, number: Tensor, length: number): Tensor {
  return dynamicSlice(x, startOf(x, dim, number, length), x.dims.with(dim, length));
}

/** x with that block replaced. */
export function withBlock(x: Tensor, dim: number, number: Tensor, block: Tensor): Tensor {
  return dynamicUpdateSlice(x, block, startOf(x, dim, number, dimOf(block.aval, dim)));
}

function startOf(x: Tensor, dim: number, number: Tensor, length: number): Tensor {
  return startAt(x.dims.length, dim, mul(number, int32(length)));
}

/** int32[rank]: `offset`, int32[], at `dim`, 0 elsewhere. */
export function startAt(rank: number, dim: number, offset: Tensor): Tensor {
  const zeros = (count: number) =>
    count === 0 ? [] : [literal(aval("int32", [count]), Array<number>(count).fill(0))];
  return concatenate([...zeros(dim), reshape(offset, [1]), ...zeros(rank - dim - 1)], 0);
}

/** The first `length` elements along a dimension, with zeros where x has fewer. */
export function fitted(x: Tensor, dim: number, length: number): Tensor {
  const held = dimOf(x.aval, dim);
  const zeros = x.dims.map(() => 0);
  if (held > length) return slice(x, zeros, x.dims.with(dim, length));
  return held < length ? pad(x, zeros, zeros.with(dim, length - held)) : x;
}

/** x with `value` wherever its index along a dimension, counted from `first`, int32[], is not below the limit. */
export function valueFrom(
  x: Tensor,
  dim: number,
  first: Tensor,
  limit: number,
  value: number,
): Tensor {
  const index = indexFrom(x, dim, first);
  return select(less(index, fullLike(index.aval, limit)), x, fullLike(x.aval, value));
}

/** int32[…] like x: the index along a dimension, counted from `first`, int32[]. */
export function indexFrom(x: Tensor, dim: number, first: Tensor): Tensor {
  const form = aval("int32", x.dims);
  const start = broadcast(first, { dims: form.dims, axes: [], names: form.names });
  return add(iota(form, dim), start);
}
