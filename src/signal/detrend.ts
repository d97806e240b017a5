/** @file Trend and seasons, fitted together by least squares and taken away. */

import { SignalError } from "../core/errors.ts";
import { type Carrier, trendTerms } from "./detrend-terms.ts";
import { leastSquares } from "./least-squares.ts";
import { type Series, withValues } from "./series.ts";

export interface DetrendOptions {
  /** Degree of the Legendre polynomials over the span of the record; none when absent. */
  readonly legendre?: number;
  /** Periods of sines of steady amplitude, in time units; a complex series has each in both senses. */
  readonly harmonics?: readonly number[];
  /** Lines whose amplitude and phase wander. */
  readonly carriers?: readonly Carrier[];
  /** Weight of every sample, above 0: 1/variance. All alike when absent. */
  readonly weights?: Float64Array;
  /** Added to the diagonal of the normal equations, so that terms that look alike stay small; 0 when absent. */
  readonly ridge?: number;
}

/** One fitted term: coefficient times its function, which is 1 at most. */
export interface TrendTerm {
  readonly kind: "legendre" | "harmonic" | "carrier";
  /** `legendre 3`, `cos 1`, `sin 1`, `e 433 × spline 2`: the numbers are degrees and periods. */
  readonly name: string;
  /** In the unit of the series. */
  readonly re: number;
  /** 0 for a real series. */
  readonly im: number;
}

export interface Detrended {
  /** The series without the trend; gaps as they were. */
  readonly residual: Series;
  /** All that was fitted, also inside gaps. */
  readonly trend: Series;
  readonly coefficients: readonly TrendTerm[];
}

/**
 * Removes polynomials, seasons and wandering lines. The terms are those of the calendar: cos 2πt/P with the
 * series's own time t.
 *
 * @throws SignalError for more terms than observed samples, or terms that cannot be told apart
 */
export function detrend(series: Series, options: DetrendOptions): Detrended {
  return detrender(series, options)(series);
}

/** `detrend` for many series on the times and gaps of one: the terms are laid out and factored once. */
export function detrender(like: Series, options: DetrendOptions): (series: Series) => Detrended {
  const terms = trendTerms(like, options);
  const seen = Float64Array.from(like.re, (_, n) =>
    like.observed?.[n] === 0 ? 0 : (options.weights?.[n] ?? 1),
  );
  const observed = seen.reduce((count, weight) => count + (weight > 0 ? 1 : 0), 0);
  checkWeights(like, options.weights);
  if (terms.length > observed)
    throw wrong(like, `${terms.length} terms for ${observed} samples`, "ask for fewer terms");
  const solve = leastSquares(terms, seen, options.ridge ?? 0, (term) =>
    wrong(
      like,
      `the term "${term.name}" cannot be told from the others`,
      "leave it out, or give a ridge such as 1e-6",
    ),
  );
  return (series) => {
    const { re, im } = solve(series);
    const coefficients = terms.map(
      ({ kind, name }, k): TrendTerm => ({ kind, name, re: re[k] ?? 0, im: im[k] ?? 0 }),
    );
    const count = series.re.length;
    const trend = { re: new Float64Array(count), im: new Float64Array(count) };
    terms.forEach((term, k) => {
      const [a, b] = [re[k] ?? 0, im[k] ?? 0];
      for (let n = 0; n < count; n++) {
        const [x, y] = [term.re[n] ?? 0, term.im?.[n] ?? 0];
        trend.re[n] = (trend.re[n] ?? 0) + a * x - b * y;
        trend.im[n] = (trend.im[n] ?? 0) + a * y + b * x;
      }
    });
    const without = (part: Float64Array, fitted: Float64Array): Float64Array =>
      part.map((x, n) => (series.observed?.[n] === 0 ? 0 : x - (fitted[n] ?? 0)));
    const complex = series.im !== undefined;
    const { observed: _, ...whole } = series;
    return {
      residual: withValues(
        series,
        without(series.re, trend.re),
        series.im === undefined ? undefined : without(series.im, trend.im),
      ),
      trend: withValues(whole, trend.re, complex ? trend.im : undefined),
      coefficients,
    };
  };
}

/** The sum of some of the fitted terms: the seasons alone, for example. */
export function partOfTrend(
  series: Series,
  options: DetrendOptions,
  { coefficients }: Detrended,
  kinds: readonly TrendTerm["kind"][],
): Series {
  const [re, im] = [new Float64Array(series.re.length), new Float64Array(series.re.length)];
  trendTerms(series, options).forEach((term, k) => {
    if (!kinds.includes(term.kind)) return;
    const { re: a = 0, im: b = 0 } = coefficients[k] ?? {};
    for (let n = 0; n < re.length; n++) {
      const [x, y] = [term.re[n] ?? 0, term.im?.[n] ?? 0];
      re[n] = (re[n] ?? 0) + a * x - b * y;
      im[n] = (im[n] ?? 0) + a * y + b * x;
    }
  });
  const { observed: _, ...whole } = series;
  return withValues(whole, re, series.im === undefined ? undefined : im);
}

function checkWeights(series: Series, weights: Float64Array | undefined): void {
  if (weights === undefined) return;
  if (weights.length !== series.re.length)
    throw wrong(
      series,
      `${weights.length} weights for ${series.re.length} samples`,
      "give one for each",
    );
  const bad = weights.findIndex((weight) => !(weight > 0 && Number.isFinite(weight)));
  if (bad >= 0) throw wrong(series, `weight ${bad} is ${weights[bad]}`, "give weights above 0");
}

function wrong({ name }: Series, what: string, fix: string): SignalError {
  return new SignalError("SIGNAL-01", `detrend ${name}: ${what}.`, [["fix", fix]]);
}
