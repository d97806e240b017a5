/** @file How large peaks of the transform grow by chance in AR(1) noise: at each period, and anywhere. */

import { type DetrendOptions, detrender } from "./detrend.ts";
import type { DrawOptions } from "./monte-carlo.ts";
import { fitRedNoise, type RedNoise, redNoise } from "./noise.ts";
import { type NtftOptions, ntft, type TimeFrequencyMap } from "./ntft.ts";
import { chance, quantile } from "./quantiles.ts";
import { random } from "./random.ts";
import { type Peak, peakPeriods } from "./ridges.ts";
import { type Series, spanOf } from "./series.ts";

export interface SignificanceOptions extends NtftOptions, DrawOptions {
  /** Done to the record and to every surrogate. Default: nothing. */
  readonly detrend?: DetrendOptions;
  /** Default: AR(1) of the detrended record less a running mean of 10 years, or of a sixth of the record. */
  readonly noise?: RedNoise;
  /** Default 0.95. */
  readonly level?: number;
}

export interface SignificantPeak extends Peak {
  /** Chance of such an amplitude in noise at this period. */
  readonly p: number;
  /** Chance of a peak that stands out as much at any period of the map: the look-elsewhere effect counted. */
  readonly pAnywhere: number;
}

/** Amplitudes are |Ψ|, twice that for a real series, in its unit. */
export interface Significance {
  readonly periods: readonly number[];
  /** Mean over the middle half of the record, by period. */
  readonly amplitude: Float64Array;
  /** Which this mean exceeds in 5 % of the surrogates, by period. */
  readonly level: Float64Array;
  /** The same for the greatest excess at any period. */
  readonly levelAnywhere: Float64Array;
  /** Which |Ψ| at one time exceeds in 5 % of times and surrogates, by period. */
  readonly pointLevel: Float64Array;
  /** Which |Ψ| exceeds anywhere in the map in 5 % of the surrogates, by period. */
  readonly pointLevelAnywhere: Float64Array;
  readonly peaks: readonly SignificantPeak[];
  readonly noise: RedNoise;
  readonly draws: number;
  readonly seed: number;
}

/**
 * Levels of the transform's amplitude in red noise like the record's own.
 *
 * "Anywhere": amplitudes are measured in units of their median over surrogates at each period, which makes periods
 * comparable in red noise, and the greatest of a surrogate is what the record's has to exceed.
 *
 * @throws SignalError as `ntft` and `detrend`; the reason of the abort signal
 */
export function peakSignificance(series: Series, options: SignificanceOptions): Significance {
  const { draws = 200, seed = 1, level = 0.95, onProgress, signal, periods } = options;
  const trendless =
    options.detrend === undefined
      ? (each: Series) => each
      : (
          (solve) => (each: Series) =>
            solve(each).residual
        )(detrender(series, options.detrend));
  const residual = trendless(series);
  const noise = options.noise ?? surrogateNoise(residual);
  const own = ntft(residual, options);

  const means = periods.map(() => new Float64Array(draws));
  const points = periods.map(() => [] as number[]);
  const largest = periods.map(() => new Float64Array(draws));
  for (let draw = 0; draw < draws; draw++) {
    signal?.throwIfAborted();
    const surrogate = trendless(redNoise(series, noise, random(seed, draw)));
    const map = ntft(surrogate, options);
    periods.forEach((_, k) => {
      const sizes = amplitudes(map, k);
      (means[k] as Float64Array)[draw] = middleMean(sizes);
      (largest[k] as Float64Array)[draw] = sizes.reduce((most, x) => Math.max(most, x), 0);
      // Neighbours say the same: 64 of each surrogate are plenty.
      const stride = Math.ceil(sizes.length / 64);
      for (let n = 0; n < sizes.length; n += stride) points[k]?.push(sizes[n] as number);
    });
    onProgress?.(draw + 1, draws);
  }

  const amplitude = Float64Array.from(periods, (_, k) => middleMean(amplitudes(own, k)));
  const usual = means.map((values) => quantile(values, 0.5));
  const usualPoint = points.map((values) => quantile(values, 0.5));
  const greatest = (rows: readonly Float64Array[], units: readonly number[]) =>
    Float64Array.from({ length: draws }, (_, draw) =>
      rows.reduce((most, row, k) => Math.max(most, (row[draw] ?? 0) / (units[k] || 1)), 0),
    );
  const anywhere = greatest(means, usual);
  const pointAnywhere = greatest(largest, usualPoint);
  const peaks = peakPeriods(own).map((peak): SignificantPeak => {
    const k = nearest(periods, peak.period);
    return {
      ...peak,
      p: chance(means[k] ?? [], peak.amplitude),
      pAnywhere: chance(anywhere, peak.amplitude / (usual[k] || 1)),
    };
  });
  return {
    ...{ periods, amplitude, peaks, noise, draws, seed },
    level: Float64Array.from(means, (values) => quantile(values, level)),
    levelAnywhere: Float64Array.from(usual, (unit) => unit * quantile(anywhere, level)),
    pointLevel: Float64Array.from(points, (values) => quantile(values, level)),
    pointLevelAnywhere: Float64Array.from(
      usualPoint,
      (unit) => unit * quantile(pointAnywhere, level),
    ),
  };
}

function surrogateNoise(residual: Series): RedNoise {
  const span = spanOf(residual);
  const without = residual.timeUnit === "years" ? Math.min(10, span / 2) : span / 6;
  const noise = fitRedNoise(residual, { without });
  return { ...noise, phi: Math.min(0.999, noise.phi) };
}

function amplitudes({ series, re, im }: TimeFrequencyMap, row: number): Float64Array {
  const factor = series.im === undefined ? 2 : 1;
  return (re[row] ?? new Float64Array(0)).map(
    (x, n) => factor * Math.hypot(x, im[row]?.[n] ?? 0) || 0,
  );
}

function middleMean(sizes: Float64Array): number {
  const count = sizes.length;
  const middle = sizes.subarray(Math.floor(count / 4), Math.ceil((3 * count) / 4));
  return middle.reduce((sum, x) => sum + x, 0) / middle.length;
}

function nearest(periods: readonly number[], period: number): number {
  const far = (k: number) => Math.abs((periods[k] ?? Infinity) - period);
  return periods.reduce((best, _, k) => (far(k) < far(best) ? k : best), 0);
}
