/** @file Records as files hold them: columns of numbers with units, at epochs. */

import { type DataError, SignalError, suggestion } from "../../core/errors.ts";

export interface Column {
  /** `s`, `ms`, `arcsec`, `mas`, `rad`, `1` for none; empty where the file does not say. */
  readonly unit: string;
  /** NaN where the format knows blanks and there is one. */
  readonly values: Float64Array;
}

/** A stretch without rows, longer than the usual step. */
export interface Gap {
  /** Modified Julian dates of the rows on its sides. */
  readonly after: number;
  readonly before: number;
  /** Rows that are not there. */
  readonly missing: number;
  /** Line of the file behind the gap. */
  readonly line: number;
}

export interface TimeRecord {
  /** File or address, as errors name it. */
  readonly source: string;
  /** `IERS EOP 20 C04`, `finals2000A`, `effective angular momentum`, `GGP`, `table`. */
  readonly format: string;
  /** Of the file as it lies on the disk, packed or not, hexadecimal; absent of a text. */
  readonly sha256?: string;
  /** Epochs, rising. Days from 1858-11-17, or from the origin of a file that has seconds only. */
  readonly mjd: Float64Array;
  readonly columns: ReadonlyMap<string, Column>;
  /** Why columns of the file cannot be used: told to whoever asks for one. */
  readonly unusable: ReadonlyMap<string, DataError>;
  /** Line of each row, from 1. */
  readonly lines: Uint32Array;
  /** Usual distance of two epochs, days. */
  readonly step: number;
  readonly gaps: readonly Gap[];
  /** What the head of the file says of station and instrument. */
  readonly facts: ReadonlyMap<string, string>;
}

/** What a reader hands over to be checked. */
export type RawRecord = Omit<TimeRecord, "step" | "gaps" | "unusable" | "facts"> &
  Partial<Pick<TimeRecord, "unusable" | "facts">>;

/**
 * Days of the modified Julian date at 0 h of a day of the Gregorian calendar.
 *
 * @returns NaN for a day that is not in the calendar
 */
export function mjdOf(year: number, month: number, day: number): number {
  const time = Date.UTC(year, month - 1, day);
  const back = new Date(time);
  if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day) return Number.NaN;
  return time / 86_400_000 + 40_587;
}

/** Julian years of 365.25 days, 1962 at its beginning: the time of all series in years. */
export function yearsOf(mjd: number): number {
  return 1962 + (mjd - 37_665) / 365.25;
}

/** The inverse of `yearsOf`. */
export function mjdOfYears(years: number): number {
  return 37_665 + (years - 1962) * 365.25;
}

/** `1977-03-01` of a modified Julian date. */
export function dateOf(mjd: number): string {
  return new Date((mjd - 40_587) * 86_400_000).toISOString().slice(0, 10);
}

/**
 * A column by name, in upper or lower case, with or without its unit behind.
 *
 * @throws SignalError for a name that is none, with the nearest; DataError for a column with text in it
 */
export function columnOf(record: TimeRecord, name: string): Column & { readonly name: string } {
  const wanted = plain(name);
  for (const [known, column] of record.columns)
    if (plain(known) === wanted) return { ...column, name: known };
  for (const [known, error] of record.unusable) if (plain(known) === wanted) throw error;
  throw new SignalError("SIGNAL-01", `${record.source}: no column "${name}".`, [
    ["columns", [...record.columns.keys()].join(", ")],
    ["fix", suggestion(name, [...record.columns.keys()])],
  ]);
}

/** Letters and digits of a name, small: `UT1-UTC` and `ut1_utc` are one. */
export function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
