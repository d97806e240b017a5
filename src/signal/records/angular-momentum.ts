/** @file Effective angular momentum of atmosphere, ocean and land: the `.asc` files of GFZ. */

import { checked, numberAt, wrongAt } from "./checks.ts";
import { mjdOf, type TimeRecord } from "./record.ts";

export const MOMENTUM_COLUMNS: readonly string[] = [
  "mass x",
  "mass y",
  "mass z",
  "motion x",
  "motion y",
  "motion z",
];
/** Year, month, day, hour, MJD, and six numbers with exponents. */
const ROW = /^\s*\d{4}\s+\d{2}\s+\d{2}\s+\d{2}\s+\d+\.\d+\s+[-+]?\d\.\d+e/i;
const FIELDS = 11;

export function isAngularMomentum(line: string): boolean {
  return ROW.test(line) && line.trim().split(/\s+/).length === FIELDS;
}

/**
 * Reads AAM, OAM, HAM or SLAM: a head in words, then `YYYY MM DD HH MJD`, mass x y z, motion x y z, without
 * unit. Files of several years may be joined: heads in between are passed over.
 *
 * @throws DataError that names line and column
 */
export function parseAngularMomentum(text: string, source: string): TimeRecord {
  const [mjd, lines]: [number[], number[]] = [[], []];
  const columns = MOMENTUM_COLUMNS.map((): number[] => []);
  const facts = new Map<string, string>();
  let inHead = true;
  text.split("\n").forEach((row, index) => {
    const line = index + 1;
    const words = row.trim().split(/\s+/);
    const dated = /^\s*\d{4}\s+\d{1,2}\s+\d{1,2}\s/.test(row);
    if (!dated) {
      const fact = /^(\S[^:]{2,28}?)\s*:\s*(.*)$/.exec(row);
      if (fact?.[1] !== undefined && !facts.has(fact[1]))
        facts.set(fact[1], (fact[2] ?? "").trim());
      if (row.trim() === "" || inHead) return;
      // A second file behind the first begins with its title.
      if (!/angular momentum/i.test(row))
        throw wrongAt(
          { source, line },
          `"${row.trim().slice(0, 20)}" is no row`,
          "rows begin with year, month and day",
        );
      inHead = true;
      return;
    }
    inHead = false;
    if (words.length !== FIELDS)
      throw wrongAt(
        { source, line },
        `${words.length} fields`,
        `a row has ${FIELDS}: year, month, day, hour, MJD, mass x y z, motion x y z`,
      );
    const at = (k: number, column: string): number =>
      numberAt(words[k] ?? "", { source, line, column });
    const epoch = at(4, "MJD");
    const day = mjdOf(at(0, "year"), at(1, "month"), at(2, "day")) + at(3, "hour") / 24;
    // Three decimals of a day.
    if (!(Math.abs(day - epoch) < 0.002))
      throw wrongAt(
        { source, line, column: "MJD" },
        `MJD ${epoch} is not the date ${words.slice(0, 3).join("-")} ${words[3]} h`,
        "take the file anew: it is damaged",
      );
    mjd.push(epoch);
    lines.push(line);
    MOMENTUM_COLUMNS.forEach((name, k) => {
      columns[k]?.push(at(5 + k, name));
    });
  });
  return checked({
    source,
    format: "effective angular momentum",
    mjd: Float64Array.from(mjd),
    lines: Uint32Array.from(lines),
    facts,
    columns: new Map(
      MOMENTUM_COLUMNS.map((name, k) => [
        name,
        { unit: "1", values: Float64Array.from(columns[k] ?? []) },
      ]),
    ),
  });
}
