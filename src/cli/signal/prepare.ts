/**
 * @file From a file to the series that is analysed, the same for all commands: column, tides, excitation, means,
 * gaps, trend, in this order, each told in words.
 */

import { UsageError } from "../../core/errors.ts";
import { type Detrended, type DetrendOptions, detrend } from "../../signal/detrend.ts";
import {
  LENGTH_OF_DAY_TREND,
  POLAR_MOTION_TREND,
} from "../../signal/earth-rotation/preprocessing.ts";
import { openRecord } from "../../signal/records/open.ts";
import { columnOf, type TimeRecord } from "../../signal/records/record.ts";
import type { Series } from "../../signal/series.ts";
import { type Asked, parseFloats, parsePairs, wrongList } from "./numbers.ts";
import type { RecordOptions } from "./record-options.ts";
import { POLE, sampled } from "./sampling.ts";
import { listed, several, shown } from "./words.ts";

export interface Prepared {
  readonly record: TimeRecord;
  /** Name of the column, or `pole`. */
  readonly column: string;
  /** Before the trend was taken away. */
  readonly series: Series;
  /** Without trend: what the methods see. */
  readonly residual: Series;
  /** Absent when nothing was fitted. */
  readonly removed?: { readonly options: DetrendOptions } & Detrended;
  /** What was done, in order, one sentence each. */
  readonly steps: readonly string[];
  /** What a user should know of the record and did not ask. */
  readonly notes: readonly string[];
}

/**
 * @param command - its name, for errors: `signal ntft`
 * @throws DataError, SignalError, UsageError as the steps
 */
export async function prepare(given: RecordOptions, command: string): Promise<Prepared> {
  const options = withPreparation(given);
  const { file, time, timeForm, format, unit } = options;
  const record = await openRecord(file, {
    ...(time !== undefined && { time }),
    ...(timeForm !== undefined && { timeForm }),
    ...(format !== undefined && { format }),
    ...(unit !== undefined && { units: unitsOf(options.column, unit) }),
    ...(options.gaps === "normalise" && { missing: "leave-out" as const }),
  });
  const column = columnFor(record, options.column, command);
  const steps = [read(record, column)];
  const series = await sampled(record, column, options, command, steps);
  const notes = notesOn(record, column, options);
  const trend = trendOf(options, command);
  if (trend === undefined) {
    steps.push("Fitted nothing and took nothing away.");
    return { record, column, series, residual: series, steps, notes };
  }
  const removed = { options: trend, ...detrend(series, trend) };
  steps.push(`Took away, fitted together by least squares: ${trendWords(trend, series)}.`);
  return { record, column, series, residual: removed.residual, removed, steps, notes };
}

/** The usual steps, where nothing else was asked for. */
function withPreparation(given: RecordOptions): RecordOptions {
  if (given.prepare === undefined) return given;
  const lod = given.prepare === "length-of-day";
  return {
    ...given,
    column: given.column ?? (lod ? "LOD" : POLE),
    zonalTides: given.zonalTides ?? lod,
    monthly: given.monthly ?? given.bin === undefined,
  };
}

/** The pole is two columns. */
function unitsOf(column: string | undefined, unit: string): Readonly<Record<string, string>> {
  return column === undefined || column === POLE ? { x: unit, y: unit } : { [column]: unit };
}

function columnFor(record: TimeRecord, column: string | undefined, command: string): string {
  if (column === POLE) return POLE;
  if (column !== undefined) return columnOf(record, column).name;
  const [only, ...others] = record.columns.keys();
  if (only !== undefined && others.length === 0) return only;
  throw new UsageError("USAGE-01", `${command}: --column is missing.`, [
    ["columns", [...record.columns.keys()].join(", ") || "none has numbers alone"],
    ["fix", `name one of them, or ${POLE} for polar motion x − iy`],
  ]);
}

function read({ format, source, mjd, sha256, gaps }: TimeRecord, column: string): string {
  const missing = gaps.reduce((sum, gap) => sum + gap.missing, 0);
  const holes = missing === 0 ? "" : `, ${several(missing, "epoch")} missing`;
  const hash = sha256 === undefined ? "" : `, SHA-256 ${sha256.slice(0, 12)}…`;
  const what = column === POLE ? "x − iy" : column;
  return `Read ${what} from ${source} (${format}${hash}): ${several(mjd.length, "row")}${holes}.`;
}

function notesOn(record: TimeRecord, column: string, options: RecordOptions): string[] {
  const notes: string[] = [];
  if (column === "LOD" && options.zonalTides !== true)
    notes.push(
      "The length of day of IERS series contains the zonal tides; --zonal-tides takes them away.",
    );
  const still = "Atmosphere and ocean are still in this record; --excitation takes them away.";
  if (column === "LOD" && options.excitation.length === 0)
    notes.push(`${still} Near 6 years they hide about a third of the oscillation.`);
  if (column === POLE && options.excitation.length === 0) notes.push(still);
  if (record.gaps.length > 0 && options.gaps === "normalise")
    notes.push(
      `${several(record.gaps.length, "gap")}: nothing was filled in; the transform is divided by the share of its window that was observed.`,
    );
  return notes;
}

/** What to fit and take away; undefined for nothing. */
function trendOf(options: RecordOptions, command: string): DetrendOptions | undefined {
  const usual =
    options.prepare === "length-of-day"
      ? LENGTH_OF_DAY_TREND
      : options.prepare === "polar-motion"
        ? POLAR_MOTION_TREND
        : { legendre: 1 };
  const legendre = given(options.detrend, usual.legendre, (text) =>
    degreeOf(text, { command, option: "--detrend" }),
  );
  const harmonics = given(options.harmonics, usual.harmonics, (text) =>
    parseFloats(text, { command, option: "--harmonics" }, "periods such as 1,0.5, or none"),
  );
  const pairs = "pairs of period:knots such as 1.1855:5,1:10, or none";
  const carriers = given(options.carriers, usual.carriers, (text) =>
    parsePairs(text, { command, option: "--carriers" }, pairs).map(([period, knots]) => ({
      period,
      knots,
    })),
  );
  if (legendre === undefined && harmonics === undefined && carriers === undefined) return undefined;
  return {
    ...(legendre !== undefined && { legendre }),
    ...(harmonics !== undefined && { harmonics }),
    // Splines of neighbouring carriers look alike; the ridge keeps them small.
    ...(carriers !== undefined && { carriers, ridge: 1e-6 }),
  };
}

function given<T>(
  text: string | undefined,
  usual: T | undefined,
  parse: (text: string) => T,
): T | undefined {
  if (text === undefined) return usual;
  return text === "none" ? undefined : parse(text);
}

function degreeOf(text: string, asked: Asked): number {
  const degree = Number(text);
  if (Number.isInteger(degree) && degree >= 0 && degree <= 60) return degree;
  throw wrongList(asked, text, "a degree from 0 (the mean) to 60, or none");
}

function trendWords({ legendre, harmonics, carriers }: DetrendOptions, series: Series): string {
  const { timeUnit } = series;
  const parts = [
    legendre === undefined
      ? ""
      : legendre === 0
        ? "the mean"
        : legendre === 1
          ? "a straight line"
          : `Legendre polynomials up to degree ${legendre}`,
    harmonics === undefined ? "" : `steady sines of ${listed(harmonics)} ${timeUnit}`,
    carriers === undefined
      ? ""
      : `wandering sines of ${carriers.map(({ period, knots }) => `${shown(period)} (knots ${shown(knots)})`).join(", ")} ${timeUnit}`,
  ];
  return parts.filter((part) => part !== "").join("; ");
}
