/** @file A run that may be going on: how far it is, how fast, and whether anything is new. */

import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { formatCount, formatSeconds } from "../core/text.ts";
import { ifPresent } from "../files/disk.ts";
import type { Row } from "../plot/page.ts";
import { writerOf } from "../train/lock.ts";
import type { MetricsRow } from "../train/metrics.ts";
import { readReport } from "../train/report/read-report.ts";
import type { Report } from "../train/report/report.ts";

/** How far a run is. */
export interface Progress {
  readonly step: number;
  /** Steps that the configuration asks for; 0 when it does not say. */
  readonly steps: number;
  /** Seconds to the end at the pace of the last steps; null when nothing runs or nothing is known. */
  readonly secondsLeft: number | null;
  /** The process that trains, in words; null when none does. */
  readonly writer: string | null;
}

export interface LiveRun {
  readonly progress: Progress;
  readonly report: Report;
}

/** Steps whose times give the pace. */
const PACE_STEPS = 50;

/** @throws RunError when the folder holds no run */
export async function readLiveRun(folder: string): Promise<LiveRun> {
  const [report, writer] = await Promise.all([readReport(folder), writerOf(folder)]);
  const progress = progressOf(report.rows, stepsOf(report.config), writer);
  return { progress, report: { ...report, facts: [...report.facts, ...factsOf(progress)] } };
}

/** A word that changes when the page has something new to show. */
export async function revisionOf(folder: string): Promise<string> {
  const sizes = ["metrics.jsonl", "config.json"].map(async (name) => {
    const found = await ifPresent(stat(join(folder, name)));
    return found === undefined ? "" : `${found.size}:${found.mtimeMs}`;
  });
  const lock = await ifPresent(readFile(join(folder, "run.lock"), "utf8"));
  return `${(await Promise.all(sizes)).join(" ")} ${lock ?? ""}`;
}

/** Pace from the times that the rows carry, so that it needs no clock of its own. */
export function progressOf(
  rows: readonly MetricsRow[],
  steps: number,
  writer: string | undefined,
): Progress {
  const trained = rows.filter((row) => typeof row["train/loss"] === "number");
  const step = trained.at(-1)?.step ?? 0;
  const recent = trained.slice(-PACE_STEPS);
  const [first, last] = [recent[0], recent.at(-1)];
  const made = (last?.step ?? 0) - (first?.step ?? 0);
  const seconds = (Date.parse(last?.time ?? "") - Date.parse(first?.time ?? "")) / 1000;
  const known = writer !== undefined && made > 0 && seconds >= 0 && steps > 0;
  return {
    step,
    steps,
    secondsLeft: known ? (Math.max(0, steps - step) * seconds) / made : null,
    writer: writer ?? null,
  };
}

function factsOf({ step, steps, secondsLeft, writer }: Progress): readonly Row[] {
  const finished = steps > 0 && step >= steps;
  return [
    ["state", writer !== null ? "training" : finished ? "finished" : "stopped"],
    ["step", steps > 0 ? `${formatCount(step)} of ${formatCount(steps)}` : formatCount(step)],
    ...(secondsLeft === null ? [] : [["time left", formatSeconds(secondsLeft)] as const]),
    ...(writer === null ? [] : [["trained by", writer] as const]),
  ];
}

function stepsOf(config: unknown): number {
  const training = (config as { readonly training?: { readonly steps?: unknown } }).training;
  return typeof training?.steps === "number" ? training.steps : 0;
}
