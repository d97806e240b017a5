/** @file Learning rates as functions of the step, traced. */

import type { Tensor } from "../core/tensor.ts";
import { maximum, minimum, rsqrt, where } from "../numpy/index.ts";
import { fullLike } from "../ops/creation.ts";

/** @param step - scalar float32, 0 at the first update */
export type Schedule = (step: Tensor) => Tensor;

/** `peak` up to step `hold`, then `peak · √(hold / t)`. With peak 0.01 and hold 10,000 it is GLaM's 1/√max(t, 10⁴). */
export function inverseSquareRoot(peak: number, hold: number): Schedule {
  return (step) => rsqrt(maximum(step, Math.max(1, hold))).mul(peak * Math.sqrt(Math.max(1, hold)));
}

/** Rises linearly over `warmup` steps, then falls along half a cosine to `floor · peak` at step `total`. */
export function cosine(peak: number, warmup: number, total: number, floor = 0.1): Schedule {
  return (step) => {
    const rising = step.add(1).mul(peak / Math.max(1, warmup));
    const progress = minimum(maximum(step.sub(warmup).mul(1 / Math.max(1, total - warmup)), 0), 1);
    const falling = cosineOf(progress.mul(Math.PI))
      .mul(0.5 * (1 - floor))
      .add(0.5 * (1 + floor))
      .mul(peak);
    return where(step.less(warmup), rising, falling);
  };
}

/** cos on [0, π] by its Taylor series around π/2, to single precision. */
function cosineOf(x: Tensor): Tensor {
  const t = x.sub(Math.PI / 2);
  const square = t.square();
  // cos(π/2 + t) = −sin t = −t (1 − t²/3! + t⁴/5! − …)
  const coefficients = [-1 / 39916800, 1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1];
  const series = coefficients
    .slice(1)
    .reduce((sum, c) => sum.mul(square).add(c), fullLike(x, coefficients[0] ?? 0));
  return t.mul(series).neg();
}
