/** @file The functions of time that a trend is made of. */

import { SignalError } from "../core/errors.ts";
import type { DetrendOptions, TrendTerm } from "./detrend.ts";
import { type Series, spanOf, timesOf } from "./series.ts";

/** A line e^{2πit/P} whose complex amplitude is a cubic spline. */
export interface Carrier {
  /** In time units; of a complex series signed (above 0: prograde), and only this sense is fitted. */
  readonly period: number;
  /** Farthest between knots of the spline, in time units; the record holds a whole number of equal stretches. */
  readonly knots: number;
}

/** A function of time, sampled; real when `im` is absent. */
export interface TermValues extends Pick<TrendTerm, "kind" | "name"> {
  readonly re: Float64Array;
  readonly im?: Float64Array;
}

/** All terms in their order: polynomials, harmonics, carriers. @throws SignalError for values out of range */
export function trendTerms(series: Series, options: DetrendOptions): TermValues[] {
  const times = timesOf(series);
  const waves = (period: number): Omit<TermValues, "kind">[] => {
    checkPeriod(series, period);
    return series.im === undefined ? realWaves(times, period) : [turning(times, period)];
  };
  const harmonics = (options.harmonics ?? []).flatMap((period) =>
    series.im === undefined ? waves(period) : [...waves(period), ...waves(-period)],
  );
  const carriers = (options.carriers ?? []).flatMap(({ period, knots }) => {
    const splines = cubicSplines(series, knots);
    return waves(period).flatMap((wave) => splines.map((spline, k) => modulated(wave, spline, k)));
  });
  return [
    ...legendre(series, options.legendre),
    ...harmonics.map((term) => ({ kind: "harmonic" as const, ...term })),
    ...carriers.map((term) => ({ kind: "carrier" as const, ...term })),
  ];
}

function checkPeriod(series: Series, period: number): void {
  if (Math.abs(period) >= 2 * series.step) return;
  throw wrong(
    series,
    `period ${period} ${series.timeUnit} is below two samples`,
    `give at least ${2 * series.step} ${series.timeUnit}`,
  );
}

/** P_0 … P_degree over the record: −1 at its first sample, 1 at its last. */
function legendre(series: Series, degree: number | undefined): TermValues[] {
  if (degree === undefined) return [];
  if (!(Number.isInteger(degree) && degree >= 0))
    throw wrong(series, `degree ${degree}`, "give a whole number from 0 on");
  const count = series.re.length;
  const u = Float64Array.from({ length: count }, (_, n) => (2 * n) / Math.max(1, count - 1) - 1);
  let [before, now] = [new Float64Array(count), new Float64Array(count).fill(1)];
  return Array.from({ length: degree + 1 }, (_, k): TermValues => {
    const term: TermValues = { kind: "legendre", name: `legendre ${k}`, re: now };
    // Bonnet: (k + 1) P_{k+1} = (2k + 1) u P_k − k P_{k−1}.
    const next = now.map(
      (p, n) => ((2 * k + 1) * (u[n] ?? 0) * p - k * (before[n] ?? 0)) / (k + 1),
    );
    [before, now] = [now, next];
    return term;
  });
}

function realWaves(times: Float64Array, period: number): Omit<TermValues, "kind">[] {
  return [
    { name: `cos ${period}`, re: times.map((t) => Math.cos((2 * Math.PI * t) / period)) },
    { name: `sin ${period}`, re: times.map((t) => Math.sin((2 * Math.PI * t) / period)) },
  ];
}

function turning(times: Float64Array, period: number): Omit<TermValues, "kind"> {
  return {
    name: `e ${period}`,
    re: times.map((t) => Math.cos((2 * Math.PI * t) / period)),
    im: times.map((t) => Math.sin((2 * Math.PI * t) / period)),
  };
}

/** Cubic B-splines over the record: one more than intervals to each side of the middle ones. */
function cubicSplines(series: Series, knots: number): Float64Array[] {
  if (!(knots > 0)) throw wrong(series, `knots ${knots} ${series.timeUnit} apart`, "above 0");
  const pieces = Math.max(1, Math.ceil(spanOf(series) / knots - 1e-9));
  const last = Math.max(1, series.re.length - 1);
  return Array.from({ length: pieces + 3 }, (_, k) =>
    Float64Array.from(series.re, (_, n) => bump((n / last) * pieces - (k - 1))),
  );
}

/** The cubic B-spline of knots −2, −1, 0, 1, 2. */
function bump(x: number): number {
  const distance = Math.abs(x);
  if (distance >= 2) return 0;
  if (distance >= 1) return (2 - distance) ** 3 / 6;
  return (4 - 6 * distance ** 2 + 3 * distance ** 3) / 6;
}

function modulated(
  { name, re, im }: Omit<TermValues, "kind">,
  spline: Float64Array,
  index: number,
): Omit<TermValues, "kind"> {
  const times = (part: Float64Array): Float64Array => part.map((x, n) => x * (spline[n] ?? 0));
  return {
    name: `${name} × spline ${index}`,
    re: times(re),
    ...(im !== undefined && { im: times(im) }),
  };
}

function wrong({ name }: Series, what: string, fix: string): SignalError {
  return new SignalError("SIGNAL-01", `detrend ${name}: ${what}.`, [["fix", fix]]);
}
