/**
 * @file The Earth's gravest radial modes: 0S0 and 1S0 recovered from a synthetic seismogram with the published
 * periods and qualities, and from a user's own gravimeter record.
 *
 * No public gravimeter record of these events was found, so the record is made: neighbours of other modes stand in
 * it as they do in nature, and noise of a good site.
 */

import { median } from "../../core/statistics.ts";
import { analytic } from "../../signal/combined.ts";
import { type ArLine, arLine } from "../../signal/fit/ar-z.ts";
import { robustSd } from "../../signal/quantiles.ts";
import { random } from "../../signal/random.ts";
import { type Restoration, restore } from "../../signal/restore.ts";
import { type Series, withValues } from "../../signal/series.ts";

const DAY = 86_400;
const STEP = 60;
/** Seconds after the quake: other modes and aftershocks are gone by then. */
const START = DAY / 2;

interface Mode {
  readonly name: string;
  /** Seconds. */
  readonly period: number;
  readonly quality: number;
  /** nm/s² at the quake. */
  readonly amplitude: number;
  readonly phase: number;
}

/** Frequencies and Q of 0S0 from 13 superconducting gravimeters after Sumatra 2004, of 1S0 from the same event; PREM. */
const SYNTHETIC: readonly Mode[] = [
  { name: "0S0", period: 1e3 / 0.8146566, quality: 5506, amplitude: 1, phase: 0.3 },
  { name: "1S0", period: 1e3 / 1.63151, quality: 1850, amplitude: 0.5, phase: 1.1 },
  { name: "0S5", period: 1190.13, quality: 356, amplitude: 1.5, phase: 2 },
  { name: "0S4", period: 1545.6, quality: 373, amplitude: 1.5, phase: 0.9 },
  { name: "1S7", period: 603.92, quality: 372, amplitude: 0.7, phase: 0.2 },
  { name: "0S9", period: 633.89, quality: 333, amplitude: 1, phase: 2.5 },
];

/** nm/s², white: about 2 nm/s²/√Hz. */
const NOISE = 0.2;

/** How a mode is read. */
export interface ModeReading {
  readonly name: "0S0" | "1S0";
  /** Seconds, at which the transform is read. */
  readonly period: number;
  /** Radians: wide windows, since these lines are narrow. */
  readonly sigma: number;
  /** From the start of the record, days. */
  readonly days: number;
  readonly published: { readonly milliHertz: number; readonly quality: number };
}

export const MODES: readonly ModeReading[] = [
  {
    ...{ name: "0S0", period: 1227.5, sigma: 150, days: 30 },
    published: { milliHertz: 0.8146566, quality: 5506 },
  },
  {
    ...{ name: "1S0", period: 612.93, sigma: 200, days: 10 },
    published: { milliHertz: 1.63151, quality: 1850 },
  },
];

/** Cut of the combined scheme, in standard deviations of the window. */
const CUT = 2;

const wave = ({ period, quality, amplitude, phase }: Mode, t: number): number =>
  amplitude *
  Math.exp((-Math.PI * t) / (period * quality)) *
  Math.cos((2 * Math.PI * t) / period + phase);

/** 30 days of gravity each minute, nm/s², from twelve hours after the quake; times in seconds since it. */
export function syntheticSeismogram(): Series {
  return {
    ...{ name: "synthetic gravity", unit: "nm/s²", timeUnit: "seconds", start: START, step: STEP },
    re: Float64Array.from({ length: (30 * DAY) / STEP }, (_, n) =>
      SYNTHETIC.reduce((sum, mode) => sum + wave(mode, START + n * STEP), 0),
    ),
  };
}

/** A mode read off a record, by both ways. */
export interface ModeFound {
  readonly restoration: Restoration;
  readonly line: ArLine;
}

/**
 * Reads a mode off the first days of a gravity record in seconds.
 *
 * @throws SignalError for gaps, and for a record too short for the mode
 */
