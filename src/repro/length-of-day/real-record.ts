/**
 * @file The two oscillations in the observed record: six years (SYO) and eight and a half years (EYO) in the length
 * of day and in polar motion, with errors, significance, and how the two keep step.
 */

import { type Coherence, coherence, gamma } from "../../signal/coherence.ts";
import {
  LENGTH_OF_DAY_TREND,
  lengthOfDay,
  type Preprocessed,
  polarMotion,
} from "../../signal/earth-rotation/preprocessing.ts";
import type { Estimate } from "../../signal/fit/damped-lines.ts";
import { type UncertainRestoration, uncertainty } from "../../signal/monte-carlo.ts";
import type { RedNoise } from "../../signal/noise.ts";
import { ntft, ntftLine, renormalised, type TimeFrequencyMap } from "../../signal/ntft.ts";
import type { OscillatorModel } from "../../signal/oscillators.ts";
import type { TimeRecord } from "../../signal/records/record.ts";
import { type Restoration, restore } from "../../signal/restore.ts";
import { type Peak, peakPeriods } from "../../signal/ridges.ts";
import { type Series, timeAt, withValues } from "../../signal/series.ts";
import { peakSignificance, type Significance } from "../../signal/significance.ts";
import { LINES, type Line, PERIODS } from "./simulated.ts";

/** 3 to 13 years, which the record can show, a twentieth of the window's width apart. */
export const MAP_PERIODS: readonly number[] = Array.from(
  { length: 121 },
  (_, k) => 3 * (13 / 3) ** (k / 120),
);

/** Years in which ridge amplitudes are told. */
const YEARS = [1965, 1977, 1989, 2001, 2013, 2025] as const;

