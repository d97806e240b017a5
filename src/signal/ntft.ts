/**
 * @file The normal time-frequency transform (Liu, Hsu and Grafarend 2007; Liu and Hsu 2012): amplitudes and
 * phases of a record by time and period, in the unit of the record.
 *
 * Ψ(τ, ω) = ∫ f(t) conj ψ(t − τ, ω) dt with a kernel whose spectrum is 1 at ω and below 1 elsewhere. Of
 * f = A e^{iωt}, Ψ(τ, ω) = f(τ). A real f has the amplitude 2|Ψ| and the signal 2 Re Ψ.
 */

import { SignalError } from "../core/errors.ts";
import { PaddedSpectra } from "./convolution.ts";
import {
  edgeLaw,
  emptyRow,
  type KernelOptions,
  kernelAt,
  LEAST_CONE,
  LEAST_EDGE,
  requirePeriod,
  SIGMA,
} from "./edge.ts";
import type { Complex } from "./fourier.ts";
import { convolve, type Kernel } from "./kernel.ts";
import { makeSeries, type Series, timeAt } from "./series.ts";
import type { WindowName } from "./windows.ts";

/** What both the map and the single line can be asked for. */
export interface LineOptions extends KernelOptions {
  /** Output of each `every`-th sample; default 1. */
  readonly every?: number;
  /**
   * Missing samples: `refuse` (default), or `normalise`, which divides by the share F of the window that was
   * observed. Its values are NaN where F is below a half; nothing is filled in.
   */
  readonly gaps?: "refuse" | "normalise";
  /**
   * Least distance of one and a half periods from the ends, in standard deviations of the window; default 0.5.
   * A period for which the record is shorter is refused.
   */
  readonly c?: number;
}

export interface NtftOptions extends LineOptions {
  /** In the time unit of the series; below 0 retrograde, for complex series. */
  readonly periods: readonly number[];
}

/** Ψ at one period. */
export interface TransformLine extends Complex {
  readonly period: number;
  /** F: see `edgeLaw`. */
  readonly edge: Float64Array;
  /** Whether the values are divided by F already. */
  readonly normalised: boolean;
}

/** Ψ at many periods; a row of `re`, `im` and `edge` for each. */
export interface TimeFrequencyMap {
  readonly series: Series;
  readonly periods: readonly number[];
  readonly sigma: number;
  readonly kernel: Kernel;
  readonly window: WindowName;
  /** Samples of the series from one time to the next. */
  readonly every: number;
  /** In the time unit of the series. */
  readonly times: Float64Array;
  readonly re: readonly Float64Array[];
  readonly im: readonly Float64Array[];
  /** F: see `edgeLaw`; computed when it is first read. */
  readonly edge: readonly Float64Array[];
  /** Whether the values are divided by F already. */
  readonly normalised: boolean;
}

/**
 * The transform at all periods.
 *
 * @throws SignalError SIGNAL-01 for settings that are none and for gaps, SIGNAL-02 for a period that the record cannot show
 */
export function ntft(series: Series, options: NtftOptions): TimeFrequencyMap;
/** Of each series of a batch. */
export function ntft(series: readonly Series[], options: NtftOptions): TimeFrequencyMap[];
export function ntft(
  series: Series | readonly Series[],
  options: NtftOptions,
): TimeFrequencyMap | TimeFrequencyMap[] {
  if (!("re" in series)) return series.map((one) => ntft(one, options));
  const rows = options.periods.map(() => emptyRow(outputs(series, options)));
  transformInto(series, options, rows);
  return mapOf(series, options, rows);
}

/**
 * The transform at one period, at each sample.
 *
 * @throws SignalError as `ntft` does
 */
export function ntftLine(series: Series, period: number, options: LineOptions = {}): TransformLine {
  const row = emptyRow(outputs(series, options));
  transformInto(series, { ...options, periods: [period] }, [row]);
  const edge = edgeLaw(series, period, options, options.every);
  return { period, ...row, edge, normalised: hasGaps(series) };
}

