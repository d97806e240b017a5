/** @file IERS EOP C04: the combined daily series of Earth orientation, of 2014 and of 2020. */

import { checked, numberAt, wrongAt } from "./checks.ts";
import { mjdOf, type TimeRecord } from "./record.ts";

interface Layout {
  readonly format: string;
  /** Fields before the columns: year, month, day (hour), MJD. */
  readonly head: number;
  readonly columns: readonly (readonly [name: string, unit: string])[];
}

/**
 * By the number of fields on a line, never by place: LOD is the fourth column behind the date in the one, the
 * eighth in the other.
 */
const LAYOUTS: Readonly<Record<number, Layout>> = {
  16: {
    format: "IERS EOP 14 C04",
    head: 4,
    columns: [
      ["x", "arcsec"],
      ["y", "arcsec"],
      ["UT1-UTC", "s"],
      ["LOD", "s"],
      ["dX", "arcsec"],
      ["dY", "arcsec"],
      ["x error", "arcsec"],
      ["y error", "arcsec"],
      ["UT1-UTC error", "s"],
      ["LOD error", "s"],
      ["dX error", "arcsec"],
      ["dY error", "arcsec"],
    ],
  },
  21: {
    format: "IERS EOP 20 C04",
    head: 5,
    columns: [
      ["x", "arcsec"],
      ["y", "arcsec"],
      ["UT1-UTC", "s"],
      ["dX", "arcsec"],
      ["dY", "arcsec"],
      ["x rate", "arcsec/day"],
      ["y rate", "arcsec/day"],
      ["LOD", "s"],
      ["x error", "arcsec"],
      ["y error", "arcsec"],
      ["UT1-UTC error", "s"],
      ["dX error", "arcsec"],
      ["dY error", "arcsec"],
      ["x rate error", "arcsec/day"],
      ["y rate error", "arcsec/day"],
      ["LOD error", "s"],
    ],
  },
};

/** A row of either: year, month, day, and nothing but numbers. */
const ROW = /^\s*\d{4}\s+\d{1,2}\s+\d{1,2}\s+\d/;

export function isC04(line: string): boolean {
  return ROW.test(line) && line.trim().split(/\s+/).length in LAYOUTS;
}

/**
 * Reads EOP 14 C04 (16 fields) or 20 C04 (21 fields). The length of day contains the zonal tides.
 *
 * @throws DataError that names line and column
 */
export function parseC04(text: string, source: string): TimeRecord {
  let layout: Layout | undefined;
  let fields = 0;
  const [mjd, lines]: [number[], number[]] = [[], []];
  let columns: number[][] = [];
  text.split("\n").forEach((row, index) => {
    const line = index + 1;
    const words = row.trim().split(/\s+/);
    if (words[0] === "" || row.startsWith("#")) return;
    if (layout === undefined) {
      // Lines of text above the first row, as 14 C04 has them.
      if (!ROW.test(row)) return;
      layout = LAYOUTS[words.length];
      fields = words.length;
      columns = layout?.columns.map(() => []) ?? [];
    }
    if (layout === undefined || words.length !== fields)
      throw wrongAt(
        { source, line },
        `${words.length} fields`,
        layout === undefined
          ? "EOP 14 C04 has 16 fields on a line, 20 C04 has 21"
          : `${layout.format} has ${fields} fields on every line`,
      );
    const { head } = layout;
    const at = (k: number, column: string): number =>
      numberAt(words[k] ?? "", { source, line, column });
    const epoch = at(head - 1, "MJD");
    const hour = head === 5 ? at(3, "hour") : 0;
    const day = mjdOf(at(0, "year"), at(1, "month"), at(2, "day")) + hour / 24;
    // Two decimals of a day.
    if (!(Math.abs(day - epoch) < 0.006))
      throw wrongAt(
        { source, line, column: "MJD" },
        `MJD ${epoch} is not the date ${words.slice(0, 3).join("-")}`,
        "take the file anew: it is damaged",
      );
    mjd.push(epoch);
    lines.push(line);
    layout.columns.forEach(([name], k) => {
      columns[k]?.push(at(head + k, name));
    });
  });
  const known = layout ?? LAYOUTS[21];
  return checked({
    source,
    format: known?.format ?? "",
    mjd: Float64Array.from(mjd),
    lines: Uint32Array.from(lines),
    columns: new Map(
      (known?.columns ?? []).map(([name, unit], k) => [
        name,
        { unit, values: Float64Array.from(columns[k] ?? []) },
      ]),
    ),
  });
}
