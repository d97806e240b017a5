/** @file Ops that work along the last axis, along any. */

import { axisOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { inverse, transpose } from "../ops/layout.ts";

/** `f` with `axis` moved last, and moved back where `keep` says that `f` keeps it. */
export function onLast(
  operation: string,
  x: Tensor,
  axis: string | number,
  f: (x: Tensor) => Tensor,
  keep: boolean,
): Tensor {
  const at = axisOf(operation, x.aval, axis);
  const order = [...x.dims.map((_, i) => i).filter((i) => i !== at), at];
  const y = f(transpose(x, order));
  return keep ? transpose(y, inverse(order)) : y;
}
