/**
 * @file Deviations of fitted lines in red noise: the covariance of least squares holds for white noise alone, and
 * knows nothing of the trend that was taken away first.
 */

import { type DetrendOptions, detrender } from "../detrend.ts";
import type { DrawOptions } from "../monte-carlo.ts";
import { fitRedNoise, type RedNoise, redNoise } from "../noise.ts";
import { robustSd } from "../quantiles.ts";
import { random } from "../random.ts";
import { type Series, withValues } from "../series.ts";
import { normalQuantile } from "./confidence.ts";
import {
  type DampedLinesFit,
  type DampedLinesOptions,
  dampedLines,
  type Estimate,
  type LineModel,
  qualityOf,
} from "./damped-lines.ts";

export interface RedNoiseOptions extends DampedLinesOptions, DrawOptions {
  /** Taken away from the record and from every draw. Default: nothing. */
  readonly detrend?: DetrendOptions;
  /** Default: AR(1) of what the fit leaves. */
  readonly noise?: RedNoise;
}

/** What is known of a line; amplitude and phase at the centre. */
export interface KnownLine {
  readonly period: Estimate;
  readonly frequency: Estimate;
  readonly damping: Estimate;
  readonly quality: Estimate;
  readonly amplitude: Estimate;
  readonly phase: Estimate;
}

export interface RedNoiseFit {
  readonly fit: DampedLinesFit;
  /** In the order of the lines. */
  readonly known: readonly KnownLine[];
  readonly noise: RedNoise;
  readonly draws: number;
  readonly seed: number;
}

/**
 * Fits damped lines, then fits them again to many records of trend, fitted lines and AR(1) noise like that left
 * over; sd = 1.4826 · median deviation of the draws from their median.
 *
 * @param series - before the trend was taken away
 * @throws SignalError as `detrend` and `dampedLines`; the reason of the abort signal
 */
export function dampedLinesInRedNoise(series: Series, options: RedNoiseOptions): RedNoiseFit {
  const { draws = 200, seed = 1, confidence = 0.95, onProgress, signal } = options;
  const solve = options.detrend === undefined ? undefined : detrender(series, options.detrend);
  const detrended = solve?.(series);
  const fit = dampedLines(detrended?.residual ?? series, options);
  const noise = options.noise ?? settled(fitRedNoise(fit.residual));
  const base = added(series, fit.fitted, detrended?.trend);
  const models = fit.lines.map((line, i): LineModel => {
    const given = options.lines[i];
    return {
      ...(typeof given === "object" && given),
      period: line.period.value,
      startDamping: line.damping.value,
    };
  });
  const values = fit.lines.map(() => ({
    ...{ frequency: [] as number[], period: [] as number[], damping: [] as number[] },
    ...{ amplitude: [] as number[], phase: [] as number[] },
  }));
  for (let draw = 0; draw < draws; draw++) {
    signal?.throwIfAborted();
    const record = added(series, base, redNoise(series, noise, random(seed, draw)));
    const residual = solve?.(record).residual ?? record;
    const again = dampedLines(residual, { ...options, lines: models, search: false });
    again.lines.forEach((line, i) => {
      const own = values[i];
      own?.frequency.push(line.frequency.value);
      own?.period.push(line.period.value);
      own?.damping.push(line.damping.value);
      own?.amplitude.push(line.amplitude.value);
      own?.phase.push(turnFrom(fit.lines[i]?.phase.value ?? 0, line.phase.value));
    });
    onProgress?.(draw + 1, draws);
  }
  const wide = normalQuantile((1 + confidence) / 2);
  const known = fit.lines.map((line, i): KnownLine => {
    const estimate = (one: Estimate, drawn: readonly number[] = []): Estimate => {
      const sd = robustSd(drawn);
      return { value: one.value, sd, interval: [one.value - wide * sd, one.value + wide * sd] };
    };
    const own = values[i];
    const frequency = estimate(line.frequency, own?.frequency);
    const damping = estimate(line.damping, own?.damping);
    return {
      period: estimate(line.period, own?.period),
      ...{ frequency, damping, quality: qualityOf(frequency.value, damping) },
      amplitude: estimate(line.amplitude, own?.amplitude),
      phase: estimate(line.phase, own?.phase),
    };
  });
  return { fit, known, noise, draws, seed };
}

/** Noise told to alternate, by chance, would still be white to a line of many samples. */
function settled(noise: RedNoise): RedNoise {
  return { ...noise, phi: Math.max(0, Math.min(0.999, noise.phi)) };
}

/** Where `like` has observations. */
function added(like: Series, a: Series, b: Series | undefined): Series {
  const plus = (one: Float64Array, other: Float64Array | undefined) =>
    one.map((x, n) => (like.observed?.[n] === 0 ? 0 : x + (other?.[n] ?? 0)));
  const im = like.im === undefined ? undefined : (a.im ?? new Float64Array(like.re.length));
  return withValues(like, plus(a.re, b?.re), im && plus(im, b?.im));
}

/** The angle within half a turn of another. */
function turnFrom(origin: number, angle: number): number {
  return angle - 2 * Math.PI * Math.round((angle - origin) / (2 * Math.PI));
}
