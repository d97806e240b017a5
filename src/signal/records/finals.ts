/** @file finals2000A: Bulletin A of the IERS, daily since 1973, with predictions. */

import { checked, numberAt, wrongAt } from "./checks.ts";
import { mjdOf, type TimeRecord } from "./record.ts";

/** Bytes from–to, from 1, of the format's own description. */
const COLUMNS: readonly (readonly [name: string, unit: string, from: number, to: number])[] = [
  ["x", "arcsec", 19, 27],
  ["x error", "arcsec", 28, 36],
  ["y", "arcsec", 38, 46],
  ["y error", "arcsec", 47, 55],
  ["UT1-UTC", "s", 59, 68],
  ["UT1-UTC error", "s", 69, 78],
  ["LOD", "ms", 80, 86],
  ["LOD error", "ms", 87, 93],
  ["dX", "mas", 98, 106],
  ["dX error", "mas", 107, 115],
  ["dY", "mas", 117, 125],
  ["dY error", "mas", 126, 134],
];
const ROW = /^[ \d]\d[ \d]\d[ \d]\d [ \d]{5}\.\d\d /;
/** Flags of polar motion and UT1: I observed, P predicted. */
const FLAGS = [17, 58] as const;

export function isFinals(line: string): boolean {
  return ROW.test(line);
}

export interface FinalsOptions {
  /** Whether rows whose polar motion or UT1 is a prediction are kept; they are left out when absent. */
  readonly predictions?: boolean;
}

/**
 * Reads finals2000A in its fixed columns. Length of day (ms) is not always there: such values are NaN. Rows
 * without any value, at the end of the predictions, are left out.
 *
 * @throws DataError that names line and column
 */
export function parseFinals(text: string, source: string, options: FinalsOptions = {}): TimeRecord {
  const [mjd, lines]: [number[], number[]] = [[], []];
  const columns = COLUMNS.map((): number[] => []);
  text.split("\n").forEach((row, index) => {
    const line = index + 1;
    if (row.trim() === "") return;
    if (!ROW.test(row))
      throw wrongAt(
        { source, line },
        "no row of finals2000A",
        "its rows begin with year, month and day in two places each, and the MJD",
      );
    const cut = (from: number, to: number): string => row.slice(from - 1, to).trim();
    if (FLAGS.every((at) => cut(at, at) === "")) return;
    if (options.predictions !== true && FLAGS.some((at) => cut(at, at) !== "I")) return;
    const epoch = numberAt(cut(8, 15), { source, line, column: "MJD" });
    const short = Number(cut(1, 2));
    // Two digits of the year turn over at MJD 51544, 2000-01-01.
    const year = short + (epoch >= 51_544 ? 2000 : 1900);
    if (mjdOf(year, Number(cut(3, 4)), Number(cut(5, 6))) !== Math.floor(epoch))
      throw wrongAt(
        { source, line, column: "MJD" },
        `MJD ${epoch} is not the date ${row.slice(0, 6)}`,
        "take the file anew: it is damaged",
      );
    mjd.push(epoch);
    lines.push(line);
    COLUMNS.forEach(([column, , from, to], k) => {
      const given = cut(from, to);
      columns[k]?.push(given === "" ? Number.NaN : numberAt(given, { source, line, column }));
    });
  });
  return checked({
    source,
    format: "finals2000A",
    mjd: Float64Array.from(mjd),
    lines: Uint32Array.from(lines),
    columns: new Map(
      COLUMNS.map(([name, unit], k) => [
        name,
        { unit, values: Float64Array.from(columns[k] ?? []) },
      ]),
    ),
  });
}
