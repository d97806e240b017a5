/** @file Columns of records as evenly sampled series in ms, mas and years. */

import { DataError } from "../../core/errors.ts";
import type { Samples } from "../resample.ts";
import { makeSeries, SECONDS, type Series, type TimeUnit } from "../series.ts";
import { wrongAt } from "./checks.ts";
import { columnOf, dateOf, type TimeRecord, yearsOf } from "./record.ts";

export interface SeriesOptions {
  /**
   * Years when absent: Julian years, 1962 + (MJD − 37665)/365.25. Days are modified Julian dates; shorter units
   * count from the first epoch.
   */
  readonly timeUnit?: TimeUnit;
  /** What to do with epochs that are not there: refuse (when absent), or mark them as not observed. */
  readonly gaps?: "refuse" | "keep";
  /** Of the values; ms for times of day, mas for angles of the pole when absent. */
  readonly unit?: string;
}

const RADIAN = 206_264_806.247_096_36;
/** Everything of one kind in one unit. */
const KINDS: readonly Readonly<Record<string, number>>[] = [
  { s: 1000, ms: 1, us: 1e-3 },
  { rad: RADIAN, arcsec: 1000, mas: 1, uas: 1e-3 },
];
/** Share of a step by which an epoch may miss its place. */
const SLACK = 0.02;

/**
 * @throws SignalError for a column that is not there, DataError for gaps (naming the line) and epochs that are
 *   not even
 */
export function seriesOf(record: TimeRecord, column: string, options: SeriesOptions = {}): Series {
  return evenly(record, samplesFrom(record, column, options), options);
}

/** Polar motion as `x − i y` in mas: a prograde turn has a period above 0. */
export function poleSeries(record: TimeRecord, options: SeriesOptions = {}): Series {
  return evenly(record, poleSamples(record, options), options);
}

/** The observed values of a column at their own epochs, even or not. */
export function samplesFrom(
  record: TimeRecord,
  column: string,
  { timeUnit = "years", unit }: SeriesOptions = {},
): Samples & { readonly lines: Uint32Array } {
  const found = columnOf(record, column);
  const kind = KINDS.find((each) => found.unit in each);
  const wanted = unit ?? preferred(found.name, found.unit);
  const factor = (kind?.[found.unit] ?? 1) / (kind?.[wanted] ?? 1);
  if (wanted !== found.unit && (kind === undefined || !(wanted in kind)))
    throw new DataError(
      "DATA-01",
      `${record.source}: column ${found.name} is in ${found.unit || "no unit"}.`,
      [
        ["asked for", wanted],
        ["fix", `ask for ${Object.keys(kind ?? { [found.unit]: 1 }).join(", ")}`],
      ],
    );
  const seen = [...found.values.keys()].filter((n) => !Number.isNaN(found.values[n]));
  const times = timesIn(record, timeUnit);
  return {
    ...{ name: found.name, unit: wanted, timeUnit },
    times: Float64Array.from(seen, (n) => times[n] ?? 0),
    re: Float64Array.from(seen, (n) => (found.values[n] ?? 0) * factor),
    lines: Uint32Array.from(seen, (n) => record.lines[n] ?? 0),
  };
}

/** x − i y in mas where both are observed. */
export function poleSamples(
  record: TimeRecord,
  options: SeriesOptions = {},
): Samples & { readonly lines: Uint32Array } {
  const unit = options.unit ?? "mas";
  const [x, y] = ["x", "y"].map((column) => samplesFrom(record, column, { ...options, unit }));
  if (x === undefined || y === undefined) throw new TypeError("two columns");
  const at = new Map([...y.times].map((time, n) => [time, n]));
  const both = [...x.times.keys()].filter((n) => at.has(x.times[n] ?? 0));
  const pick = (part: ArrayLike<number>): Float64Array =>
    Float64Array.from(both, (n) => part[n] ?? 0);
  return {
    ...{ name: "x − iy", unit, timeUnit: x.timeUnit, times: pick(x.times), re: pick(x.re) },
    im: Float64Array.from(both, (n) => -(y.re[at.get(x.times[n] ?? 0) ?? -1] ?? 0)),
    lines: Uint32Array.from(both, (n) => x.lines[n] ?? 0),
  };
}

