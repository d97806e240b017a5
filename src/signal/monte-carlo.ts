/**
 * @file Uncertainty of restored oscillations by Monte Carlo through the whole chain.
 *
 * A transform is a smoothed series, its samples are not independent, so the covariance of a fit to it is far too
 * small. Instead lines like those found, in noise like that left over, go through detrending, transform and fit
 * again and again, and what comes out is compared with what went in.
 */

import { detrend } from "./detrend.ts";
import { normalQuantile } from "./fit/confidence.ts";
import { type Estimate, qualityOf } from "./fit/damped-lines.ts";
import { fitRedNoise, type RedNoise, redNoise } from "./noise.ts";
import { intervalOf, robustSd, spreadAbout } from "./quantiles.ts";
import { random } from "./random.ts";
import { type Restoration, type RestoreOptions, restore, restorer } from "./restore.ts";
import { type Series, spanOf, withValues } from "./series.ts";

/** What all Monte Carlos here are asked. */
export interface DrawOptions {
  /** Default 200. */
  readonly draws?: number;
  /** Default 1; the same seed gives the same numbers on every machine. */
  readonly seed?: number;
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops between two draws. */
  readonly signal?: AbortSignal;
}

export interface UncertaintyOptions extends RestoreOptions, DrawOptions {
  /** Default: `residualNoise` of the record. */
  readonly noise?: RedNoise;
  /** Length of the running mean that is taken off before the noise is told, in time units. Default 10 years, or 1.2 of the longest period. */
  readonly without?: number;
}

/** A restoration with what is known of it. Intervals and bands are of `confidence`, 95 % by default. */
export interface UncertainRestoration extends Restoration {
  readonly known: {
    readonly period: Estimate;
    /** Cycles per time unit. */
    readonly frequency: Estimate;
    /** Per time unit. */
    readonly damping: Estimate;
    readonly quality: Estimate;
    /** At the centre, in the unit of the series. */
    readonly amplitude: Estimate;
    /** At the centre, radians. */
    readonly phase: Estimate;
  };
  /** `sd` in the unit of the series at every sample, offsets included; of the real part for a complex series. */
  readonly band: { readonly low: Series; readonly high: Series; readonly sd: Float64Array };
}

export interface Uncertainty {
  readonly restorations: readonly UncertainRestoration[];
  readonly noise: RedNoise;
  readonly draws: number;
  readonly seed: number;
}

/**
 * Restores, then tells how far off that may be.
 *
 * Each draw is the trend, the fitted lines and AR(1) noise; restored by the same options; sd = 1.4826 · median
 * deviation, of parameters about their median, of the restored series about the line that was put in. Intervals of
 * parameters are quantiles of how far the draws landed from it: amplitudes have tails that a normal law has not.
 *
 * @throws SignalError as `restore`; the reason of the abort signal
 */
export function uncertainty(series: Series, options: UncertaintyOptions): Uncertainty {
  const { draws = 200, seed = 1, onProgress, signal, confidence = 0.95 } = options;
  const found = restore(series, options);
  const noise = options.noise ?? residualNoise(series, found, options);
  const truths = found.map((each) => lineSeries(series, each));
  const base = sum(series, [trendOf(series, options), ...truths]);
  const again = restorer(series, options);

  const lines = found.map(() => ({
    ...{ frequency: [] as number[], damping: [] as number[] },
    ...{ amplitude: [] as number[], phase: [] as number[] },
  }));
  const deviations = found.map(() => Array.from(series.re, () => [] as number[]));
  for (let draw = 0; draw < draws; draw++) {
    signal?.throwIfAborted();
    const drawn = sum(series, [base, redNoise(series, noise, random(seed, draw))]);
    again(masked(drawn)).forEach(({ line, restored }, i) => {
      const truth = truths[i];
      deviations[i]?.forEach((list, n) => {
        list.push((restored.re[n] ?? 0) - (truth?.re[n] ?? 0));
      });
      if (line === undefined) return;
      lines[i]?.frequency.push(line.frequency.value);
      lines[i]?.damping.push(line.damping.value);
      lines[i]?.amplitude.push(line.amplitude.value);
      lines[i]?.phase.push(turnFrom(found[i]?.line?.phase.value ?? 0, line.phase.value));
    });
    onProgress?.(draw + 1, draws);
  }

  const wide = normalQuantile((1 + confidence) / 2);
  const restorations = found.map((each, i): UncertainRestoration => {
    const drawn = lines[i] ?? { frequency: [], damping: [], amplitude: [], phase: [] };
    const estimate = (value: number | undefined, values: readonly number[]): Estimate => {
      const found = value ?? Number.NaN;
      const deviations = values.map((drawn) => drawn - found);
      const interval = intervalOf(found, deviations, { confidence, wide });
      return { value: found, sd: robustSd(values), interval };
    };
    const { line } = each;
    const frequency = estimate(line?.frequency.value, drawn.frequency);
    const damping = estimate(line?.damping.value, drawn.damping);
    const sd = Float64Array.from(deviations[i] ?? [], (list) => spreadAbout(list, 0));
    const edge = (side: number) =>
      withValues(
        each.restored,
        each.restored.re.map((x, n) => x + side * wide * (sd[n] ?? 0)),
      );
    return {
      ...each,
      known: {
        period: estimate(
          line?.period.value,
          drawn.frequency.map((f) => 1 / f),
        ),
        ...{ frequency, damping, quality: qualityOf(frequency.value, damping) },
        amplitude: estimate(line?.amplitude.value, drawn.amplitude),
        phase: estimate(line?.phase.value, drawn.phase),
      },
      band: { low: edge(-1), high: edge(1), sd },
    };
  });
  return { restorations, noise, draws, seed };
}

