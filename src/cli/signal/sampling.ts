/** @file Even samples of one column: zonal tides and excitation away, means over bins, gaps seen. */

import { SignalError, UsageError } from "../../core/errors.ts";
import { lengthOfDayExcitation, poleExcitation } from "../../signal/earth-rotation/excitation.ts";
import { chosen, monthly } from "../../signal/earth-rotation/preprocessing.ts";
import { openRecord } from "../../signal/records/open.ts";
import { mjdOfYears, type TimeRecord } from "../../signal/records/record.ts";
import {
  poleSamples,
  poleSeries,
  type SeriesOptions,
  samplesFrom,
  seriesOf,
} from "../../signal/records/series-of.ts";
import { binnedMeans, type Samples } from "../../signal/resample.ts";
import { makeSeries, type Series, spanOf, type TimeUnit, timesOf } from "../../signal/series.ts";
import { zonalTides } from "../../signal/tides.ts";
import type { RecordOptions } from "./record-options.ts";
import { several, shown } from "./words.ts";

/** Polar motion as x − iy, in place of a column. */
export const POLE = "pole";
/** Share of its samples that a bin must have: 25 days of a month. */
const FULL = 25 / 30.4375;
const TIDES = "Took the zonal tides away: 62 terms of the IERS Conventions (2010).";

type Wanted = Pick<
  RecordOptions,
  "timeUnit" | "gaps" | "from" | "until" | "zonalTides" | "excitation" | "monthly" | "bin"
>;

interface Bins {
  readonly origin: number;
  readonly width: number;
}

/** Of `--monthly`. */
const MONTHS: Partial<Record<TimeUnit, Bins>> = {
  years: { origin: 1962, width: 1 / 12 },
  days: { origin: 37_665, width: 365.25 / 12 },
};

/**
 * @param steps - gets a sentence for each step
 * @throws DataError, SignalError as the reading; UsageError for options that do not go together
 */
export async function sampled(
  record: TimeRecord,
  column: string,
  wanted: Wanted,
  command: string,
  steps: string[],
): Promise<Series> {
  const bins = checked(wanted, column, command);
  const { timeUnit, gaps } = wanted;
  const reading: SeriesOptions = { timeUnit, gaps: gaps === "refuse" ? "refuse" : "keep" };
  if (bins === undefined) {
    const whole = column === POLE ? poleSeries(record, reading) : seriesOf(record, column, reading);
    const part = stretch(whole, wanted, command);
    tell(part, steps);
    if (wanted.zonalTides !== true) return part;
    steps.push(TIDES);
    const tides = tidesAt(timesOf(part), timeUnit);
    const seen = (n: number) => part.observed?.[n] !== 0;
    return { ...part, re: part.re.map((x, n) => (seen(n) ? x - (tides[n] ?? 0) : 0)) };
  }
  const all = column === POLE ? poleSamples(record, reading) : samplesFrom(record, column, reading);
  const days = chosen(column === "LOD" ? { ...all, name: "ΔLOD" } : all, {
    ...(wanted.from !== undefined && { from: wanted.from }),
    ...(wanted.until !== undefined && { until: wanted.until }),
  });
  if (days.times.length < 2) throw nothingLeft(command, all.times[0], all.times.at(-1));
  steps.push(
    `Chose ${several(days.times.length, "value")} from ${shown(days.times[0] ?? 0)} to ${shown(days.times.at(-1) ?? 0)} ${timeUnit}, in ${days.unit || "the unit of the file"}.`,
  );
  if (wanted.zonalTides === true) steps.push(TIDES);
  const tides = wanted.zonalTides === true ? tidesAt(days.times, timeUnit) : undefined;
  const still = { ...days, re: days.re.map((x, n) => x - (tides?.[n] ?? 0)) };
  return withoutHoles(await binned(still, bins, wanted.excitation, steps), gaps);
}

