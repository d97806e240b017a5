/** @file Where values would stand in sorted sequences. */

import { isFloat } from "../core/dtype.ts";
import { ShapeError } from "../core/errors.ts";
import { dimOf, sameDims, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add } from "./arithmetic.ts";
import { and, not, or } from "./bits.ts";
import { fullLike } from "./creation.ts";
import { gather } from "./indexing.ts";
import { isNaNElement, less, lessEqual, select } from "./logic.ts";

/** Before equal elements, or after them. */
export type Side = "left" | "right";

/**
 * How many elements of `sorted` come before each value, int32: by binary search, in ⌈log₂(n + 1)⌉ rounds.
 *
 * `sorted` rises along its last axis, with NaN last; its other axes are the leading ones of `values`. `left`
 * counts the elements below a value, `right` the equal ones too; NaN is above all numbers and equals NaN.
 *
 * @throws ShapeError when the leading axes differ
 */
export function searchSorted(sorted: Tensor, values: Tensor, side: Side): Tensor {
  const batch = sorted.rank - 1;
  if (batch < 0 || !sameDims(sorted.dims.slice(0, -1), values.dims.slice(0, batch))) {
    throw new ShapeError(
      "SHAPE-01",
      "searchSorted: values must have the leading axes of the sequences.",
      [
        ["sorted", showAval(sorted.aval)],
        ["values", showAval(values.aval)],
        ["rule", "sorted has one axis more, its last, along which it rises"],
      ],
    );
  }
  const n = dimOf(sorted.aval, batch);
  const place = { ...values.aval, dtype: "int32" as const };
  const constant = (value: number) => fullLike(place, value);
  let count = constant(0);
  if (n === 0) return count;
  for (let step = 2 ** Math.floor(Math.log2(n)); step >= 1; step /= 2) {
    const next = add(count, constant(step));
    const element = gather(sorted, add(next, constant(-1)), batch);
    const further = and(
      lessEqual(next, constant(n)),
      side === "left" ? isBelow(element, values) : not(isBelow(values, element)),
    );
    count = select(further, next, count);
  }
  return count;
}

/** `a < b` in the order of sorting, where NaN is above all numbers. */
function isBelow(a: Tensor, b: Tensor): Tensor {
  return isFloat(a.dtype) ? or(less(a, b), and(isNaNElement(b), not(isNaNElement(a)))) : less(a, b);
}