/** Times of the output: one for each `every` samples. @throws SignalError for an `every` that is no count */
export function outputs({ re, name }: Series, { every = 1 }: LineOptions): number {
  if (Number.isSafeInteger(every) && every >= 1) return Math.ceil(re.length / every);
  throw new SignalError("SIGNAL-01", `ntft of ${name}: every ${every} is no number of samples.`, [
    ["fix", "give a whole number, 1 at least"],
  ]);
}

/**
 * Fills one row for each period.
 *
 * @param slope whether to fill in ∂Ψ/∂t, per time unit, instead; gaps are not divided out then
 * @throws SignalError as `ntft` does
 */
export function transformInto(
  series: Series,
  options: NtftOptions,
  rows: readonly Complex[],
  slope = false,
): void {
  makeSeries(series);
  const { every = 1, c = LEAST_CONE, periods } = options;
  if (options.gaps !== "normalise") refuseGaps("ntft", series);
  for (const period of periods) requirePeriod("ntft", series, period, options, c);
  const spectra = new PaddedSpectra(series);
  periods.forEach((period, at) => {
    const row = rows[at];
    if (row === undefined) return;
    convolve(spectra, series.step, kernelAt(period, options), { every, slope }, row);
    if (hasGaps(series) && !slope) divide(row, edgeLaw(series, period, options, every));
  });
}

/** The map whose rows are filled in. */
export function mapOf(
  series: Series,
  options: NtftOptions,
  rows: readonly Complex[],
): TimeFrequencyMap {
  const { periods, sigma = SIGMA, kernel = "wavelet", window = "gaussian", every = 1 } = options;
  let edge: readonly Float64Array[] | undefined;
  return {
    ...{ series, periods, sigma, kernel, window, every },
    times: Float64Array.from({ length: outputs(series, options) }, (_, m) =>
      timeAt(series, m * every),
    ),
    re: rows.map(({ re }) => re),
    im: rows.map(({ im }) => im),
    get edge() {
      edge ??= periods.map((period) => edgeLaw(series, period, options, every));
      return edge;
    },
    normalised: hasGaps(series),
  };
}

/** Ψ/F: a harmonic in full size up to the ends; NaN where F is below a half. */
export function renormalised(map: TimeFrequencyMap): TimeFrequencyMap {
  if (map.normalised) return map;
  const rows = map.periods.map((_, at) => {
    const [re = new Float64Array(0), im = re] = [map.re[at], map.im[at]];
    const row = { re: re.slice(), im: im.slice() };
    divide(row, map.edge[at] ?? re);
    return row;
  });
  return {
    ...map,
    re: rows.map(({ re }) => re),
    im: rows.map(({ im }) => im),
    normalised: true,
  };
}

/** @throws SignalError naming the first sample that is missing */
export function refuseGaps(what: string, series: Series): void {
  const first = series.observed?.indexOf(0) ?? -1;
  if (first < 0) return;
  const missing = series.observed?.reduce((sum, seen) => sum + (seen === 0 ? 1 : 0), 0);
  throw new SignalError(
    "SIGNAL-01",
    `${what} of ${series.name}: sample ${first} at ${timeAt(series, first)} ${series.timeUnit} is missing.`,
    [
      ["missing", `${missing} of ${series.re.length} samples`],
      [
        "fix",
        'say gaps: "normalise" to divide by the share that was observed, or take a part without gaps',
      ],
    ],
  );
}

function hasGaps({ observed }: Series): boolean {
  return observed?.includes(0) ?? false;
}

function divide({ re, im }: Complex, edge: Float64Array): void {
  for (let n = 0; n < re.length; n++) {
    const share = edge[n] ?? 0;
    const factor = share < LEAST_EDGE ? Number.NaN : 1 / share;
    re[n] = (re[n] ?? 0) * factor;
    im[n] = (im[n] ?? 0) * factor;
  }
}
