/** @file Tables with a header: CSV, TSV, and the `;`-separated files of the IERS data centre. */

import { DataError, suggestion } from "../../core/errors.ts";
import { checked, numberAt, wrongAt } from "./checks.ts";
import { cellsOf, separatorOf } from "./csv.ts";
import { mjdOf, mjdOfYears, plain, type TimeRecord } from "./record.ts";
import { columnsOf, type TableColumn } from "./table-columns.ts";

export interface TableOptions {
  /** Name of the column of epochs; found by its name when absent: mjd, jd, date, year, seconds. */
  readonly time?: string;
  /** What the epochs are; told by name and values when absent. */
  readonly timeForm?: TimeForm;
  /** Units of columns whose names do not say: `{ LOD: "ms" }`. Else s for LOD, arcsec for x and y. */
  readonly units?: Readonly<Record<string, string>>;
  /** What to do with empty cells and NaN: refuse the column (when absent), or leave the sample out. */
  readonly missing?: "refuse" | "leave-out";
  /** Whether rows marked as predictions are kept; they are left out when absent. */
  readonly predictions?: boolean;
}

export type TimeForm = "mjd" | "jd" | "date" | "years" | "days" | "seconds";

interface Row {
  readonly line: number;
  readonly cells: readonly string[];
}

/**
 * Reads a table whose first line names its columns. Units stand in the names: `lod_ms`, `LOD (ms)`,
 * `x [mas]`. Columns with text in them are there to be named in an error, and do no harm unless asked for.
 *
 * @throws DataError that names line and column
 */
export function parseTable(text: string, source: string, options: TableOptions = {}): TimeRecord {
  const { header, rows: all } = split(text, source);
  const columns = columnsOf(header, options.units ?? {});
  const published = header.some((name) => plain(name) === "sigmaxpole");
  const rows = published && options.predictions !== true ? observedRows(header, all) : all;
  const epochs = epochsOf(columns, rows, source, options);
  const known = new Map<string, { unit: string; values: Float64Array }>();
  const unusable = new Map<string, DataError>();
  const blanks = published || options.missing === "leave-out";
  for (const { name, unit, index } of columns) {
    if (epochs.used.has(index)) continue;
    try {
      const values = Float64Array.from(rows, ({ line, cells }) => {
        const cell = (cells[index] ?? "").trim();
        if (blanks && /^(|nan|na|null|none|-)$/i.test(cell)) return Number.NaN;
        return numberAt(cell, { source, line, column: name });
      });
      known.set(name, { unit, values });
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      unusable.set(name, error);
    }
  }
  return checked(
    {
      ...{ source, format: "table", mjd: epochs.mjd, columns: known, unusable },
      lines: Uint32Array.from(rows, ({ line }) => line),
    },
    "when-asked",
  );
}

