/** @file Schedules made of schedules: warm-up, one after the other, and the well-known ones built of those. */

import { minimum, where } from "../numpy/index.ts";
import { constant, halfCosine, linear, progress, type Schedule, schedule } from "./schedule.ts";

/** Text of a schedule in the text of another. */
function textOf({ description = "a function" }: Schedule): string {
  return description;
}

/**
 * One schedule after the other, each from its own step 0: `join(constant(1), [100, linear(1, 0, 50)])` is constant
 * for 100 steps and then falls.
 *
 * @param then - pairs of the step at which a schedule begins, rising, and the schedule
 */
export function join(
  first: Schedule,
  ...then: readonly (readonly [from: number, next: Schedule])[]
): Schedule {
  const description = then.reduce(
    (text, [from, next]) => `${text}; after ${from} steps ${textOf(next)}`,
    textOf(first),
  );
  return schedule(description, (step) =>
    then.reduce(
      (rate, [from, next]) => where(step.less(from), rate, next(step.sub(from))),
      first(step),
    ),
  );
}

/**
 * Rises in a straight line to the first rate of `then` over `steps`, the first update at `1 / steps` of it; then goes on
 * with `then` from its own step 0.
 */
export function warmup(then: Schedule, steps: number): Schedule {
  if (steps <= 0) return then;
  return schedule(`${steps} steps of warm-up; then ${textOf(then)}`, (step) => {
    const rising = then(step.mul(0)).mul(step.add(1).mul(1 / steps));
    return where(step.less(steps), rising, then(step.sub(steps)));
  });
}

/** How the last phase of `wsd` falls: in a straight line, or as `1 − √x`, which is fast at first. */
export type Fall = "linear" | "one-minus-sqrt";

/**
 * Warm-up, stable, decay: rises over `warmup` steps, stays, and falls to `to` over the last `decay` of `steps` steps.
 *
 * @see Hu et al., arXiv:2404.06395; Hägele et al., arXiv:2405.18392 for `1 − √x`
 */
export function wsd(
  peak: number,
  phases: { readonly warmup: number; readonly steps: number; readonly decay: number },
  options: { readonly to?: number; readonly fall?: Fall } = {},
): Schedule {
  const { to = 0, fall = "linear" } = options;
  const root = schedule(`1 − √ ${peak} → ${to} over ${phases.decay} steps`, (step) =>
    progress(step, phases.decay)
      .sqrt()
      .mul(to - peak)
      .add(peak),
  );
  const falling = fall === "linear" ? linear(peak, to, phases.decay) : root;
  const stable = Math.max(0, phases.steps - phases.warmup - phases.decay);
  return warmup(join(constant(peak), [stable, falling]), phases.warmup);
}

/**
 * One cycle of half cosines: from `start · peak` up to the peak during the first `rise` of the steps, then down to
 * `end · peak` at the last one.
 *
 * @see Smith and Topin, arXiv:1708.07120
 */
export function oneCycle(
  peak: number,
  steps: number,
  options: { readonly rise?: number; readonly start?: number; readonly end?: number } = {},
): Schedule {
  const { rise = 0.3, start = 1 / 25, end = start * 1e-4 } = options;
  const top = rise * steps - 1;
  return schedule(`one cycle to ${peak} at ${rise} of ${steps} steps`, (step) => {
    const rising = halfCosine(start * peak, peak, progress(step, top));
    const falling = halfCosine(peak, end * peak, progress(step.sub(top), steps - 1 - top));
    return where(step.less(top), rising, falling);
  });
}

/** Steps are counted in float32, which is exact up to here. */
const LAST_STEP = 2 ** 24;

/**
 * Half cosines from `peak` to `to`, again and again; each period is `growth` times as long as the one before.
 *
 * @param growth - a whole number from 1 on
 * @see Loshchilov and Hutter, arXiv:1608.03983
 */
export function warmRestarts(
  peak: number,
  period: number,
  options: { readonly growth?: number; readonly to?: number } = {},
): Schedule {
  const { growth = 1, to = 0 } = options;
  const text = `cosine ${peak} → ${to} every ${period} steps`;
  if (growth === 1)
    return schedule(text, (step) => halfCosine(peak, to, step.rem(period).mul(1 / period)));
  // Where periods begin; there are few, since they grow.
  const periods: (readonly [start: number, length: number])[] = [];
  for (let start = 0, length = period; start < LAST_STEP; start += length, length *= growth)
    periods.push([start, length]);
  return schedule(`${text}, × ${growth} each time`, (step) => {
    const zero = step.mul(0);
    const start = periods.reduce((now, [from]) => where(step.less(from), now, from), zero);
    const size = periods.reduce((now, [from, length]) => where(step.less(from), now, length), zero);
    return halfCosine(peak, to, minimum(step.sub(start).div(size), 1));
  });
}
