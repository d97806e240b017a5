/** @file What every record is held against before anyone computes with it. */

import { DataError } from "../../core/errors.ts";
import { median } from "../../core/statistics.ts";
import { dateOf, type Gap, type RawRecord, type TimeRecord } from "./record.ts";

/** Where something is wrong: line from 1, column by name. */
export interface Place {
  readonly source: string;
  readonly line: number;
  readonly column?: string;
}

export function wrongAt({ source, line, column }: Place, what: string, fix: string): DataError {
  const where = column === undefined ? `line ${line}` : `line ${line}, column ${column}`;
  return new DataError("DATA-01", `${source}: ${where}: ${what}.`, [["fix", fix]]);
}

/** @throws DataError for what is no finite number */
export function numberAt(text: string, place: Place): number {
  const trimmed = text.trim();
  const value = trimmed === "" ? Number.NaN : Number(trimmed);
  if (Number.isFinite(value)) return value;
  // Fortran writes 1.0D-08.
  const fortran = Number(trimmed.replace(/^([+-]?[\d.]+)d([+-]?\d+)$/i, "$1e$2"));
  if (trimmed !== "" && Number.isFinite(fortran)) return fortran;
  if (trimmed === "" || /^(nan|na|null|none|-)$/i.test(trimmed))
    throw wrongAt(
      place,
      trimmed === "" ? "the number is missing" : `${trimmed} is no number`,
      "leave rows without an observation out: gaps are seen and reported",
    );
  throw wrongAt(place, `"${trimmed}" is no number`, "correct the line, or choose another column");
}

/**
 * Checks the epochs and the sizes of known columns, and finds the gaps.
 *
 * @param refuse - whether a column in a wrong unit fails the whole file, or only who asks for it
 * @throws DataError for no rows, epochs that do not rise, values that are in another unit than the column
 */
export function checked(raw: RawRecord, refuse: "at-once" | "when-asked" = "at-once"): TimeRecord {
  const { mjd, lines, source } = raw;
  if (mjd.length === 0)
    throw new DataError("DATA-01", `${source}: no rows of numbers.`, [
      ["fix", "give a file with one row for each epoch"],
    ]);
  for (let n = 1; n < mjd.length; n++) {
    const [before, now] = [mjd[n - 1] ?? 0, mjd[n] ?? 0];
    if (now > before) continue;
    throw wrongAt(
      { source, line: lines[n] ?? 0 },
      now === before
        ? `the epoch ${show(now)} stands twice`
        : `the epoch ${show(now)} follows ${show(before)}`,
      "epochs must rise: sort the rows, and leave one of each",
    );
  }
  const columns = new Map(raw.columns);
  const unusable = new Map(raw.unusable);
  for (const [name, { unit, values }] of raw.columns) {
    const error = sizeError(raw, name, unit, values);
    if (error === undefined) continue;
    if (refuse === "at-once") throw error;
    columns.delete(name);
    unusable.set(name, error);
  }
  const step = usualStep(mjd);
  return {
    facts: new Map(),
    ...raw,
    columns,
    unusable,
    step,
    gaps: gapsOf(mjd, lines, step),
  };
}

/** The median; of two in the middle the shorter, since gaps only lengthen steps. */
function usualStep(mjd: Float64Array): number {
  const steps = mjd.subarray(1).map((epoch, n) => epoch - (mjd[n] ?? 0));
  steps.sort();
  return steps[(steps.length - 1) >> 1] ?? 0;
}

function gapsOf(mjd: Float64Array, lines: Uint32Array, step: number): Gap[] {
  const gaps: Gap[] = [];
  for (let n = 1; n < mjd.length; n++) {
    const [after, before] = [mjd[n - 1] ?? 0, mjd[n] ?? 0];
    const missing = Math.round((before - after) / step) - 1;
    if (missing >= 1) gaps.push({ after, before, missing, line: lines[n] ?? 0 });
  }
  return gaps;
}

/** Sizes that a column can have in one unit; outside, it is in another. */
interface Range {
  readonly column: RegExp;
  readonly unit: string;
  /** No value is larger. */
  readonly largest: number;
  /** The median is not smaller. */
  readonly smallest: number;
  readonly others: string;
}

const RANGES: readonly Range[] = [
  { column: /^lod$/i, unit: "s", largest: 0.02, smallest: 1e-6, others: "ms" },
  { column: /^lod$/i, unit: "ms", largest: 20, smallest: 1e-3, others: "s" },
  { column: /^[xy]$/i, unit: "arcsec", largest: 3, smallest: 1e-4, others: "mas or rad" },
  { column: /^[xy]$/i, unit: "mas", largest: 3000, smallest: 0.1, others: "arcsec or rad" },
  { column: /^(mass|motion) [xyz]$/, unit: "1", largest: 1e-4, smallest: 0, others: "1e-7 or mas" },
];
/** Rows among which one in the right unit is certainly larger than the smallest median. */
const BLOCK = 64;

function sizeError(
  { source, lines }: RawRecord,
  column: string,
  unit: string,
  values: Float64Array,
): DataError | undefined {
  const range = RANGES.find((each) => each.column.test(column) && each.unit === unit);
  if (range === undefined) return undefined;
  const { largest, smallest, others } = range;
  const sizes = values.map(Math.abs);
  const fix = `give one unit for all rows (is it ${others}?)`;
  const large = sizes.findIndex((size) => size > largest);
  if (large >= 0) {
    const place = { source, line: lines[large] ?? 0, column };
    return wrongAt(place, `${values[large]} ${unit} is too large for ${column}`, fix);
  }
  const known = [...sizes].filter((size) => !Number.isNaN(size));
  const middle = median(known);
  if (known.length >= 3 && middle < smallest) {
    const place = { source, line: lines[0] ?? 0, column };
    return wrongAt(place, `the median ${middle} ${unit} is too small for ${column}`, fix);
  }
  for (let from = 0; from + BLOCK <= sizes.length; from += BLOCK) {
    const block = sizes.subarray(from, from + BLOCK);
    // `every` is true of NaN comparisons turned round: blanks say nothing.
    if (block.some((size) => !(size < smallest))) continue;
    const place = { source, line: lines[from] ?? 0, column };
    const until = lines[from + BLOCK - 1] ?? 0;
    return wrongAt(
      place,
      `up to line ${until} all values are too small for ${column} in ${unit}`,
      fix,
    );
  }
  return undefined;
}

/** A date for days of our time, else the number. */
function show(mjd: number): string {
  return mjd >= 15_020 && mjd < 90_000 ? `MJD ${mjd} (${dateOf(mjd)})` : String(mjd);
}
