/** @file Lines with their deviations, as rows of a table, as sentences, and as numbers. */

import type { DampedLine, Estimate } from "../../signal/fit/damped-lines.ts";
import { powerOf, powerWords } from "../../signal/report/power.ts";
import type { ReportTable } from "../../signal/report/report.ts";
import type { Series } from "../../signal/series.ts";
import { shown, within } from "./words.ts";

type Estimates = Pick<
  DampedLine,
  "period" | "frequency" | "damping" | "quality" | "amplitude" | "phase"
>;

/** A line that was asked for. */
export interface Asked {
  /** In time units. */
  readonly wanted: number;
  /** Absent where nothing was found. */
  readonly estimates?: Estimates | undefined;
  /**
   * Whether the deviations come from draws. Those of the least squares alone are of independent samples, which
   * records of this kind are not, so they are not shown.
   */
  readonly drawn: boolean;
}

/** The table of results. */
export function estimateTable({ unit, timeUnit }: Series, lines: readonly Asked[]): ReportTable {
  return {
    title: "",
    headings: [
      "wanted",
      `period, ${timeUnit}`,
      unit === "" ? "amplitude" : `amplitude, ${unit}`,
      `damping per ${timeUnit.slice(0, -1)}`,
      "Q",
      "phase, °",
    ],
    rows: lines.map(cellsOf),
  };
}

function cellsOf({ wanted, estimates, drawn }: Asked): string[] {
  if (estimates === undefined) return [shown(wanted), "nothing found", "", "", "", ""];
  const { period, amplitude, damping, quality, phase } = estimates;
  const cell = ({ value, sd }: Pick<Estimate, "value" | "sd">) =>
    drawn ? within(value, sd) : shown(value);
  const [low, high] = quality.interval;
  return [
    shown(wanted),
    cell(period),
    cell(amplitude),
    cell(damping),
    drawn ? rangeWords(quality.value, low, high) : qualityWords(quality.value),
    cell({ value: (phase.value * 180) / Math.PI, sd: (phase.sd * 180) / Math.PI }),
  ];
}

/** A line that grows has no Q. */
export function qualityWords(value: number): string {
  return Number.isFinite(value) ? shown(value) : "none, it grows";
}

/** A damping that may be 0 has no largest Q, and a line that grows none at all. */
function rangeWords(value: number, low: number, high: number): string {
  if (!Number.isFinite(low)) return "none, it grows";
  if (low > 0 && Number.isFinite(high)) return `${shown(value)} (${shown(low)} to ${shown(high)})`;
  return low > 0 ? `above ${shown(low)}` : "not bounded";
}

/** What the record says of each line's damping and amplitude, and what it could have said. */
export function verdictsOf({ unit, timeUnit }: Series, lines: readonly Asked[]): string[] {
  return lines.flatMap(({ estimates, drawn }) =>
    drawn && estimates !== undefined ? [powerWords(estimates, unit, timeUnit)] : [],
  );
}

export function estimateNumbers({ wanted, estimates, drawn }: Asked): object {
  if (estimates === undefined) return { wanted, period: null };
  const numbers = ({ value, sd, interval }: Estimate) =>
    drawn ? { value, sd, low: interval[0], high: interval[1] } : { value };
  const { period, frequency, amplitude, damping, quality, phase } = estimates;
  return {
    wanted,
    period: numbers(period),
    frequency: numbers(frequency),
    amplitude: numbers(amplitude),
    damping: numbers(damping),
    quality: numbers(quality),
    phase: numbers(phase),
    ...(drawn && { power: powerOf(estimates) }),
  };
}
