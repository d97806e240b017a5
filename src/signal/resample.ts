/** @file From samples at any times to an even record: means over bins, and interpolation that leaves gaps open. */

import { SignalError } from "../core/errors.ts";
import { makeSeries, type Series } from "./series.ts";

/** Values at times in rising order. */
export interface Samples extends Pick<Series, "name" | "unit" | "timeUnit"> {
  readonly times: Float64Array;
  readonly re: Float64Array;
  readonly im?: Float64Array;
}

/** The observed samples of a series. */
export function samplesOf({ name, unit, timeUnit, start, step, ...series }: Series): Samples {
  const seen = [...series.re.keys()].filter((n) => series.observed?.[n] !== 0);
  const pick = (part: Float64Array): Float64Array => Float64Array.from(seen, (n) => part[n] ?? 0);
  return {
    ...{ name, unit, timeUnit },
    times: Float64Array.from(seen, (n) => start + n * step),
    re: pick(series.re),
    ...(series.im !== undefined && { im: pick(series.im) }),
  };
}

export interface BinOptions {
  /** Where one bin begins; the others follow in both directions. */
  readonly origin: number;
  /** Of each bin, in time units. */
  readonly width: number;
  /** Samples that a bin must have; with fewer it is a gap. 1 when absent. */
  readonly minimum?: number;
}

/**
 * Means over bins [origin + k·width, origin + (k + 1)·width), at their centres, from the first bin with enough
 * samples to the last. Monthly means of daily values: origin 1962, width 1/12, minimum 25.
 *
 * @throws SignalError when no bin has enough samples
 */
export function binnedMeans(samples: Samples, options: BinOptions): Series {
  const { origin, width, minimum = 1 } = options;
  if (!(width > 0))
    throw wrong(samples, `bins of ${width} ${samples.timeUnit}`, "give a width above 0");
  // Multiplied where 1/width is whole: 12 (t − 1962) has no error of its own, (t − 1962)/(1/12) has.
  const rate =
    Math.abs(1 / width - Math.round(1 / width)) < 1e-9 ? Math.round(1 / width) : 1 / width;
  const bins = samples.times.map((t) => Math.floor(rate * (t - origin)));
  const first = bins[0] ?? 0;
  const count = (bins.at(-1) ?? -1) - first + 1;
  const totals = {
    count: new Float64Array(Math.max(0, count)),
    re: new Float64Array(Math.max(0, count)),
    im: new Float64Array(Math.max(0, count)),
  };
  bins.forEach((bin, n) => {
    const at = bin - first;
    totals.count[at] = (totals.count[at] ?? 0) + 1;
    totals.re[at] = (totals.re[at] ?? 0) + (samples.re[n] ?? 0);
    totals.im[at] = (totals.im[at] ?? 0) + (samples.im?.[n] ?? 0);
  });
  const full = (have: number): boolean => have >= minimum;
  const [from, to] = [totals.count.findIndex(full), totals.count.findLastIndex(full)];
  if (from < 0)
    throw wrong(
      samples,
      `no bin of ${width} ${samples.timeUnit} has ${minimum} samples`,
      "give wider bins, or a lower minimum",
    );
  const counts = totals.count.subarray(from, to + 1);
  const mean = (sum: Float64Array): Float64Array =>
    Float64Array.from(counts, (have, k) => (full(have) ? (sum[from + k] ?? 0) / have : 0));
  return makeSeries({
    ...factsOf(samples),
    start: origin + (first + from + 0.5) / rate,
    step: 1 / rate,
    re: mean(totals.re),
    ...(samples.im !== undefined && { im: mean(totals.im) }),
    ...(!counts.every(full) && {
      observed: Uint8Array.from(counts, (have) => (full(have) ? 1 : 0)),
    }),
  });
}

export interface ResampleOptions {
  /** Of the new record, in time units. */
  readonly step: number;
  /** Of its first sample; that of the samples when absent. */
  readonly start?: number;
  /** Farthest that two neighbours may lie apart for values between them; farther is a gap. */
  readonly longestGap: number;
  /** Straight lines, or a cubic through two neighbours with slopes of three points each (when absent). */
  readonly method?: "linear" | "cubic";
}

/**
 * An even record through uneven samples. Nothing is told from one side of a gap to the other; no average is
 * taken, so a coarser step folds what is faster (use `binnedMeans`, or a low pass first).
 *
 * @throws SignalError for fewer than two samples, or times that do not rise
 */
