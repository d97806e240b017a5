/**
 * @file Coherence of two records at one period: how steadily one oscillation keeps step with the other, at what
 * phase, and how often two that know nothing of each other do as well.
 */

import { analytic, type CombinedOptions } from "./combined.ts";
import { SIGMA } from "./edge.ts";
import type { Complex } from "./fourier.ts";
import type { DrawOptions } from "./monte-carlo.ts";
import { phaseRandomised } from "./noise.ts";
import { chance } from "./quantiles.ts";
import { random } from "./random.ts";
import { requireSameTimes } from "./same-times.ts";
import { type Series, spanOf } from "./series.ts";

export interface CoherenceOptions extends Pick<CombinedOptions, "sigma">, DrawOptions {
  /** In the time unit of both series. */
  readonly period: number;
  /** Share of the record, about its middle, that counts. Default 2/3. */
  readonly middle?: number;
}

export interface Coherence {
  /** |γ|, 0 to 1: γ = ⟨s_a s̄_b⟩/√(⟨|s_a|²⟩⟨|s_b|²⟩). */
  readonly coherence: number;
  /** arg γ, radians, −π to π: above 0 the first is ahead. */
  readonly phase: number;
  /** The phase of the first one's derivative, a quarter turn ahead of it. */
  readonly derivativePhase: number;
  /** Chance of such a coherence with the first record's phases random: Fourier surrogates through the same transform. */
  readonly p: number;
  /** How many values the ridges hold that know nothing of each other, T√(2π)/(σP): at one or two coherence is cheap. */
  readonly independent: number;
  readonly draws: number;
  readonly seed: number;
}

/**
 * Coherence of the ridges of two records without trend on the same times.
 *
 * @throws SignalError for different times, gaps, a period that the record cannot show; the reason of the abort signal
 */
export function coherence(a: Series, b: Series, options: CoherenceOptions): Coherence {
  const { period, draws = 500, seed = 1, middle = 2 / 3, sigma = SIGMA } = options;
  requireSameTimes("coherence", a, b);
  const shape = { sigma };
  const other = analytic(b, period, shape);
  const own = gamma(analytic(a, period, shape), other, middle);
  const size = Math.hypot(own.re, own.im);
  const surrogates = new Float64Array(draws);
  for (let draw = 0; draw < draws; draw++) {
    options.signal?.throwIfAborted();
    const ridge = analytic(phaseRandomised(a, random(seed, draw)), period, shape);
    const drawn = gamma(ridge, other, middle);
    surrogates[draw] = Math.hypot(drawn.re, drawn.im);
    options.onProgress?.(draw + 1, draws);
  }
  const phase = Math.atan2(own.im, own.re);
  return {
    ...{ coherence: size, phase, draws, seed },
    derivativePhase: wrapped(phase + (Math.sign(period) * Math.PI) / 2),
    p: chance(surrogates, size),
    independent: (middle * spanOf(a) * Math.sqrt(2 * Math.PI)) / (sigma * Math.abs(period)),
  };
}

/** Within half a turn of 0. */
function wrapped(angle: number): number {
  return angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));
}

/** γ of two ridges over the middle part of their samples. */
export function gamma(
  a: Complex,
  b: Complex,
  middle: number,
): { readonly re: number; readonly im: number } {
  const count = a.re.length;
  const [first, last] = [(count * (1 - middle)) / 2, (count * (1 + middle)) / 2];
  let [re, im, own, other] = [0, 0, 0, 0];
  for (let n = Math.ceil(first - 1e-9); n < last - 1e-9; n++) {
    const [x, y, u, v] = [a.re[n] ?? 0, a.im[n] ?? 0, b.re[n] ?? 0, b.im[n] ?? 0];
    re += x * u + y * v;
    im += y * u - x * v;
    own += x * x + y * y;
    other += u * u + v * v;
  }
  const scale = Math.sqrt(own * other) || 1;
  return { re: re / scale, im: im / scale };
}
