/** @file From the lines of `metrics.jsonl` to what the report shows. */

import { cpus } from "node:os";
import { formatCount } from "../core/text.ts";
import type { MetricsRow } from "./metrics.ts";
import type { LanguageModel } from "./model.ts";
import type { ExpertLoad, ReportData, ReportSeries } from "./report.ts";

const SERIES = [
  "train/loss",
  "eval/loss",
  "optim/learning_rate",
  "optim/gradient_norm",
  "throughput/tokens_per_second",
] as const;

/** `moe/load/<layer>/<expert>` → layer and expert. */
const LOAD = /^moe\/load\/(\d+)\/(\d+)$/;

export interface RunFacts {
  readonly title: string;
  readonly engine: string;
  readonly state: string;
  readonly config: unknown;
}

export function reportData(
  model: LanguageModel,
  rows: readonly MetricsRow[],
  run: RunFacts,
): ReportData {
  const facts = model.facts();
  return {
    title: run.title,
    facts: [
      ["preset", model.preset],
      ["parameters", formatCount(facts.parameters)],
      ["activated per token", formatCount(facts.activatedParameters)],
      ["engine", run.engine],
      ["CPU", cpus()[0]?.model ?? "unknown"],
      ["state", run.state],
    ],
    series: SERIES.map((name): ReportSeries => ({ name, points: pointsOf(rows, name) })).filter(
      ({ points }) => points.length > 0,
    ),
    experts: expertLoads(rows),
    samples: rows.flatMap(({ step, sample }) =>
      typeof sample === "string" ? [{ step, text: sample }] : [],
    ),
    skipped: rows
      .filter((row) => Number(row["train/skipped"] ?? 0) > 0)
      .map(({ step }) => ({ step, reason: "loss or gradient not finite" })),
    config: run.config,
  };
}

function pointsOf(
  rows: readonly MetricsRow[],
  name: string,
): readonly { step: number; value: number }[] {
  return rows.flatMap((row) => {
    const value = row[name];
    if (value === undefined) return [];
    return [{ step: row.step, value: typeof value === "number" ? value : Number.NaN }];
  });
}

function expertLoads(rows: readonly MetricsRow[]): readonly ExpertLoad[] {
  const layers = new Map<string, { steps: number[]; loads: number[][] }>();
  for (const row of rows) {
    const found = new Map<string, number[]>();
    for (const [name, value] of Object.entries(row)) {
      const match = LOAD.exec(name);
      if (match === null || typeof value !== "number") continue;
      const loads = found.get(match[1] ?? "") ?? [];
      loads[Number(match[2])] = value;
      found.set(match[1] ?? "", loads);
    }
    for (const [layer, loads] of found) {
      const entry = layers.get(layer) ?? { steps: [], loads: [] };
      entry.steps.push(row.step);
      entry.loads.push(loads);
      layers.set(layer, entry);
    }
  }
  return [...layers].map(([layer, entry]) => ({ layer: `sparse layer ${layer}`, ...entry }));
}
