/** @file A run as its pages see it: its rows with every place along the three axes, and its configuration. */

import type { Point } from "../../plot/line-chart.ts";
import type { MetricsRow } from "../metrics.ts";

/** What the pages show of one run. */
export interface RunView {
  readonly name: string;
  readonly rows: readonly MetricsRow[];
  /** The resolved configuration, JSON. */
  readonly config: unknown;
  /** What the preset says of the same sections, to show what differs; absent when the preset is gone. */
  readonly preset?: unknown;
}

/** What a chart's x axis counts. */
export type XKind = "step" | "tokens" | "minutes";

export const X_TITLES: Readonly<Record<XKind, string>> = {
  step: "step",
  tokens: "tokens seen",
  minutes: "minutes of training",
};

/** Places of every step along each axis. */
export interface Places {
  at(kind: XKind, step: number): number;
}

/** Columns that are axes themselves, and so are not drawn over one. */
export const AXIS_METRICS: readonly string[] = ["train/tokens", "train/seconds", "train/batches"];

/** As the run has counted them, so that breaks between two sessions take no room, and skipped batches count. */
export function placesOf({ rows }: RunView): Places {
  const counted = (metric: string) =>
    rows.flatMap(({ step, [metric]: value }) =>
      typeof value === "number" ? [[step, value] as const] : [],
    );
  const [tokens, seconds] = [counted("train/tokens"), counted("train/seconds")];
  return {
    at(kind, step) {
      if (kind === "step") return step;
      return kind === "tokens" ? lastUpTo(tokens, step) : lastUpTo(seconds, step) / 60;
    },
  };
}

/** The value of the last step that is not past `step`; 0 before the first. */
function lastUpTo(list: readonly (readonly [number, number])[], step: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.[0] ?? 0) <= step) low = middle + 1;
    else high = middle;
  }
  return list[low - 1]?.[1] ?? 0;
}

/** A metric's points; what is no number, such as the null of a NaN, leaves a gap. */
export function pointsOf(
  { rows }: RunView,
  metric: string,
  place: (step: number) => number,
): readonly Point[] {
  return rows.flatMap((row) => {
    const value = row[metric];
    if (value === undefined || typeof value === "string" || typeof value === "boolean") return [];
    return [{ x: place(row.step), value: value ?? Number.NaN }];
  });
}

/** Names of all numeric metrics, in the order of their first appearance. */
export function metricsOf({ rows }: RunView): readonly string[] {
  const names = new Set<string>();
  for (const row of rows)
    for (const [name, value] of Object.entries(row))
      if (name.includes("/") && (typeof value === "number" || value === null)) names.add(name);
  return [...names];
}

/** Load of one sparse layer's experts through time. */
export interface ExpertLoad {
  readonly layer: string;
  readonly steps: readonly number[];
  /** `[step, expert]` tokens served, in any unit. */
  readonly loads: readonly (readonly number[])[];
}

/** `moe/load/<layer>/<expert>` → layer and expert. */
const LOAD = /^moe\/load\/(\d+)\/(\d+)$/;

/** Whether a metric is one cell of the experts' load, which has maps of its own. */
export function isExpertLoad(metric: string): boolean {
  return LOAD.test(metric);
}

export function expertLoads({ rows }: RunView): readonly ExpertLoad[] {
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

/** Text the model wrote, oldest first. */
export function samplesOf({
  rows,
}: RunView): readonly { readonly step: number; readonly text: string }[] {
  return rows.flatMap(({ step, sample }) =>
    typeof sample === "string" ? [{ step, text: sample }] : [],
  );
}

/** Steps whose update was not applied. */
export function skippedSteps({ rows }: RunView): readonly number[] {
  return rows.flatMap((row) => (Number(row["train/skipped"] ?? 0) > 0 ? [row.step] : []));
}
