/** @file Equal blocks of a dimension whose number is known when the program runs. */

import { aval, dimOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add, mul } from "../../ops/arithmetic.ts";
import { broadcast, fullLike, iota, literal } from "../../ops/creation.ts";
import { dynamicSlice, dynamicUpdateSlice } from "../../ops/dynamic.ts";
import { reshape } from "../../ops/layout.ts";
import { less, select } from "../../ops/logic.ts";
import { concatenate, pad, slice } from "../../ops/pieces.ts";
import { int32 } from "../place.ts";

/** Block `number`, int32[], of those of `length` elements along a dimension. */
export function blockAt(x: Tensor, dim: number, number: Tensor, length: number): Tensor {
  return dynamicSlice(x, startOf(x, dim, number, length), x.dims.with(dim, length));
}

/** x with that block replaced. */
export function withBlock(x: Tensor, dim: number, number: Tensor, block: Tensor): Tensor {
  return dynamicUpdateSlice(x, block, startOf(x, dim, number, dimOf(block.aval, dim)));
}

/** int32[rank]: where the block starts. */
function startOf(x: Tensor, dim: number, number: Tensor, length: number): Tensor {
  const zero = literal(aval("int32", [1]), [0]);
  const first = reshape(mul(number, int32(length)), [1]);
  return concatenate(
    x.dims.map((_, i) => (i === dim ? first : zero)),
    0,
  );
}

/** The first `length` elements along a dimension, with zeros where x has fewer. */
export function fitted(x: Tensor, dim: number, length: number): Tensor {
  const held = dimOf(x.aval, dim);
  const zeros = x.dims.map(() => 0);
  if (held > length) return slice(x, zeros, x.dims.with(dim, length));
  return held < length ? pad(x, zeros, zeros.with(dim, length - held)) : x;
}

/** x with 0 wherever its index along a dimension, counted from `first`, int32[], is not below the limit. */
export function zeroFrom(x: Tensor, dim: number, first: Tensor, limit: number): Tensor {
  const form = aval("int32", x.dims, x.names);
  const start = broadcast(first, { dims: form.dims, axes: [], names: form.names });
  const index = add(iota(form, dim), start);
  return select(less(index, fullLike(form, limit)), x, fullLike(x.aval, 0));
}
