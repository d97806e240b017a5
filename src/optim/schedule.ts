/** @file Learning rates as functions of the step, traced. Composed ones stand in `composed-schedules.ts`. */

import type { Tensor } from "../core/tensor.ts";
import { exp, floor, maximum, minimum, power, rsqrt, where } from "../numpy/index.ts";
import { fullLike } from "../ops/creation.ts";

/** A rate for every step: scalar float32, 0 at the first update, in and a scalar out. */
export interface Schedule {
  (step: Tensor): Tensor;
  /** Its name and numbers, for people. */
  readonly description?: string;
}

/** A schedule that says what it is. */
export function schedule(description: string, rate: (step: Tensor) => Tensor): Schedule {
  return Object.assign((step: Tensor) => rate(step), { description });
}

export function constant(rate: number): Schedule {
  return schedule(`constant ${rate}`, (step) => fullLike(step, rate));
}

/** From `from` to `to` in a straight line over `steps`, then `to`. */
export function linear(from: number, to: number, steps: number): Schedule {
  return schedule(`linear ${from} → ${to} over ${steps} steps`, (step) =>
    progress(step, steps)
      .mul(to - from)
      .add(from),
  );
}

/** `to + (from − to) · (1 − t / steps)^exponent`, then `to`. */
export function polynomial(from: number, to: number, steps: number, exponent: number): Schedule {
  return schedule(
    `polynomial of degree ${exponent}, ${from} → ${to} over ${steps} steps`,
    (step) => {
      const left = progress(step, steps).neg().add(1);
      return power(left, exponent)
        .mul(from - to)
        .add(to);
    },
  );
}

/** `rate · factor^(t / every)`; with `stairs` the exponent is rounded down. */
export function exponential(
  rate: number,
  factor: number,
  every: number,
  options: { readonly stairs?: boolean } = {},
): Schedule {
  const { stairs = false } = options;
  return schedule(`exponential ${rate}, × ${factor} every ${every} steps`, (step) => {
    const rounds = step.div(every);
    return exp((stairs ? floor(rounds) : rounds).mul(Math.log(factor))).mul(rate);
  });
}

/** `rate`, times `factor` from each of the steps `at` on. */
export function piecewise(rate: number, factor: number, at: readonly number[]): Schedule {
  return schedule(`steps ${rate}, × ${factor} at ${at.join(", ")}`, (step) =>
    at.reduce((now, start) => where(step.less(start), now, now.mul(factor)), fullLike(step, rate)),
  );
}

/** `peak` up to step `hold`, then `peak · √(hold / t)`. With peak 0.01 and hold 10,000 it is GLaM's 1/√max(t, 10⁴). */
export function inverseSquareRoot(peak: number, hold: number): Schedule {
  return schedule(`inverse square root ${peak}, from step ${hold}`, (step) =>
    rsqrt(maximum(step, Math.max(1, hold))).mul(peak * Math.sqrt(Math.max(1, hold))),
  );
}

/** Falls along half a cosine from `peak` to `to` at step `steps`, then `to`. */
export function cosine(peak: number, steps: number, to: number = 0.1 * peak): Schedule {
  return schedule(`cosine ${peak} → ${to} over ${steps} steps`, (step) =>
    halfCosine(peak, to, progress(step, steps)),
  );
}

/** `to + (from − to) · (1 + cos π x) / 2` */
export function halfCosine(from: number, to: number, x: Tensor): Tensor {
  return x
    .mul(Math.PI)
    .cos()
    .mul((from - to) / 2)
    .add((from + to) / 2);
}

/** `t / steps`, within [0, 1]. */
export function progress(step: Tensor, steps: number): Tensor {
  return minimum(maximum(step.mul(1 / Math.max(1, steps)), 0), 1);
}
