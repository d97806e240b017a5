/** @file Gravimeter files of the Global Geodynamics Project: `.ggp`, a sample a minute or a second. */

import { checked, numberAt, wrongAt } from "./checks.ts";
import { mjdOf, type TimeRecord } from "./record.ts";

const BLOCK_START = "77777777";
const BLOCK_END = "88888888";
const FILE_END = "99999999";
const ROW = /^\s*\d{8}\s+\d{6}\s/;
/** What stands where there is no observation. */
const MISSING = [9999.999, 99999.999];

export function isGravimeter(line: string): boolean {
  return ROW.test(line) || line.trimStart().startsWith(BLOCK_START);
}

/**
 * Reads `yyyymmdd hhmmss gravity pressure …`, between marks of blocks. Offsets that a mark of a block carries
 * are not applied; they are in the facts as `offset at line 37`. Values 9999.999 and 99999.999 are NaN.
 *
 * @throws DataError that names line and column
 */
export function parseGravimeter(text: string, source: string): TimeRecord {
  const [mjd, lines]: [number[], number[]] = [[], []];
  const facts = new Map<string, string>();
  let names: (readonly [name: string, unit: string])[] = [];
  const columns: number[][] = [];
  let ended = false;
  text.split("\n").forEach((row, index) => {
    const line = index + 1;
    const words = row.trim().split(/\s+/);
    const [mark = ""] = words;
    if (mark === "" || ended) return;
    if (mark === FILE_END) ended = true;
    if (mark === FILE_END || mark === BLOCK_END) return;
    if (mark === BLOCK_START) {
      if (words.slice(1).some((offset) => Number(offset) !== 0))
        facts.set(`offset at line ${line}`, words.slice(1).join(" "));
      return;
    }
    if (!ROW.test(row)) {
      if (mjd.length > 0)
        throw wrongAt(
          { source, line },
          `"${row.trim().slice(0, 20)}" is no row and no mark of a block`,
          "rows are: yyyymmdd hhmmss gravity pressure",
        );
      if (/^yyyymmdd\s+hhmmss\s/i.test(row.trim())) names = words.slice(2).map(columnName);
      // The label takes 21 characters, or ends with a colon.
      else if (!/^C\*/.test(row) && row.length > 21) {
        const label = row.slice(0, 21).replace(/[\s:]+$/, "");
        facts.set(
          label,
          row
            .slice(21)
            .replace(/^[\s:]+/, "")
            .trim(),
        );
      }
      return;
    }
    const values = words.slice(2);
    if (columns.length === 0) {
      columns.push(...values.map((): number[] => []));
      names = values.map(
        (_, k) => names[k] ?? ([["gravity", "pressure"][k] ?? `channel ${k + 1}`, ""] as const),
      );
    }
    if (values.length !== columns.length)
      throw wrongAt(
        { source, line },
        `${values.length} values`,
        `the rows before have ${columns.length}`,
      );
    const [day = "", time = ""] = words;
    const date = mjdOf(Number(day.slice(0, 4)), Number(day.slice(4, 6)), Number(day.slice(6)));
    const [h, m, s] = [Number(time.slice(0, 2)), Number(time.slice(2, 4)), Number(time.slice(4))];
    if (Number.isNaN(date) || h > 24 || m > 59 || s > 60)
      throw wrongAt(
        { source, line, column: "time" },
        `${day} ${time} is no time`,
        "correct the line",
      );
    mjd.push(date + (h * 3600 + m * 60 + s) / 86_400);
    lines.push(line);
    values.forEach((value, k) => {
      const number = numberAt(value, { source, line, column: names[k]?.[0] ?? "" });
      columns[k]?.push(MISSING.includes(number) ? Number.NaN : number);
    });
  });
  return checked({
    source,
    format: "GGP",
    mjd: Float64Array.from(mjd),
    lines: Uint32Array.from(lines),
    facts,
    columns: new Map(
      columns.map((values, k) => {
        const [name, unit] = names[k] ?? ["", ""];
        return [name, { unit, values: Float64Array.from(values) }];
      }),
    ),
  });
}

/** `gravity(V)` → gravity, V. */
function columnName(word: string): readonly [string, string] {
  const [, name = word, unit = ""] = /^([^([]*)[([]?([^)\]]*)/.exec(word) ?? [];
  return [name.toLowerCase(), unit];
}
