/** @file Sorting along an axis given by name or index, and searching in what is sorted. */

import { ShapeError } from "../core/errors.ts";
import { axisOf, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import * as s from "../ops/search.ts";
import * as o from "../ops/sort.ts";

export interface Order {
  /** By name or index; the last axis when absent. */
  readonly axis?: string | number;
  /** From the largest to the smallest. */
  readonly descending?: boolean;
}

/** The elements in order; stable, NaN last, −0 and 0 tie. Gradients go back to where the elements came from. */
export function sort(x: Tensor, order: Order = {}): Tensor {
  const [y = x] = sortTogether([x], order);
  return y;
}

/** int32 places of the elements in sorted order; otherwise as `sort`. */
export function argsort(x: Tensor, { axis = -1, descending = false }: Order = {}): Tensor {
  return o.argsort([x], { axis: axisOf("argsort", x.aval, axis), descending });
}

/**
 * Several tensors of equal dims put in one order: that of the first `keys` of them, of which the first decides
 * and the next where it ties. Whole ties keep their order.
 *
 * @throws ShapeError when their dims differ
 */
export function sortTogether(
  operands: readonly Tensor[],
  { axis = -1, descending = false, keys = 1 }: Order & { readonly keys?: number } = {},
): readonly Tensor[] {
  const [first] = operands;
  if (first === undefined || keys < 1 || keys > operands.length) {
    throw new ShapeError(
      "SHAPE-01",
      `sort: cannot take ${keys} of ${operands.length} operands as keys`,
    );
  }
  if (operands.some((x) => `${x.dims}` !== `${first.dims}`)) {
    throw new ShapeError(
      "SHAPE-01",
      "sort: operands have unequal sizes.",
      operands.map((x, i) => [`operand ${i + 1}`, showAval(x.aval)] as const),
    );
  }
  return o.sort(operands, { axis: axisOf("sort", first.aval, axis), descending, keys });
}

/**
 * How many elements of a sorted sequence come before each value, int32: where the value would stand.
 *
 * @param sorted - rising along its last axis, with NaN last; its other axes are the leading ones of `values`
 * @param side - `left`, the default: before equal elements; `right`: after them
 * @throws ShapeError when the leading axes differ
 */
export function searchSorted(
  sorted: Tensor,
  values: Tensor,
  { side = "left" }: { readonly side?: s.Side } = {},
): Tensor {
  return s.searchSorted(sorted, values, side);
}
