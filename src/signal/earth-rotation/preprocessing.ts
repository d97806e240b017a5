/** @file From daily observations to the monthly residuals in which decade oscillations are looked for. */

import { SignalError } from "../../core/errors.ts";
import { type Detrended, type DetrendOptions, detrend } from "../detrend.ts";
import { mjdOfYears, type TimeRecord } from "../records/record.ts";
import { poleSamples, samplesFrom } from "../records/series-of.ts";
import { binnedMeans, type Samples } from "../resample.ts";
import { type Series, timeAt, withValues } from "../series.ts";
import { zonalTides } from "../tides.ts";
import { lengthOfDayExcitation, poleExcitation } from "./excitation.ts";

export interface PreprocessingOptions {
  /** Years from and until which days count. */
  readonly from?: number;
  readonly until?: number;
  /** Angular momenta to subtract (of atmosphere, ocean, land): months that they do not cover are left out. */
  readonly excitation?: readonly TimeRecord[];
  /** Days that a monthly mean must have; 25 when absent. */
  readonly minimumDays?: number;
  /** What is fitted and taken away; the usual terms when absent. */
  readonly trend?: DetrendOptions;
}

export interface LengthOfDayOptions extends PreprocessingOptions {
  /** Whether the zonal tides are taken away first: yes when absent, as C04 contains them. */
  readonly zonalTides?: boolean;
}

export interface Preprocessed extends Detrended {
  /** Monthly means before the trend was taken away. */
  readonly means: Series;
}

/** Polynomials of degree 6, annual and semiannual. */
export const LENGTH_OF_DAY_TREND: DetrendOptions = { legendre: 6, harmonics: [1, 0.5] };

/** Degree 6, the Chandler wobble, and annual and semiannual in both senses, all with wandering amplitudes. */
export const POLAR_MOTION_TREND: DetrendOptions = {
  legendre: 6,
  carriers: [
    { period: 433 / 365.25, knots: 5 },
    { period: 1, knots: 10 },
    { period: -1, knots: 10 },
    { period: 0.5, knots: 30 },
    { period: -0.5, knots: 30 },
  ],
  ridge: 1e-6,
};

/**
 * ΔLOD in ms by months: zonal tides away, means over twelfths of Julian years, angular momentum away, trend and
 * seasons away.
 *
 * @param record - with a column LOD
 * @throws DataError, SignalError as the steps
 */
export function lengthOfDay(record: TimeRecord, options: LengthOfDayOptions = {}): Preprocessed {
  const observed = chosen({ ...samplesFrom(record, "LOD"), name: "ΔLOD" }, options);
  const tides = zonalTides(observed.times.map(mjdOfYears));
  const days =
    options.zonalTides === false
      ? observed
      : { ...observed, re: observed.re.map((x, n) => x - (tides[n] ?? 0)) };
  const excited = (options.excitation ?? []).map((each) => lengthOfDayExcitation(each));
  return preprocessed(monthly(days, excited, options), options.trend ?? LENGTH_OF_DAY_TREND);
}

/**
 * Polar motion p = x − iy in mas by months: means, excitation away, trend, Chandler wobble and seasons away.
 * Excitation is subtracted from p itself, which is right for periods far above the 1.2 years of the wobble.
 *
 * @param record - with columns x and y
 * @throws DataError, SignalError as the steps
 */
export function polarMotion(record: TimeRecord, options: PreprocessingOptions = {}): Preprocessed {
  const days = chosen(poleSamples(record), options);
  const excited = (options.excitation ?? []).map((each) => poleExcitation(each));
  return preprocessed(monthly(days, excited, options), options.trend ?? POLAR_MOTION_TREND);
}

function preprocessed(means: Series, trend: DetrendOptions): Preprocessed {
  return { means, ...detrend(means, trend) };
}

export function chosen<S extends Samples>(
  samples: S,
  { from, until }: PreprocessingOptions,
): Samples {
  const kept = [...samples.times.keys()].filter((n) => {
    const time = samples.times[n] ?? 0;
    return time >= (from ?? Number.NEGATIVE_INFINITY) && time < (until ?? Number.POSITIVE_INFINITY);
  });
  const pick = (part: Float64Array): Float64Array => Float64Array.from(kept, (n) => part[n] ?? 0);
  const { name, unit, timeUnit, im } = samples;
  return {
    ...{ name, unit, timeUnit, times: pick(samples.times), re: pick(samples.re) },
    ...(im !== undefined && { im: pick(im) }),
  };
}

/** Twelfths of Julian years from 1962. */
const MONTHS = { origin: 1962, width: 1 / 12 } as const;

export function monthly(
  days: Samples,
  excited: readonly Samples[],
  { minimumDays = 25 }: PreprocessingOptions,
): Series {
  const means = binnedMeans(days, { ...MONTHS, minimum: minimumDays });
  return excited.reduce((left, one) => {
    const [first = 0, second = first] = one.times;
    // As many samples as lie in so many days.
    const perDay = 1 / Math.max(1e-9, (second - first) * 365.25);
    const theirs = binnedMeans(one, {
      ...MONTHS,
      minimum: Math.max(1, Math.floor(minimumDays * perDay)),
    });
    return difference(left, theirs);
  }, means);
}

/** The months that both have, first to last; gaps of either stay gaps. */
function difference(series: Series, other: Series): Series {
  const shift = Math.round((other.start - series.start) / series.step);
  const from = Math.max(0, shift);
  const to = Math.min(series.re.length, shift + other.re.length);
  if (to - from < 2)
    throw new SignalError(
      "SIGNAL-01",
      `${series.name}: no month in common with the ${other.name}.`,
      [["fix", "give an excitation of the same years"]],
    );
  const months = Array.from({ length: to - from }, (_, k) => from + k);
  const seen = Uint8Array.from(months, (n) =>
    series.observed?.[n] === 0 || other.observed?.[n - shift] === 0 ? 0 : 1,
  );
  const minus = (a: Float64Array, b: Float64Array | undefined): Float64Array =>
    Float64Array.from(months, (n, k) => (seen[k] === 0 ? 0 : (a[n] ?? 0) - (b?.[n - shift] ?? 0)));
  const { observed: _, ...facts } = series;
  return {
    ...withValues(
      { ...facts, start: timeAt(series, from) },
      minus(series.re, other.re),
      series.im === undefined ? undefined : minus(series.im, other.im),
    ),
    ...(seen.includes(0) && { observed: seen }),
  };
}