function preferred(name: string, unit: string): string {
  if (/^(LOD|UT1-UTC)/.test(name) && unit === "s") return "ms";
  return unit === "arcsec" || (unit === "rad" && /^(x|y|dX|dY)/.test(name)) ? "mas" : unit;
}

function timesIn({ mjd }: TimeRecord, unit: TimeUnit): Float64Array {
  if (unit === "years") return mjd.map(yearsOf);
  if (unit === "days") return mjd;
  const [first = 0] = mjd;
  // Files without dates count from an origin of their own.
  const origin = first > 15_000 ? first : 0;
  return mjd.map((epoch) => ((epoch - origin) * SECONDS.days) / SECONDS[unit]);
}

function evenly(
  record: TimeRecord,
  samples: Samples & { readonly lines: Uint32Array },
  { gaps = "refuse" }: SeriesOptions,
): Series {
  const { source } = record;
  const { times, name, unit, timeUnit } = samples;
  const [first = 0] = times;
  if (times.length < 2)
    throw new DataError("DATA-01", `${source}: column ${name} has ${times.length} values.`, [
      ["fix", "a series needs two or more"],
    ]);
  const usual = (record.step * SECONDS.days) / SECONDS[timeUnit];
  const places = new Float64Array(times.length);
  for (let n = 1; n < times.length; n++) {
    const passed = ((times[n] ?? 0) - (times[n - 1] ?? 0)) / usual;
    places[n] = (places[n - 1] ?? 0) + Math.max(1, Math.round(passed));
  }
  const last = places.at(-1) ?? 1;
  const step = ((times.at(-1) ?? 0) - first) / last;
  const off = times.findIndex((t, n) => Math.abs((t - first) / step - (places[n] ?? 0)) > SLACK);
  if (off >= 0)
    throw wrongAt(
      { source, line: samples.lines[off] ?? 0 },
      `the epochs are not even: one of ${places[off]} steps of ${show(step)} ${timeUnit} is off`,
      "take means over bins, or resample the record",
    );
  const missing = last + 1 - times.length;
  if (missing > 0 && gaps === "refuse") {
    const behind = places.findIndex((place, n) => n > 0 && place - (places[n - 1] ?? 0) > 1);
    const count = (places[behind] ?? 0) - (places[behind - 1] ?? 0) - 1;
    const where = timeUnit === "years" || timeUnit === "days" ? dated(record, samples, behind) : "";
    throw wrongAt(
      { source, line: samples.lines[behind] ?? 0, column: name },
      `${count} ${count === 1 ? "row is" : "rows are"} missing before this one${where}, ${missing} in all`,
      "keep the gaps as gaps, take means over bins, or a stretch without any",
    );
  }
  const at = (part: Float64Array): Float64Array => {
    const out = new Float64Array(last + 1);
    part.forEach((value, n) => {
      out[places[n] ?? 0] = value;
    });
    return out;
  };
  return makeSeries({
    ...{ name: name === "LOD" ? "ΔLOD" : name, unit, timeUnit, start: first, step },
    re: at(samples.re),
    ...(samples.im !== undefined && { im: at(samples.im) }),
    ...(missing > 0 && { observed: Uint8Array.from(at(samples.re.map(() => 1))) }),
  });
}

function dated(record: TimeRecord, samples: { readonly lines: Uint32Array }, row: number): string {
  const epoch = record.mjd[record.lines.indexOf(samples.lines[row] ?? 0)] ?? 0;
  return epoch > 15_000 ? ` (${dateOf(epoch)})` : "";
}

function show(value: number): string {
  return String(Number(value.toPrecision(6)));
}