/** AR(1) noise of what is left without trend, restored lines and a running mean. */
export function residualNoise(
  series: Series,
  found: readonly Restoration[],
  options: Pick<UncertaintyOptions, "detrend" | "periods" | "without">,
): RedNoise {
  const { detrend: trend, periods } = options;
  const residual = trend === undefined ? series : detrend(series, trend).residual;
  const less = (all: Float64Array, part: (each: Series) => Float64Array | undefined) =>
    all.map((x, n) =>
      series.observed?.[n] === 0
        ? 0
        : found.reduce((left, { restored }) => left - (part(restored)?.[n] ?? 0), x),
    );
  const left = withValues(
    residual,
    less(residual.re, ({ re }) => re),
    residual.im === undefined ? undefined : less(residual.im, ({ im }) => im),
  );
  const usual = series.timeUnit === "years" ? 10 : 1.2 * Math.max(...periods.map(Math.abs));
  const noise = fitRedNoise(left, {
    without: Math.min(options.without ?? usual, spanOf(series) / 2),
  });
  // Noise told to alternate, by chance, would still be white to a line of many samples.
  return { ...noise, phi: Math.max(0, Math.min(0.999, noise.phi)) };
}

/** The fitted line on the whole record, or what was restored where no line was fitted. */
function lineSeries(series: Series, { line, restored, centre }: Restoration): Series {
  if (line === undefined) return restored;
  const [re, im] = [new Float64Array(series.re.length), new Float64Array(series.re.length)];
  for (let n = 0; n < re.length; n++) {
    const u = series.start + n * series.step - centre;
    const size = Math.exp(-line.damping.value * u);
    const angle = 2 * Math.PI * line.frequency.value * u;
    const [a, b] = line.coefficients.reduce(
      ([x, y], c, k) => [x + c.re * u ** k, y + c.im * u ** k] as const,
      [0, 0] as readonly [number, number],
    );
    re[n] = size * (a * Math.cos(angle) - b * Math.sin(angle));
    im[n] = size * (a * Math.sin(angle) + b * Math.cos(angle));
  }
  return withValues(series, re, series.im === undefined ? undefined : im);
}

function trendOf(series: Series, { detrend: trend }: RestoreOptions): Series {
  if (trend !== undefined) return detrend(series, trend).trend;
  const zeros = new Float64Array(series.re.length);
  return withValues(series, zeros, series.im === undefined ? undefined : zeros);
}

function sum(series: Series, all: readonly Series[]): Series {
  const add = (part: (each: Series) => Float64Array | undefined) =>
    Float64Array.from(series.re, (_, n) =>
      all.reduce((total, each) => total + (part(each)?.[n] ?? 0), 0),
    );
  return withValues(
    series,
    add(({ re }) => re),
    series.im === undefined ? undefined : add(({ im }) => im),
  );
}

/** 0 where nothing is observed, as series have it. */
function masked(series: Series): Series {
  const { observed, re, im } = series;
  if (observed === undefined) return series;
  const zeroed = (part: Float64Array) => part.map((x, n) => (observed[n] === 0 ? 0 : x));
  return withValues(series, zeroed(re), im === undefined ? undefined : zeroed(im));
}

/** The angle within half a turn of another. */
function turnFrom(origin: number, angle: number): number {
  return angle - 2 * Math.PI * Math.round((angle - origin) / (2 * Math.PI));
}
