/** @file What atmosphere, ocean and land do to the Earth's rotation: excitation of length of day and of the pole. */

import { SignalError } from "../../core/errors.ts";
import { columnOf, type TimeRecord } from "../records/record.ts";
import { samplesFrom } from "../records/series-of.ts";
import type { Samples } from "../resample.ts";
import { SECONDS, type Series, type TimeUnit, withValues } from "../series.ts";

/** Milliarcseconds of a radian. */
const RADIAN = 206_264_806.247_096_36;

/**
 * Change of the length of day by an angular momentum: 86,400 s · (mass z + motion z), in ms.
 *
 * @throws SignalError for a record without these columns
 */
export function lengthOfDayExcitation(record: TimeRecord, timeUnit: TimeUnit = "years"): Samples {
  const both = ["mass z", "motion z"].map((column) => samplesFrom(record, column, { timeUnit }));
  return summed(record, "ΔLOD excitation", "ms", 86_400_000, both);
}

/**
 * Excitation of polar motion by an angular momentum, χ = χ₁ + iχ₂ = mass x + motion x + i (mass y + motion y),
 * in mas.
 *
 * @throws SignalError for a record without these columns
 */
export function poleExcitation(record: TimeRecord, timeUnit: TimeUnit = "years"): Samples {
  const part = (axis: string) =>
    ["mass", "motion"].map((term) => samplesFrom(record, `${term} ${axis}`, { timeUnit }));
  const [first, second] = [
    summed(record, "χ", "mas", RADIAN, part("x")),
    summed(record, "χ", "mas", RADIAN, part("y")),
  ];
  return { ...first, im: second.re };
}

function summed(
  record: TimeRecord,
  name: string,
  unit: string,
  factor: number,
  parts: readonly Samples[],
): Samples {
  const [first, ...others] = parts;
  if (first === undefined) throw new TypeError("no parts");
  if (others.some((other) => other.times.length !== first.times.length))
    throw new SignalError(
      "SIGNAL-01",
      `${record.source}: mass and motion terms at different times.`,
      [["fix", "give a file with both terms on every line"]],
    );
  const re = first.re.map(
    (value, n) => factor * (value + others.reduce((sum, other) => sum + (other.re[n] ?? 0), 0)),
  );
  return { name, unit, timeUnit: first.timeUnit, times: first.times, re };
}

/** Whether a record holds effective angular momentum. */
export function isExcitation(record: TimeRecord): boolean {
  return (
    ["mass z", "motion z"].every((column) => record.columns.has(column)) &&
    columnOf(record, "mass z").unit === "1"
  );
}

export interface WobbleOptions {
  /** Days; 433 when absent. */
  readonly chandlerPeriod?: number;
  /** Quality factor; 175 when absent. */
  readonly quality?: number;
}

/**
 * The excitation that polar motion answers to: χ = p + (i/σ_c) dp/dt, σ_c = (2π/T)(1 + i/2Q), for p = x − iy.
 * Derivatives by differences of five samples: good to (2πΔ/P)⁴/30 for a period P, so only for records of
 * some samples a month or more.
 *
 * @throws SignalError for a real series, gaps, or fewer than five samples
 */
export function excitationOfPole(pole: Series, options: WobbleOptions = {}): Series {
  const { chandlerPeriod = 433, quality = 175 } = options;
  const { re, im, step, timeUnit } = pole;
  const wrong = (what: string, fix: string): SignalError =>
    new SignalError("SIGNAL-01", `excitation of ${pole.name}: ${what}.`, [["fix", fix]]);
  if (im === undefined) throw wrong("the series is real", "give x − iy");
  if (pole.observed?.includes(0) === true)
    throw wrong("it has gaps", "take a stretch without gaps");
  if (re.length < 5) throw wrong(`${re.length} samples`, "give five or more");
  const unit = SECONDS.days / SECONDS[timeUnit];
  const sigma = (2 * Math.PI) / (chandlerPeriod * unit);
  // i/σ_c = (i + d)/(σ (1 + d²)), d = 1/2Q.
  const d = 1 / (2 * quality);
  const [a, b] = [d / (sigma * (1 + d * d)), 1 / (sigma * (1 + d * d))];
  const [u, v] = [slopes(re, step), slopes(im, step)];
  return withValues(
    { ...pole, name: "χ" },
    re.map((x, n) => x + a * (u[n] ?? 0) - b * (v[n] ?? 0)),
    im.map((y, n) => y + a * (v[n] ?? 0) + b * (u[n] ?? 0)),
  );
}

/** Weights of five samples for the slope at the first, second and middle one, times 12 steps. */
const STENCILS: readonly (readonly number[])[] = [
  [-25, 48, -36, 16, -3],
  [-3, -10, 18, -6, 1],
  [1, -8, 0, 8, -1],
];

function slopes(values: Float64Array, step: number): Float64Array {
  const last = values.length - 1;
  return values.map((_, n) => {
    const place = Math.min(n, 2, last - n);
    const stencil = STENCILS[place] ?? [];
    // The second half is the first, read backwards.
    const forward = n <= last - n || place === 2;
    const from = forward ? n - place : n + place;
    const sum = stencil.reduce(
      (total, weight, k) => total + weight * (values[forward ? from + k : from - k] ?? 0),
      0,
    );
    return (forward ? sum : -sum) / (12 * step);
  });
}
