/** @file Attention with linear biases: logits fall with the distance, by a slope of each head's own. */

import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { abs, einsum } from "../../numpy/index.ts";
import { literal } from "../../ops/creation.ts";

/**
 * Slopes of the heads: `2^(−8h/n)` for h from 1 to n, where n is a power of two; for other numbers those of
 * the power below, then every other one of the power above.
 *
 * @see Press et al., arXiv:2108.12409
 */
export function alibiSlopes(heads: number): readonly number[] {
  const n = 2 ** Math.floor(Math.log2(heads));
  const geometric = (count: number) =>
    Array.from({ length: count }, (_, i) => 2 ** ((-8 * (i + 1)) / count));
  const between = geometric(2 * n).filter((_, i) => i % 2 === 0);
  return [...geometric(n), ...between.slice(0, heads - n)];
}

/**
 * `−slope · |distance|`.
 *
 * @param distance - int32 `[pos, mem]` or `[batch, pos, mem]`, named
 * @returns `[head, pos, mem]` or `[batch, head, pos, mem]`
 */
export function alibiBias(distance: Tensor, heads: number): Tensor {
  const slopes = literal(
    aval("float32", [heads], ["head"]),
    alibiSlopes(heads).map((slope) => -slope),
  );
  const far = abs(distance).astype("float32");
  return distance.rank === 2
    ? einsum("head, pos mem -> head pos mem", slopes, far)
    : einsum("head, batch pos mem -> batch head pos mem", slopes, far);
}