export function resample(samples: Samples, options: ResampleOptions): Series {
  const { times } = samples;
  const { step, longestGap, method = "cubic" } = options;
  if (times.length < 2) throw wrong(samples, `${times.length} samples`, "give at least two");
  if (!(step > 0)) throw wrong(samples, `step ${step} ${samples.timeUnit}`, "give one above 0");
  const fall = times.findIndex((t, n) => n > 0 && !(t > (times[n - 1] ?? 0)));
  if (fall > 0)
    throw wrong(samples, `time ${times[fall]} follows ${times[fall - 1]}`, "sort the samples");
  const start = options.start ?? times[0] ?? 0;
  const end = times.at(-1) ?? 0;
  const count = Math.max(1, Math.floor((end - start) / step + 1e-9) + 1);
  const observed = new Uint8Array(count);
  const parts = [samples.re, ...(samples.im === undefined ? [] : [samples.im])];
  const out = parts.map(() => new Float64Array(count));
  const slopes = parts.map((part) => slopesOf(times, part, longestGap, method));
  let at = 0;
  for (let n = 0; n < count; n++) {
    const t = start + n * step;
    while (at + 2 < times.length && (times[at + 1] ?? 0) <= t) at++;
    const [left, right] = [times[at] ?? 0, times[at + 1] ?? 0];
    const near = nearest(t, left, right, step);
    if (near === undefined && (right - left > longestGap || t < left || t > right)) continue;
    observed[n] = 1;
    parts.forEach((part, k) => {
      const list = out[k];
      if (list === undefined) return;
      list[n] =
        near !== undefined
          ? (part[at + near] ?? 0)
          : hermite((t - left) / (right - left), right - left, part, slopes[k], at);
    });
  }
  return makeSeries({
    ...factsOf(samples),
    ...{ start, step, re: out[0] ?? new Float64Array(count) },
    ...(out[1] !== undefined && { im: out[1] }),
    ...(observed.includes(0) && { observed }),
  });
}

/** 0 or 1 when a time is that of the left or right neighbour, but for rounding. */
function nearest(t: number, left: number, right: number, step: number): 0 | 1 | undefined {
  if (Math.abs(t - left) < 1e-6 * step) return 0;
  return Math.abs(t - right) < 1e-6 * step ? 1 : undefined;
}

/** Slopes of parabolas through each sample and its neighbours, one-sided beside gaps; none for straight lines. */
function slopesOf(
  times: Float64Array,
  values: Float64Array,
  longestGap: number,
  method: "linear" | "cubic",
): Float64Array | undefined {
  if (method === "linear") return undefined;
  const rise = (n: number): number | undefined => {
    const width = (times[n + 1] ?? Number.NaN) - (times[n] ?? Number.NaN);
    return width <= longestGap ? ((values[n + 1] ?? 0) - (values[n] ?? 0)) / width : undefined;
  };
  return values.map((_, n) => {
    const [before, after] = [n > 0 ? rise(n - 1) : undefined, rise(n)];
    if (before === undefined || after === undefined) return before ?? after ?? 0;
    const [left, right] = [
      (times[n] ?? 0) - (times[n - 1] ?? 0),
      (times[n + 1] ?? 0) - (times[n] ?? 0),
    ];
    return (before * right + after * left) / (left + right);
  });
}

/** @param u - place between two samples, 0 to 1 @param width - between them */
function hermite(
  u: number,
  width: number,
  values: Float64Array,
  slopes: Float64Array | undefined,
  at: number,
): number {
  const [a, b] = [values[at] ?? 0, values[at + 1] ?? 0];
  if (slopes === undefined) return a + (b - a) * u;
  const [p, q] = [(slopes[at] ?? 0) * width, (slopes[at + 1] ?? 0) * width];
  const v = 1 - u;
  return a * v * v * (1 + 2 * u) + b * u * u * (3 - 2 * u) + p * u * v * v - q * u * u * v;
}

function factsOf({ name, unit, timeUnit }: Samples): Pick<Series, "name" | "unit" | "timeUnit"> {
  return { name, unit, timeUnit };
}

function wrong({ name }: Samples, what: string, fix: string): SignalError {
  return new SignalError("SIGNAL-01", `resample ${name}: ${what}.`, [["fix", fix]]);
}