function checked(wanted: Wanted, column: string, command: string): Bins | undefined {
  const { timeUnit, monthly: months, bin, excitation } = wanted;
  const refuse = (what: string, fix: string) =>
    new UsageError("USAGE-01", `${command}: ${what}.`, [["fix", fix]]);
  const calendar = timeUnit === "years" || timeUnit === "days";
  if (wanted.zonalTides === true && column !== "LOD")
    throw refuse(`--zonal-tides is for the length of day, not for ${column}`, "leave it out");
  if (wanted.zonalTides === true && !calendar)
    throw refuse("--zonal-tides needs times of the calendar", "--time-unit years, or days");
  if (bin !== undefined && months === true)
    throw refuse("--monthly and --bin exclude one another", "leave one of them out");
  if (excitation.length > 0 && column !== "LOD" && column !== POLE)
    throw refuse(`--excitation is for LOD and ${POLE}, not for ${column}`, "leave it out");
  if (excitation.length > 0 && !(months === true && timeUnit === "years"))
    throw refuse("--excitation goes with monthly means in years", "add --monthly");
  if (bin !== undefined) return { origin: 0, width: bin };
  if (months !== true) return undefined;
  const bins = MONTHS[timeUnit];
  if (bins !== undefined) return bins;
  throw refuse("--monthly needs times of the calendar", `--bin with a width in ${timeUnit}`);
}

function tidesAt(times: Float64Array, timeUnit: TimeUnit): Float64Array {
  return zonalTides(timeUnit === "days" ? times : times.map(mjdOfYears));
}

async function binned(
  days: Samples,
  bins: Bins,
  files: readonly string[],
  steps: string[],
): Promise<Series> {
  const [first = 0, second = first] = days.times;
  const minimum = Math.max(1, Math.floor((bins.width / (second - first || 1)) * FULL + 1e-6));
  const excited: Samples[] = [];
  for (const file of files) {
    const record = await openRecord(file);
    excited.push(days.im === undefined ? lengthOfDayExcitation(record) : poleExcitation(record));
  }
  const series =
    excited.length === 0
      ? binnedMeans(days, { ...bins, minimum })
      : monthly(days, excited, { minimumDays: minimum });
  steps.push(
    `Took means over bins of ${shown(bins.width)} ${days.timeUnit}, each of ${several(minimum, "value")} or more: ${several(series.re.length, "bin")}.`,
    ...files.map((file) => `Took the excitation in ${file} away, in means over the same bins.`),
  );
  return series;
}

function withoutHoles(series: Series, gaps: Wanted["gaps"]): Series {
  const hole = series.observed?.indexOf(0) ?? -1;
  if (hole < 0 || gaps === "normalise") return series;
  const time = series.start + hole * series.step;
  throw new SignalError(
    "SIGNAL-01",
    `${series.name}: the bin at ${shown(time)} ${series.timeUnit} has too few samples.`,
    [["fix", "--gaps normalise to leave it out, wider bins, or a stretch by --from and --until"]],
  );
}

function tell(series: Series, steps: string[]): void {
  const { re, start, step, timeUnit, unit } = series;
  const missing = series.observed?.reduce((sum, seen) => sum + (seen === 0 ? 1 : 0), 0) ?? 0;
  const holes = missing === 0 ? "" : `, ${missing} of them not observed`;
  steps.push(
    `Chose ${several(re.length, "sample")}${holes}, ${shown(step)} ${timeUnit} apart, from ${shown(start)} to ${shown(start + spanOf(series))}, in ${unit || "the unit of the file"}.`,
  );
}

function stretch(series: Series, { from, until }: Wanted, command: string): Series {
  if (from === undefined && until === undefined) return series;
  const times = timesOf(series);
  const inside = (time: number) =>
    time >= (from ?? Number.NEGATIVE_INFINITY) && time < (until ?? Number.POSITIVE_INFINITY);
  const [first, last] = [times.findIndex(inside), times.findLastIndex(inside)];
  if (last <= first) throw nothingLeft(command, times[0], times.at(-1));
  const { observed, im } = series;
  return makeSeries({
    ...series,
    start: times[first] ?? 0,
    re: series.re.slice(first, last + 1),
    ...(im !== undefined && { im: im.slice(first, last + 1) }),
    ...(observed !== undefined && { observed: observed.slice(first, last + 1) }),
  });
}

function nothingLeft(command: string, first = Number.NaN, last = Number.NaN): SignalError {
  return new SignalError("SIGNAL-01", `${command}: no two samples between --from and --until.`, [
    ["record", `${shown(first)} to ${shown(last)}`],
    ["fix", "choose a part of it, in time units"],
  ]);
}
