/** @file Grouped matrix product. */

import type { Tensor } from "../core/tensor.ts";
import * as ragged from "../ops/ragged.ts";

/**
 * Rows sorted by group, each times the matrix of its group: `y[r] = x[r] · w[group of r]`.
 *
 * The first `groupSizes[0]` rows belong to group 0, the next `groupSizes[1]` to group 1, and so on. Rows
 * past the last group give zeros; sizes past the last row are cut, those below 0 count as 0. The onnx
 * engine computes each row once; XLA computes every row for every group.
 *
 * @param x - `[row, in]`
 * @param w - `[group, in, out]`
 * @param groupSizes - int32 `[group]`, known at run time only
 * @param options - `steady`: on one engine a row's result does not depend, to the last bit, on the sizes of
 *   groups, which costs a little; false when absent
 * @returns `[row, out]`
 * @throws ShapeError or DTypeError when an operand has another form
 */
export function raggedDot(
  x: Tensor,
  w: Tensor,
  groupSizes: Tensor,
  { steady = false }: { readonly steady?: boolean } = {},
): Tensor {
  return ragged.raggedDot(x, w, groupSizes, { transposed: false, steady });
}
