/** @file Order statistics of Monte-Carlo draws. */

import { median } from "../core/statistics.ts";

/** A median of deviations times this is the sd of a normal distribution; draws that ran away do not move it. */
const NORMAL = 1.4826;

/** 1.4826 · median |x − median x|. */
export function robustSd(values: readonly number[]): number {
  const middle = median(values);
  return spreadAbout(values, middle);
}

/** 1.4826 · median |x − centre|: counts an offset from the centre, too. */
export function spreadAbout(values: readonly number[], centre: number): number {
  return NORMAL * median(values.map((value) => Math.abs(value - centre)));
}

/** The value that a share of all is below, linear between neighbours. NaN of nothing. */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const [a, b] = [sorted[low] ?? Number.NaN, sorted[Math.min(low + 1, sorted.length - 1)] ?? 0];
  return a + (place - low) * (b - a);
}

/**
 * Where an estimate's truth lies, from draws of how far the chain lands from what was put in: estimate less the
 * deviations' quantiles, each at p(n + 1) of the ordered ones, so that a share of just 1 − confidence is outside,
 * whatever the distribution. Of too few draws for that, `wide` robust standard deviations to both sides.
 */
export function intervalOf(
  estimate: number,
  deviations: readonly number[],
  { confidence, wide }: { readonly confidence: number; readonly wide: number },
): readonly [low: number, high: number] {
  const count = deviations.length;
  const place = ((1 - confidence) / 2) * (count + 1) - 1;
  if (!(place >= 0)) {
    const reach = wide * robustSd(deviations);
    return [estimate - reach, estimate + reach];
  }
  const share = place / (count - 1);
  return [estimate - quantile(deviations, 1 - share), estimate - quantile(deviations, share)];
}

/** Probability of such a value or a larger one by chance, (1 + how many draws reach it)/(1 + draws): never 0. */
export function chance(draws: ArrayLike<number>, value: number): number {
  let reached = 1;
  for (let i = 0; i < draws.length; i++) if ((draws[i] as number) >= value) reached++;
  return reached / (draws.length + 1);
}