function split(text: string, source: string): { header: readonly string[]; rows: readonly Row[] } {
  const lines = text
    .replace(/^\ufeff/, "")
    .split("\n")
    .map((row, index) => ({ row: row.replace(/\r$/, ""), line: index + 1 }))
    .filter(({ row }) => row.trim() !== "");
  const data = lines.filter(({ row }) => !/^\s*[#%]/.test(row));
  const [first] = data;
  if (first === undefined)
    throw new DataError("DATA-01", `${source}: no rows.`, [
      ["fix", "give a file with one row for each epoch"],
    ]);
  const separator = separatorOf(first.row);
  const cut = (row: string): string[] => cellsOf(row, separator);
  const numeric = cut(first.row).every((cell) => cell.trim() !== "" && !Number.isNaN(Number(cell)));
  // numpy's savetxt writes the names as a comment.
  const comment = lines.filter(({ row, line }) => /^\s*[#%]/.test(row) && line < first.line).at(-1);
  const named = cut((comment?.row ?? "").replace(/^\s*[#%]+\s*/, ""));
  if (numeric && named.length !== cut(first.row).length)
    throw wrongAt(
      { source, line: first.line },
      `${cut(first.row).length} numbers where the names of columns should stand`,
      "put a header above: mjd,lod_ms for example",
    );
  const header = numeric ? named : cut(first.row);
  const rows = data.slice(numeric ? 0 : 1).map(({ row, line }) => ({ line, cells: cut(row) }));
  for (const { line, cells } of rows) {
    // The data centre leaves separators at the end of a line out.
    if (cells.length <= header.length && (separator !== " " || cells.length === header.length))
      continue;
    throw wrongAt(
      { source, line },
      `${cells.length} cells below ${header.length} names`,
      "give every row as many cells as the header has",
    );
  }
  return { header, rows };
}

/** Of files of the data centre: rows that are observed, or of a series that has nothing else. */
function observedRows(header: readonly string[], rows: readonly Row[]): readonly Row[] {
  const type = header.findIndex((name) => plain(name) === "type");
  const [place] = type < 0 ? [] : [type];
  if (place === undefined || rows.every(({ cells }) => (cells[place] ?? "").trim() === ""))
    return rows;
  return rows.filter(({ cells }) => (cells[place] ?? "").trim() === "final");
}

interface Epochs {
  readonly mjd: Float64Array;
  /** Places of columns that are no data. */
  readonly used: ReadonlySet<number>;
}

const TIME_NAMES: Readonly<Record<TimeForm, readonly string[]>> = {
  mjd: ["mjd", "mjdutc"],
  jd: ["jd", "juliandate"],
  date: ["date", "datetime", "time", "epoch", "utc"],
  years: ["decimalyear", "years", "year", "yr", "t"],
  days: ["days", "day"],
  seconds: ["seconds", "sec"],
};
const UNIT_FORMS: Readonly<Record<string, TimeForm>> = {
  years: "years",
  yr: "years",
  days: "days",
  d: "days",
  s: "seconds",
};

function epochsOf(
  columns: readonly TableColumn[],
  rows: readonly Row[],
  source: string,
  { time, timeForm }: TableOptions,
): Epochs {
  const byName = (name: string): TableColumn | undefined =>
    columns.find(
      (column) => plain(column.name) === plain(name) || plain(column.given) === plain(name),
    );
  const calendar = ["year", "month", "day"].map(byName);
  if (time !== undefined && byName(time) === undefined)
    throw new DataError("DATA-01", `${source}: no column "${time}" for the epochs.`, [
      [
        "fix",
        suggestion(
          time,
          columns.map(({ name }) => name),
        ),
      ],
    ]);
  const found =
    time === undefined ? guess(columns, rows) : { column: byName(time), form: undefined };
  const column = found?.column;
  const form = timeForm ?? found?.form ?? (column && formOf(column, rows));
  if (
    column !== undefined &&
    form !== undefined &&
    !(form === "years" && calendar.every(Boolean))
  ) {
    const { index, name } = column;
    return {
      mjd: Float64Array.from(rows, ({ cells, line }) =>
        epochOf(cells[index] ?? "", form, { source, line, column: name }),
      ),
      used: new Set([index]),
    };
  }
  if (calendar.every((each) => each !== undefined)) {
    const places = calendar.map((each) => each.index);
    const mjd = Float64Array.from(rows, ({ cells, line }) => {
      const parts = calendar.map((each) =>
        numberAt(cells[each.index] ?? "", { source, line, column: each.name }),
      );
      const [year = 0, month = 0, day = 0] = parts;
      const epoch = mjdOf(year, month, day);
      if (!Number.isNaN(epoch)) return epoch;
      throw wrongAt(
        { source, line, column: "day" },
        `${parts.join("-")} is no date`,
        "correct the line",
      );
    });
    return { mjd, used: new Set(places) };
  }
  throw new DataError("DATA-01", `${source}: no column of epochs.`, [
    ["columns", columns.map(({ given }) => given).join(", ")],
    ["fix", "name one of them mjd, date, year or seconds, or say which it is"],
  ]);
}

function guess(
  columns: readonly TableColumn[],
  rows: readonly Row[],
): { column: TableColumn; form: TimeForm } | undefined {
  for (const form of ["mjd", "jd", "date", "years", "days", "seconds"] as const) {
    for (const column of columns) {
      if (!TIME_NAMES[form].includes(plain(column.name))) continue;
      // `time_s` and `t (days)` say it themselves.
      return { column, form: formOf(column, rows) ?? form };
    }
  }
  return undefined;
}

/** By its unit, its name, or the look of its first value. */
function formOf(column: TableColumn, rows: readonly Row[]): TimeForm | undefined {
  const named = UNIT_FORMS[column.unit];
  if (named !== undefined) return named;
  const form = (Object.keys(TIME_NAMES) as TimeForm[]).find((each) =>
    TIME_NAMES[each].includes(plain(column.name)),
  );
  if (form !== undefined && form !== "date") return form;
  const cell = (rows[0]?.cells[column.index] ?? "").trim();
  const value = Number(cell);
  if (cell === "" || Number.isNaN(value)) return "date";
  if (value > 1000 && value < 3000) return "years";
  return value > 15_000 && value < 90_000 ? "mjd" : "seconds";
}

function epochOf(
  cell: string,
  form: TimeForm,
  place: { readonly source: string; readonly line: number; readonly column: string },
): number {
  if (form === "date") {
    const [, year, month = "1", day = "1", h = "0", m = "0", s = "0"] =
      /^(\d{4})-(\d{2})(?:-(\d{2}))?(?:[T ](\d{2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?)?Z?$/.exec(
        cell.trim(),
      ) ?? [];
    const date = mjdOf(Number(year), Number(month), Number(day));
    const epoch = date + (Number(h) * 3600 + Number(m) * 60 + Number(s)) / 86_400;
    if (Number.isFinite(epoch)) return epoch;
    throw wrongAt(
      place,
      `"${cell.trim()}" is no date`,
      "dates are 1977-03-01, or 1977-03-01T12:00:00",
    );
  }
  const value = numberAt(cell, place);
  switch (form) {
    case "jd":
      return value - 2_400_000.5;
    case "years":
      return mjdOfYears(value);
    case "seconds":
      return value / 86_400;
    default:
      return value;
  }
}