export interface RealRecordOptions {
  /** Of the Monte Carlos: lines and levels; coherences take five for two. Default 200. */
  readonly draws?: number;
  readonly seed?: number;
  /** Radians. Default 10. */
  readonly sigma?: number;
  /** Days from this year on do not count. */
  readonly until?: number;
  /** Angular momenta of atmosphere, ocean, land, taken off both records. */
  readonly excitation?: readonly TimeRecord[];
  readonly onProgress?: (what: string, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** One oscillation in the length of day. Errors are 95 % intervals of the whole chain. */
export interface LineFinding {
  readonly name: Line;
  readonly periodYears: Estimate;
  readonly amplitudeMs: Estimate;
  /** Above 0: it decays. */
  readonly dampingPerYear: Estimate;
  /** Which decay or growth would have been seen in four of five records like this one, per year. */
  readonly detectableDampingPerYear: number;
  /** π/(αT) of that. */
  readonly detectableQuality: number;
  /** Chance of such a peak in red noise: at its period, and at any of the map. */
  readonly p: number;
  readonly pAnywhere: number;
  /** |Ψ|/F doubled, ms, by year; NaN where the ends leave less than half. */
  readonly ridgeMs: Readonly<Record<string, number>>;
  /** Mean amplitude of the oscillator model's posterior, and its mean sd, ms. */
  readonly oscillatorMs: { readonly value: number; readonly sd: number };
  /** Correlation of the combined scheme's curve with those of other methods. */
  readonly agreement: Readonly<Record<"ssa" | "bepme" | "oscillators", number>>;
  /** The mean amplitude of polar motion at the ridge, mas: prograde, retrograde, x, y. */
  readonly polarMotionMas: Readonly<Record<"prograde" | "retrograde" | "x" | "y", number>>;
  /** With the coordinates of the pole; the length of day's phase is ahead where above 0. */
  readonly lodPolarMotionCorrelation: Readonly<Record<"x" | "y", Coherence>>;
}

export interface RealRecord {
  readonly years: readonly [first: number, last: number];
  readonly months: number;
  readonly excitationRemoved: boolean;
  /** Left over in the length of day, ms. */
  readonly noise: RedNoise;
  readonly peaks: readonly Peak[];
  readonly polarPeaks: Readonly<Record<"prograde" | "retrograde", readonly Peak[]>>;
  readonly lines: readonly LineFinding[];
  /** For plots. */
  readonly drawn: {
    readonly lod: Preprocessed;
    readonly pole: Preprocessed;
    readonly map: TimeFrequencyMap;
    readonly poleMap: TimeFrequencyMap;
    readonly significance: Significance;
    readonly restorations: readonly UncertainRestoration[];
    readonly others: Readonly<Record<"ssa" | "bepme" | "oscillators", readonly Restoration[]>>;
  };
}

/** Lines that the record is known to hold, a trend of decades, seasons, the noise that was left over. */
function oscillatorsOf(noise: RedNoise): OscillatorModel {
  const line = (period: number) => ({ period, amplitude: 0.1, memory: 120 });
  return {
    lines: [5.9, 8.5, 7.3, 4.9].map(line),
    trend: { sd: 0.6, scale: 9 },
    polynomial: { degree: 2, sd: 3 },
    harmonics: { periods: [1, 0.5], sd: 1 },
    red: noise,
    white: 0.03,
  };
}

/**
 * All findings on one span of a record with the columns LOD, x and y.
 *
 * @throws DataError, SignalError as the steps; the reason of the abort signal
 */
export function realRecord(record: TimeRecord, options: RealRecordOptions = {}): RealRecord {
  const { draws = 200, seed = 1, sigma = 10, until, excitation = [], signal } = options;
  const span = { ...(until !== undefined && { until }), excitation };
  const [lod, pole] = [lengthOfDay(record, span), polarMotion(record, span)];
  const told = (what: string) => ({
    onProgress: (done: number, total: number) => options.onProgress?.(what, done, total),
    ...(signal !== undefined && { signal }),
  });
  const chain = {
    periods: LINES.map((line) => PERIODS[line]),
    sigma,
    detrend: LENGTH_OF_DAY_TREND,
    // Read at one period in every span, so that spans can be compared.
    exactly: true,
  };
  const { restorations, noise } = uncertainty(lod.means, {
    ...{ ...chain, draws, seed, ...told("errors of the lines") },
  });
  const significance = peakSignificance(lod.means, {
    ...{ periods: MAP_PERIODS, sigma, detrend: LENGTH_OF_DAY_TREND, every: 6 },
    ...{ noise, draws, seed, ...told("levels of noise") },
  });
  const others = {
    ssa: restore(lod.means, { ...chain, method: "ssa" }),
    bepme: restore(lod.means, { ...chain, method: "bepme" }),
    oscillators: restore(lod.means, {
      ...{ ...chain, method: "oscillators", oscillators: oscillatorsOf(noise) },
    }),
  } as const;
  const map = ntft(lod.residual, { periods: MAP_PERIODS, sigma });
  const poleMap = ntft(pole.residual, { periods: MAP_PERIODS, sigma });
  const retrograde = ntft(pole.residual, { periods: MAP_PERIODS.map((p) => -p), sigma });
  const finding = (each: UncertainRestoration, at: number): LineFinding => ({
    ...lineFinding(LINES[at] ?? "SYO", each, { lod, significance, sigma }),
    oscillatorMs: ofOscillators(others.oscillators[at]),
    agreement: agreementOf(each.restored, others, at),
    polarMotionMas: polarAmplitudes(pole.residual, each.period, sigma),
    lodPolarMotionCorrelation: stepsWith(lod.residual, pole.residual, each.period, {
      ...{ sigma, draws: Math.ceil(2.5 * draws), seed, ...told("coherence with the pole") },
    }),
  });
  return {
    years: [lod.means.start, timeAt(lod.means, lod.means.re.length - 1)],
    months: lod.means.re.length,
    excitationRemoved: excitation.length > 0,
    noise,
    peaks: peakPeriods(map),
    polarPeaks: { prograde: peakPeriods(poleMap), retrograde: peakPeriods(retrograde) },
    lines: restorations.map(finding),
    drawn: { lod, pole, map, poleMap, significance, restorations, others },
  };
}

type Known =
  | "name"
  | "periodYears"
  | "amplitudeMs"
  | "dampingPerYear"
  | "detectableDampingPerYear"
  | "detectableQuality"
  | "p"
  | "pAnywhere"
  | "ridgeMs";

/** Two-sided 5 % and a power of four in five: 1.96 + 0.84 standard deviations. */
const DETECTABLE = 2.8;

function lineFinding(
  name: Line,
  { known, period }: UncertainRestoration,
  given: { lod: Preprocessed; significance: Significance; sigma: number },
): Pick<LineFinding, Known> {
  const { lod, significance, sigma } = given;
  const detectable = DETECTABLE * known.damping.sd;
  const near = significance.peaks.reduce(
    (best, peak) =>
      Math.abs(Math.log(peak.period / period)) < Math.abs(Math.log(best.period / period))
        ? peak
        : best,
    { period: Infinity, p: 1, pAnywhere: 1 },
  );
  // A peak that stands elsewhere is none of this line.
  const found = Math.abs(near.period / period - 1) < 0.08;
  return {
    name,
    periodYears: known.period,
    amplitudeMs: known.amplitude,
    dampingPerYear: known.damping,
    detectableDampingPerYear: detectable,
    detectableQuality: Math.PI / (detectable * period),
    p: found ? near.p : 1,
    pAnywhere: found ? near.pAnywhere : 1,
    ridgeMs: ridgeAmplitudes(lod.residual, period, sigma),
  };
}

function ridgeAmplitudes(
  series: Series,
  period: number,
  sigma: number,
): Readonly<Record<string, number>> {
  const { re, im } = renormalised(ntft(series, { periods: [period], sigma }));
  const [a = new Float64Array(0), b = a] = [re[0], im[0]];
  return Object.fromEntries(
    YEARS.flatMap((year) => {
      const at = Math.round((year - series.start) / series.step);
      const there = at >= 0 && at < a.length;
      return there ? [[String(year), 2 * Math.hypot(a[at] ?? 0, b[at] ?? 0)]] : [];
    }),
  );
}

function ofOscillators(each: Restoration | undefined): { value: number; sd: number } {
  const rms = (values: ArrayLike<number>): number =>
    Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0) / values.length);
  const { restored, band } = each ?? {};
  const mean = Array.from(band?.sd ?? []).reduce((sum, x) => sum + x, 0);
  // Of a steady oscillation the amplitude is √2 times the rms.
  return {
    value: Math.SQRT2 * rms(restored?.re ?? [0]),
    sd: mean / Math.max(1, band?.sd.length ?? 0),
  };
}

