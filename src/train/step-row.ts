/** @file What one training step leaves in `metrics.jsonl`. */

import type { Tensor } from "../core/tensor.ts";
import type { MetricsRow } from "./metrics.ts";
import type { LanguageModelReport } from "./model.ts";
import type { StepMetrics, TrainState } from "./step.ts";

/** Numbers of one step. */
export interface StepProgress {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly tokensPerSecond: number;
  /** Updates skipped in a row, this one included; 0 after a good step. */
  readonly skipped: number;
}

/** Where a run stands, counted over all its sessions. */
export interface Standing {
  /** Batches seen, those of skipped updates included. */
  readonly batches: number;
  /** Tokens that had a target, those of skipped updates included. */
  readonly tokens: number;
  /** Of training: steps, waiting, evaluations and saves, but not the start of the process. */
  readonly seconds: number;
}

/** The standing after the last row; zero for a new run. */
export function standingAfter(rows: readonly MetricsRow[]): Standing {
  const last = (name: string): number => {
    const row = rows.findLast((each) => typeof each[name] === "number");
    return Number(row?.[name] ?? 0);
  };
  return {
    batches: last("train/batches"),
    tokens: last("train/tokens"),
    seconds: last("train/seconds"),
  };
}

export function progressOf(
  metrics: StepMetrics<LanguageModelReport>,
  state: TrainState,
  tokensPerSecond: number,
): StepProgress {
  return {
    step: state.step.item(),
    loss: metrics.report.crossEntropy.item(),
    gradientNorm: metrics.gradientNorm.item(),
    learningRate: metrics.learningRate.item(),
    skipped: metrics.skipped.item(),
    tokensPerSecond,
  };
}

/** The row of a good step. @param waiting - seconds that the step waited for its batch */
export function rowOf(
  progress: StepProgress,
  report: LanguageModelReport,
  standing: Standing,
  waiting: number,
): MetricsRow {
  return {
    step: progress.step,
    time: new Date().toISOString(),
    "train/loss": progress.loss,
    "train/aux_loss": report.auxLoss.item(),
    ...standingColumns(standing),
    "optim/gradient_norm": progress.gradientNorm,
    "optim/learning_rate": progress.learningRate,
    "throughput/tokens_per_second": Math.round(progress.tokensPerSecond),
    "throughput/waiting_seconds": Number(waiting.toFixed(6)),
    ...Object.fromEntries([
      ...each("load", report.load),
      ...each("tokens_by_experts", report.served),
      ...one("dropped_fraction", report.dropped),
      ...one("router_entropy", report.routerEntropy),
    ]),
  };
}

/** `moe/<name>/<layer>/<index>` */
function each(name: string, layers: readonly Tensor[] = []): (readonly [string, number])[] {
  return layers.flatMap((values, layer) =>
    values
      .numbers()
      .map((value, i) => [`moe/${name}/${layer}/${i}`, Number(value.toFixed(4))] as const),
  );
}

/** `moe/<name>/<layer>` */
function one(name: string, layers: readonly Tensor[] = []): (readonly [string, number])[] {
  return layers.map((value, layer) => [`moe/${name}/${layer}`, value.item()] as const);
}

/** The row of a skipped update, under the step that was tried. */
export function skippedRow(step: number, skipped: number, standing: Standing): MetricsRow {
  const time = new Date().toISOString();
  return { step, time, "train/loss": null, "train/skipped": skipped, ...standingColumns(standing) };
}

function standingColumns({ batches, tokens, seconds }: Standing): Record<string, number> {
  return {
    "train/batches": batches,
    "train/tokens": tokens,
    "train/seconds": Number(seconds.toFixed(3)),
  };
}
