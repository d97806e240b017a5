/** @file What the reports and the printed results of all commands on a record begin with. */

import type { Row } from "../../plot/page.ts";
import type { RedNoise } from "../../signal/noise.ts";
import { recordFigures, seriesFigures } from "../../signal/report/lines.ts";
import type { ReportPart, SignalReport } from "../../signal/report/report.ts";
import { spanOf } from "../../signal/series.ts";
import { kebabCase, type OptionValue } from "../options.ts";
import type { Prepared } from "./prepare.ts";
import { several, shown } from "./words.ts";

/** Title, facts, steps and settings; the parts follow. */
export function reportOf(
  title: string,
  prepared: Prepared,
  options: Readonly<Record<string, OptionValue>>,
  results: ReportPart,
  parts: readonly ReportPart[],
): SignalReport {
  const { steps, notes } = prepared;
  return {
    title: `${title} of ${prepared.series.name}`,
    facts: factRows(prepared),
    ...{ steps, notes },
    parts: [results, recordPart(prepared), ...parts],
    settings: settingRows(options),
  };
}

function factRows({ record, series }: Prepared): Row[] {
  const { start, timeUnit, step, unit, re } = series;
  return [
    ["file", record.source],
    ["format", record.format],
    ["SHA-256", record.sha256?.slice(0, 16) ?? "none"],
    ["series", unit === "" ? series.name : `${series.name}, ${unit}`],
    ["samples", `${re.length}, ${shown(step)} ${timeUnit} apart`],
    ["span", `${shown(start)} to ${shown(start + spanOf(series))} ${timeUnit}`],
    ["gaps", gapsOf(series.observed)],
  ];
}

function gapsOf(observed: Uint8Array | undefined): string {
  const missing = observed?.reduce((sum, seen) => sum + (seen === 0 ? 1 : 0), 0) ?? 0;
  return missing === 0 ? "none" : `${several(missing, "sample")} not observed`;
}

function recordPart({ series, residual, removed }: Prepared): ReportPart {
  return {
    title: "The record, and what was taken away",
    figures: [
      ...recordFigures(series, removed?.trend),
      ...(removed === undefined ? [] : seriesFigures("residual", "% without trend", residual)),
    ],
  };
}

/** Options as they were given or filled in; those left out are left out. */
export function settingRows(options: Readonly<Record<string, OptionValue>>): Row[] {
  return Object.entries(options).flatMap(([key, value]): Row[] => {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
    return [[kebabCase(key), Array.isArray(value) ? value.join(", ") : String(value)]];
  });
}

/** The same for `result.json`. */
export function settingsOf(options: Readonly<Record<string, OptionValue>>): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

export function noiseWords({ sd, phi }: RedNoise, unit: string): string {
  return `AR(1) noise, sd ${shown(sd)} ${unit}, φ ${phi.toFixed(3)}`;
}
