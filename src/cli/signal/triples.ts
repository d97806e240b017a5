/** @file Groups of singular triples as tables, plots and printed lines. */

import type { Figure } from "../../signal/report/figure.ts";
import { oscillationFigures } from "../../signal/report/lines.ts";
import type { ReportPart, ReportTable } from "../../signal/report/report.ts";
import { correlationFigure, singularFigure } from "../../signal/report/triples.ts";
import { type Series, timesOf, withValues } from "../../signal/series.ts";
import type { SsaLine } from "../../signal/ssa/forecast.ts";
import { dominantPeriod } from "../../signal/ssa/grouping.ts";
import type { MonteCarloTest } from "../../signal/ssa/monte-carlo.ts";
import type { Decomposition } from "../../signal/ssa/ssa.ts";
import { formatTable } from "../table.ts";
import { noiseWords } from "./head.ts";
import type { Prepared } from "./prepare.ts";
import { type CsvColumn, heading, seriesColumns } from "./results.ts";
import { several, shown } from "./words.ts";

/** Groups that are drawn: the rest is noise, and stands in the tables. */
const MOST_DRAWN = 8;

export interface Group {
  readonly name: string;
  /** Counted from 0. */
  readonly triples: readonly number[];
}

export interface Found extends Group {
  readonly component: Series;
  readonly lines: readonly SsaLine[];
  /** After the record. */
  readonly ahead?: Series;
}

export function without(residual: Series, parts: readonly Series[]): Series {
  const less = (values: Float64Array, part: (series: Series) => Float64Array | undefined) =>
    values.map((x, n) => parts.reduce((left, each) => left - (part(each)?.[n] ?? 0), x));
  return withValues(
    residual,
    less(residual.re, ({ re }) => re),
    residual.im && less(residual.im, ({ im }) => im),
  );
}

function shareOf({ triples }: Group, { shares }: Decomposition): number {
  return triples.reduce((sum, k) => sum + (shares[k] ?? 0), 0);
}

export function groupNumbers(group: Found, decomposition: Decomposition): object {
  const { name, triples, lines } = group;
  return {
    name,
    triples: triples.map((k) => k + 1),
    share: shareOf(group, decomposition),
    lines: lines.map(({ period, damping }) => ({ period, damping })),
  };
}

export function tablesOf(
  { series, residual }: Prepared,
  { singularValues, eigenvalues, shares }: Decomposition,
  found: readonly Found[],
  left: Series,
  test: MonteCarloTest | undefined,
): Record<string, readonly CsvColumn[]> {
  const { unit, timeUnit } = series;
  const ahead = found.flatMap(({ name, ahead: next }) =>
    next === undefined ? [] : [{ name, next }],
  );
  const [first] = ahead;
  const rows = test?.rows ?? [];
  return {
    "components.csv": [
      [heading("time", timeUnit), timesOf(series)],
      ...seriesColumns("record without trend", residual),
      ...found.flatMap(({ name, component }) => seriesColumns(name, component)),
      ...seriesColumns("what is left", left),
    ],
    "triples.csv": [
      ["triple", Array.from(shares, (_, k) => k + 1)],
      [heading("singular value", unit), singularValues],
      [heading("variance", unit === "" ? "" : `${unit}²`), eigenvalues],
      ["share", shares],
      ...(test === undefined
        ? []
        : [
            [heading("period of the vector", timeUnit), rows.map(({ period }) => period)] as const,
            ["red noise, low", rows.map(({ lower }) => lower)] as const,
            ["red noise, high", rows.map(({ upper }) => upper)] as const,
            ["p", rows.map(({ p }) => p)] as const,
          ]),
    ],
    ...(first !== undefined && {
      "forecast.csv": [
        [heading("time", timeUnit), timesOf(first.next)],
        ...ahead.flatMap(({ name, next }) => seriesColumns(name, next)),
      ],
    }),
  };
}

export function triplesPart(
  decomposition: Decomposition,
  found: readonly Found[],
  correlations: readonly Float64Array[],
  test: MonteCarloTest | undefined,
): ReportPart {
  const { series, window, variant } = decomposition;
  const length = `${shown(window * series.step)} ${series.timeUnit}`;
  return {
    title: "Triples",
    text: [
      `Window of ${several(window, "sample")} (${length}), variant ${variant}.`,
      test === undefined
        ? "No surrogates were drawn, so nothing is said of chance."
        : `Held against ${test.draws} records of ${noiseWords(test.noise, series.unit)} (seed ${test.seed}). Every triple is a test of its own: of 30, one or two leave a band of 95 % by chance.`,
    ],
    tables: [groupTable(decomposition, found, test)],
    figures: [singularFigure(decomposition, test), correlationFigure(correlations)],
  };
}

function groupTable(
  decomposition: Decomposition,
  found: readonly Found[],
  test: MonteCarloTest | undefined,
): ReportTable {
  const { timeUnit } = decomposition.series;
  return {
    title: "",
    headings: [
      "group",
      "triples",
      "share, %",
      `periods, ${timeUnit}`,
      `damping per ${timeUnit.slice(0, -1)}`,
      "least p",
    ],
    rows: found.map((group) => {
      const { name, triples, lines } = group;
      const chances = triples.flatMap((k) => test?.rows[k]?.p ?? []);
      const turning = lines.filter(({ period }) => Number.isFinite(period));
      // One triple alone is half of a line: ESPRIT sees no turning, its vector has a period all the same.
      const own = triples.map((k) => shown(dominantPeriod(decomposition, k)));
      return [
        name,
        triples.length === 0 ? "none" : triples.map((k) => k + 1).join(", "),
        shown(100 * shareOf(group, decomposition)),
        turning.map(({ period }) => shown(period)).join(", ") || own.join(", "),
        turning.map(({ damping }) => shown(damping)).join(", "),
        chances.length === 0 ? "" : Math.min(...chances).toFixed(3),
      ];
    }),
  };
}

export function groupFigures(residual: Series, found: readonly Found[]): Figure[] {
  return found
    .filter(({ triples }) => triples.length > 0)
    .slice(0, MOST_DRAWN)
    .flatMap(({ name, component }, i) =>
      oscillationFigures(
        `group-${i + 1}`,
        residual,
        { name, line: "group", restored: component },
        true,
      ),
    );
}

export function printGroups(
  { steps, notes }: Prepared,
  decomposition: Decomposition,
  found: readonly Found[],
  test: MonteCarloTest | undefined,
  out: (line: string) => void,
): void {
  for (const [i, step] of steps.entries()) out(`${i + 1}. ${step}`);
  for (const note of notes) out(`Note: ${note}`);
  const { headings, rows } = groupTable(decomposition, found, test);
  out("");
  out(formatTable(headings, rows, { align: ["left", "left"] }));
}