function agreementOf(
  own: Series,
  others: RealRecord["drawn"]["others"],
  at: number,
): LineFinding["agreement"] {
  const of = (method: keyof typeof others) => correlation(own.re, others[method][at]?.restored.re);
  return { ssa: of("ssa"), bepme: of("bepme"), oscillators: of("oscillators") };
}

function correlation(a: Float64Array, b: Float64Array = new Float64Array(a.length)): number {
  const zeros = new Float64Array(a.length);
  return gamma({ re: a, im: zeros }, { re: b, im: zeros }, 1).re;
}

/** Means of |Ψ| over the middle half (twice that of the real x and y), mas. */
function polarAmplitudes(
  pole: Series,
  period: number,
  sigma: number,
): LineFinding["polarMotionMas"] {
  const mean = (series: Series, signed: number) => {
    const { re, im } = ntftLine(series, signed, { sigma });
    const [first, last] = [Math.floor(re.length / 4), Math.ceil((3 * re.length) / 4)];
    let sum = 0;
    for (let n = first; n < last; n++) sum += Math.hypot(re[n] ?? 0, im[n] ?? 0);
    return ((series.im === undefined ? 2 : 1) * sum) / (last - first);
  };
  const { x, y } = coordinates(pole);
  return {
    prograde: mean(pole, period),
    retrograde: mean(pole, -period),
    x: mean(x, period),
    y: mean(y, period),
  };
}

/** p = x − iy apart. */
export function coordinates(pole: Series): Readonly<Record<"x" | "y", Series>> {
  const im = pole.im ?? new Float64Array(pole.re.length);
  return {
    x: { ...withValues(pole, pole.re), name: "x" },
    y: {
      ...withValues(
        pole,
        im.map((value) => -value),
      ),
      name: "y",
    },
  };
}

function stepsWith(
  lod: Series,
  pole: Series,
  period: number,
  options: Omit<Parameters<typeof coherence>[2], "period">,
): LineFinding["lodPolarMotionCorrelation"] {
  const { x, y } = coordinates(pole);
  return {
    x: coherence(lod, x, { ...options, period }),
    y: coherence(lod, y, { ...options, period }),
  };
}
