/** @file What a command on a record leaves behind: tables, numbers, plots and the report, each file whole. */

import { join } from "node:path";
import { writeAtomically } from "../../files/atomic.ts";
import { makeFolder } from "../../files/folder.ts";
import { figureFile } from "../../signal/report/figure.ts";
import { figuresOf, renderSignalReport, type SignalReport } from "../../signal/report/report.ts";
import type { Series } from "../../signal/series.ts";
import type { Prepared } from "./prepare.ts";

/** A column of a table: its heading with its unit, and its values; NaN is an empty cell. */
export type CsvColumn = readonly [heading: string, values: ArrayLike<number>];

export interface Results {
  /** Tables by file name. */
  readonly tables: Readonly<Record<string, readonly CsvColumn[]>>;
  /** All numbers, for `result.json`. */
  readonly numbers: object;
  readonly report: SignalReport;
}

/**
 * Writes all files, the report last; all is computed before the first is written.
 *
 * @returns names of the files in the folder
 * @throws DiskError
 */
export async function writeResults(folder: string, results: Results): Promise<string[]> {
  const files = new Map<string, string>();
  for (const [name, columns] of Object.entries(results.tables)) files.set(name, csvOf(columns));
  files.set("result.json", `${JSON.stringify(results.numbers, undefined, 1)}\n`);
  for (const figure of figuresOf(results.report))
    files.set(`${figure.name}.svg`, figureFile(figure));
  files.set("report.html", renderSignalReport(results.report));
  await makeFolder(folder);
  for (const [name, text] of files) await writeAtomically(join(folder, name), text);
  return [...files.keys()];
}

export function csvOf(columns: readonly CsvColumn[]): string {
  const rows = Math.max(0, ...columns.map(([, values]) => values.length));
  const lines = [columns.map(([heading]) => quoted(heading)).join(",")];
  for (let row = 0; row < rows; row++) {
    lines.push(
      columns
        .map(([, values]) => {
          const value = values[row] ?? Number.NaN;
          return Number.isFinite(value) ? String(value) : "";
        })
        .join(","),
    );
  }
  return `${lines.join("\n")}\n`;
}

function quoted(heading: string): string {
  return /[",\n]/.test(heading) ? `"${heading.replaceAll('"', '""')}"` : heading;
}

/** `amplitude (ms)` */
export function heading(name: string, unit: string): string {
  return unit === "" ? name : `${name} (${unit})`;
}

/** A series as a column, or as the two of a complex one. */
export function seriesColumns(name: string, { unit, re, im, observed }: Series): CsvColumn[] {
  const seen = (part: Float64Array) =>
    observed === undefined ? part : part.map((x, n) => (observed[n] === 0 ? Number.NaN : x));
  if (im === undefined) return [[heading(name, unit), seen(re)]];
  return [
    [heading(`${name} x`, unit), seen(re)],
    [heading(`${name} y`, unit), seen(im.map((value) => 0 - value))],
  ];
}

/** What every result says of its source. */
export function sourceFacts({ record, column, series, removed, steps, notes }: Prepared): object {
  return {
    source: {
      file: record.source,
      sha256: record.sha256 ?? null,
      format: record.format,
      column,
    },
    units: { value: series.unit, time: series.timeUnit },
    samples: {
      count: series.re.length,
      start: series.start,
      step: series.step,
      missing: series.observed?.reduce((sum, seen) => sum + (seen === 0 ? 1 : 0), 0) ?? 0,
    },
    steps,
    notes,
    trend:
      removed === undefined ? null : { ...removed.options, coefficients: removed.coefficients },
  };
}