export function readMode(gravity: Series, mode: ModeReading): ModeFound {
  const record = firstDays(gravity, mode.days);
  const [restoration] = restore(record, {
    ...{ periods: [mode.period], exactly: true, sigma: mode.sigma, c: CUT, method: "fit" },
  });
  if (restoration === undefined) throw new Error("one period gives one restoration");
  return { restoration, line: arLine(record, mode.period) };
}

function firstDays(series: Series, days: number): Series {
  const count = Math.min(series.re.length, Math.round((days * DAY) / series.step));
  if (count === series.re.length) return series;
  const { observed, ...whole } = series;
  return {
    ...withValues(whole, series.re.slice(0, count), series.im?.slice(0, count)),
    ...(observed !== undefined && { observed: observed.slice(0, count) }),
  };
}

/** Over draws: median, and sd as 1.4826 of the median deviation. */
export interface Spread {
  readonly median: number;
  readonly sd: number;
}

export interface ModeResult {
  readonly name: ModeReading["name"];
  readonly published: ModeReading["published"];
  /** The combined scheme. */
  readonly fit: { readonly milliHertz: Spread; readonly quality: Spread };
  /** The AR line. */
  readonly ar: { readonly milliHertz: Spread; readonly quality: Spread };
  /** Rms error over rms signal within the cuts, of the combined scheme and of the plain transform. */
  readonly endError: { readonly fit: number; readonly ntft: number };
  readonly draws: number;
}

export interface FreeOscillationOptions {
  /** Of noise. Default 50. */
  readonly draws?: number;
  readonly seed?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Recovers both modes from the synthetic seismogram in many draws of noise. @throws the reason of the abort signal */
export function freeOscillations(options: FreeOscillationOptions = {}): ModeResult[] {
  const { draws = 50, seed = 1, onProgress, signal } = options;
  const clean = syntheticSeismogram();
  return MODES.map((mode, at) => {
    const truth = truthOf(mode);
    const found: { f: number; q: number; arF: number; arQ: number; fit: number; ntft: number }[] =
      [];
    for (let draw = 0; draw < draws; draw++) {
      signal?.throwIfAborted();
      const noise = random(seed, draw);
      const gravity = { ...clean, re: clean.re.map((x) => x + NOISE * noise.gaussian()) };
      const { restoration, line } = readMode(gravity, mode);
      const plain = analytic(firstDays(gravity, mode.days), mode.period, { sigma: mode.sigma });
      found.push({
        f: 1e3 * (restoration.line?.frequency.value ?? Number.NaN),
        q: restoration.line?.quality.value ?? Number.NaN,
        ...{ arF: 1e3 * line.frequency, arQ: line.quality },
        fit: endError(restoration.restored.re, truth, restoration.cut),
        ntft: endError(plain.re, truth, restoration.cut),
      });
      onProgress?.(at * draws + draw + 1, MODES.length * draws);
    }
    const spread = (values: readonly number[]): Spread => ({
      median: median(values),
      sd: robustSd(values),
    });
    const rms = (values: readonly number[]) =>
      Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
    return {
      ...{ name: mode.name, published: mode.published, draws },
      fit: {
        milliHertz: spread(found.map(({ f }) => f)),
        quality: spread(found.map(({ q }) => q)),
      },
      ar: {
        milliHertz: spread(found.map(({ arF }) => arF)),
        quality: spread(found.map(({ arQ }) => arQ)),
      },
      endError: {
        fit: rms(found.map(({ fit }) => fit)),
        ntft: rms(found.map(({ ntft }) => ntft)),
      },
    };
  });
}

function truthOf({ name, days }: ModeReading): Float64Array {
  const mode = SYNTHETIC.find((each) => each.name === name);
  return Float64Array.from({ length: (days * DAY) / STEP }, (_, n) =>
    mode === undefined ? 0 : wave(mode, START + n * STEP),
  );
}

/** @param cut seconds from each end */
function endError(restored: Float64Array, truth: Float64Array, cut: number): number {
  const edge = Math.round(cut / STEP);
  let [error, size] = [0, 0];
  truth.forEach((x, n) => {
    if (n >= edge && n < truth.length - edge) return;
    error += ((restored[n] ?? 0) - x) ** 2;
    size += x * x;
  });
  return Math.sqrt(error / size);
}
