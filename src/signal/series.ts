/** @file An evenly sampled record: what every method of this folder reads and writes. */

import { SignalError, suggestion } from "../core/errors.ts";

/** Time units of series and of all periods that are asked of them. A year is 365.25 days. */
export const TIME_UNITS = ["years", "days", "hours", "minutes", "seconds"] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

/** Seconds of each unit. */
export const SECONDS: Readonly<Record<TimeUnit, number>> = {
  years: 365.25 * 86_400,
  days: 86_400,
  hours: 3600,
  minutes: 60,
  seconds: 1,
};

/** `x(start + n·step)`, n = 0 … count − 1, real or complex. */
export interface Series {
  /** As a plot would say it: "ΔLOD". */
  readonly name: string;
  /** Of the values: "ms", "mas". */
  readonly unit: string;
  readonly timeUnit: TimeUnit;
  /** Time of the first sample; calendar years for the time unit of years. */
  readonly start: number;
  /** Between samples, above 0. */
  readonly step: number;
  readonly re: Float64Array;
  /** Imaginary parts of a complex series. */
  readonly im?: Float64Array;
  /** 1 where there is an observation, 0 where there is none and the value is 0; all are there when absent. */
  readonly observed?: Uint8Array;
}

/** @throws SignalError for lengths that differ, a step that is no step, values that are not finite */
export function makeSeries(series: Series): Series {
  const { name, re, im, observed, step, start } = series;
  const wrong = (text: string, fix: string) =>
    new SignalError("SIGNAL-01", `series ${name}: ${text}`, [["fix", fix]]);
  if (!(step > 0 && Number.isFinite(step)) || !Number.isFinite(start))
    throw wrong(
      `start ${start} and step ${step} give no times.`,
      "give a finite start, a step above 0",
    );
  for (const other of [im, observed]) {
    if (other !== undefined && other.length !== re.length)
      throw wrong(`lists of ${re.length} and ${other.length} samples.`, "give lists of one length");
  }
  for (const part of im === undefined ? [re] : [re, im]) {
    const bad = part.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw wrong(
        `sample ${bad} at ${timeAt(series, bad)} ${series.timeUnit} is ${part[bad]}.`,
        "mark samples that are missing in `observed`, with the value 0",
      );
  }
  return series;
}

export function timeAt({ start, step }: Pick<Series, "start" | "step">, sample: number): number {
  return start + sample * step;
}

/** Times of all samples, in the series's time unit. */
export function timesOf(series: Series): Float64Array {
  return Float64Array.from(series.re, (_, n) => timeAt(series, n));
}

/** Time from the first sample to the last. */
export function spanOf({ re, step }: Series): number {
  return (re.length - 1) * step;
}

/** The same times with other values. */
export function withValues(series: Series, re: Float64Array, im?: Float64Array): Series {
  const { im: _, ...rest } = series;
  return { ...rest, re, ...(im !== undefined && { im }) };
}

/** @throws SignalError for a unit that is none, with the nearest */
export function parseTimeUnit(text: string): TimeUnit {
  const unit = TIME_UNITS.find((each) => each === text);
  if (unit !== undefined) return unit;
  throw new SignalError("SIGNAL-01", `time unit ${text} is none.`, [
    ["fix", suggestion(text, TIME_UNITS)],
  ]);
}
