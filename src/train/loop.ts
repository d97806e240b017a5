/** @file The training loop: batches in, checkpoints, metrics and a report out. */

import { TrainingError } from "../core/errors.ts";
import type { Batches } from "../data/batches.ts";
import { prefetch } from "../data/prefetch.ts";
import { type JitOptions, jit } from "../engines/jit.ts";
import { listCheckpoints } from "./checkpoint.ts";
import { type Checkpointer, createCheckpointer } from "./checkpointer.ts";
import { type Evaluations, evaluationsOf } from "./evaluations.ts";
import { createEvaluator, type Evaluation } from "./evaluator.ts";
import type { LanguageModel, TokenBatch, Weights } from "./model.ts";
import { readyBatch } from "./ready-batch.ts";
import { readReport } from "./report/read-report.ts";
import { renderReport } from "./report/report.ts";
import { markBest, pruneCheckpoints } from "./retention.ts";
import type { RunSettings } from "./run-config.ts";
import type { RunFolder } from "./run-folder.ts";
import { startState } from "./start-state.ts";
import { tensorsOf } from "./state.ts";
import { type TrainState, weightsOf } from "./step.ts";
import {
  progressOf,
  rowOf,
  type Standing,
  type StepProgress,
  skippedRow,
  standingAfter,
} from "./step-row.ts";

import { noTimeline, type Timeline } from "./timeline.ts";

export type { StepProgress } from "./step-row.ts";

/** Skipped steps in a row after which training stops. */
const MAX_SKIPS = 10;

export interface LoopOptions {
  readonly model: LanguageModel;
  readonly batches: Batches;
  readonly run: RunFolder;
  readonly seed: number;
  readonly settings: RunSettings;
  readonly engine: Required<Pick<JitOptions, "engine">> & Pick<JitOptions, "threads">;
  /** Weights to start a new run from, in the form of the model's own; fresh ones when absent. */
  readonly initial?: Weights | undefined;
  readonly signal: AbortSignal;
  /** Notes where the time goes; nothing when absent. */
  readonly timeline?: Timeline | undefined;
  /** Bytes of text that token ids stand for. */
  bytesOf(ids: Int32Array): number;
  /** Some writing of the model. */
  sample(weights: Weights): Promise<string>;
  /** Called after every step, in order. */
  onStep(progress: StepProgress): void;
  /** Notices for a person: what was loaded, skipped, not saved. */
  onNotice(line: string): void;
  onEvaluation(step: number, evaluation: Evaluation, isBest: boolean): void;
  onSample(step: number, text: string): void;
}

/** Why training ended: all steps made, no improvement any more, time used up, or asked to stop. */
export type StopReason = "steps" | "patience" | "time" | "interrupted";

export interface LoopResult {
  readonly step: number;
  readonly reason: StopReason;
  /** Whether the run is at its end; otherwise it was interrupted and can be resumed. */
  readonly finished: boolean;
  /** On held-out text, at the end; undefined when interrupted. */
  readonly evaluation: Evaluation | undefined;
  readonly best: { readonly step: number; readonly loss: number } | undefined;
}

/**
 * Trains until `model.training.steps` updates were made, counting those of earlier sessions, or until
 * a rule of `settings` or `signal` ends it.
 *
 * A step's evaluation and sample come before its checkpoint, so that a run resumed from the
 * checkpoint has their rows.
 *
 * @throws TrainingError when too many steps in a row were not finite; the last checkpoint stays good
 * @throws DiskError when two checkpoints in a row, or the last one, cannot be written
 */
export async function trainLoop(options: LoopOptions): Promise<LoopResult> {
  const { run, settings, onNotice } = options;
  const saver = createCheckpointer({
    runFolder: run.path,
    retention: { last: settings.keep, every: settings.keepEvery },
    onNotice,
    beforeCommit: () => run.syncMetrics(),
  });
  try {
    return await new Session(options, saver).train();
  } finally {
    await saver.close();
  }
}

/** One sitting of a run, from its start or a checkpoint to a reason to stop. */
class Session {
  readonly #options: LoopOptions;
  readonly #saver: Checkpointer;
  readonly #evaluate: (weights: Weights) => Promise<Evaluation>;
  readonly #timeline: Timeline;
  #evaluations: Evaluations = evaluationsOf([], 0);
  #standing: Standing = { batches: 0, tokens: 0, seconds: 0 };
  #at = 0;
  /** The batches seen when the newest checkpoint was asked for; −1 when there is none. */
  #savedAt = -1;

  constructor(options: LoopOptions, saver: Checkpointer) {
    this.#options = options;
    this.#saver = saver;
    this.#evaluate = createEvaluator(options);
    this.#timeline = options.timeline ?? noTimeline;
  }

  async train(): Promise<LoopResult> {
    const { model, engine, onNotice } = this.#options;
    const step = jit((state: TrainState, batch: TokenBatch) => model.step(state, batch), {
      ...engine,
      name: "training step",
      donate: [0],
    });
    let state = await this.#begin();
    const { batches } = this.#options;
    const ready = (index: number) => readyBatch(batches.train(index), model);
    if (this.#at > 0) onNotice(`resuming after step ${this.#at}`);
    // Before the clock starts: compiling is no part of the first step's speed.
    if (this.#reason() === undefined)
      await step.compile(state, ready(this.#standing.batches).tensors);

    const { seconds: earlier } = this.#standing;
    const started = performance.now();
    const source = prefetch(ready, this.#standing.batches);
    while (this.#reason() === undefined) {
      const { batch, waited } = await this.#span("batch", async () => source.next());
      const begun = performance.now();
      const before = state;
      const [next, metrics] = await this.#span(`step ${this.#at + 1}`, () =>
        step(before, batch.tensors),
      );
      const ended = performance.now();
      state = next;
      this.#standing = {
        batches: this.#standing.batches + 1,
        tokens: this.#standing.tokens + batch.tokens,
        seconds: earlier + (ended - started) / 1000,
      };
      const progress = progressOf(metrics, state, (1000 * batch.tokens) / (ended - begun));
      if (progress.skipped > 0) {
        await this.#noteSkipped(progress);
        continue;
      }
      this.#at = progress.step;
      const row = rowOf(progress, metrics.report, this.#standing, waited);
      await this.#span("metrics", () => this.#options.run.appendMetrics([row]));
      this.#options.onStep(progress);
      if (this.#at < model.training.steps) await this.#doWhatIsDue(state);
    }
    source.close();
    return this.#end(state, this.#reason() ?? "interrupted");
  }

  #span<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#timeline.span("training loop", name, work);
  }

  async #begin(): Promise<TrainState> {
    const { run, settings } = this.#options;
    const { state, resumed } = await startState(this.#options);
    this.#at = state.step.item();
    const batches = state.tried.item();
    await run.dropMetricsAfter(this.#at, batches);
    const rows = await run.readMetrics();
    this.#standing = { ...standingAfter(rows), batches };
    this.#evaluations = evaluationsOf(rows, settings.minDelta);
    if (resumed) {
      this.#savedAt = batches;
      // A kill can come between a checkpoint and its mark.
      await this.#markBest();
    }
    return state;
  }

  #reason(): StopReason | undefined {
    const { model, settings, signal } = this.#options;
    const { patience, maxMinutes } = settings;
    if (this.#at >= model.training.steps) return "steps";
    if (patience > 0 && this.#evaluations.stale >= patience) return "patience";
    if (maxMinutes > 0 && this.#standing.seconds >= 60 * maxMinutes) return "time";
    return signal.aborted ? "interrupted" : undefined;
  }

  async #doWhatIsDue(state: TrainState): Promise<void> {
    const { saveEvery, evalEvery, sampleEvery } = this.#options.settings;
    const due = (every: number) => every > 0 && this.#at % every === 0;
    const isBest = due(evalEvery) && (await this.#evaluateNow(state)).isBest;
    if (due(sampleEvery)) await this.#sampleNow(state);
    if (due(saveEvery) || isBest) await this.#save(state, isBest);
  }

  async #end(state: TrainState, reason: StopReason): Promise<LoopResult> {
    const { run, settings } = this.#options;
    const finished = reason !== "interrupted";
    let evaluation: Evaluation | undefined;
    let isBest = false;
    if (finished) {
      const rows = await run.readMetrics();
      const here = rows.filter(({ step }) => step === this.#at);
      const row = here.findLast((each) => typeof each["eval/loss"] === "number");
      if (row === undefined) ({ evaluation, isBest } = await this.#evaluateNow(state));
      else
        evaluation = {
          loss: Number(row["eval/loss"]),
          bitsPerByte: Number(row["eval/bits_per_byte"] ?? Number.NaN),
        };
      if (!here.some(({ sample }) => typeof sample === "string")) await this.#sampleNow(state);
    }
    if (this.#savedAt !== this.#standing.batches) await this.#save(state, isBest);
    await this.#saver.flush();
    await this.#markBest();
    await pruneCheckpoints(run.path, { last: settings.keep, every: settings.keepEvery }, this.#at);
    await this.#writeReport(reason);
    return { step: this.#at, reason, finished, evaluation, best: this.#evaluations.best };
  }

  async #evaluateNow(
    state: TrainState,
  ): Promise<{ readonly evaluation: Evaluation; readonly isBest: boolean }> {
    const evaluation = await this.#span("evaluation", () => this.#evaluate(weightsOf(state)));
    const isBest = this.#evaluations.add(this.#at, evaluation.loss);
    await this.#options.run.appendMetrics([
      {
        step: this.#at,
        time: new Date().toISOString(),
        "eval/loss": evaluation.loss,
        "eval/bits_per_byte": evaluation.bitsPerByte,
      },
    ]);
    this.#options.onEvaluation(this.#at, evaluation, isBest);
    return { evaluation, isBest };
  }

  async #sampleNow(state: TrainState): Promise<void> {
    if (this.#options.settings.sampleTokens === 0) return;
    const sample = await this.#span("sample", () => this.#options.sample(weightsOf(state)));
    await this.#options.run.appendMetrics([
      { step: this.#at, time: new Date().toISOString(), sample },
    ]);
    this.#options.onSample(this.#at, sample);
  }

  async #save(state: TrainState, isBest: boolean): Promise<void> {
    const bestLoss = isBest ? this.#evaluations.best?.loss : undefined;
    await this.#span("checkpoint: copy", () =>
      this.#saver.save(this.#at, tensorsOf(state), { bestLoss }),
    );
    this.#savedAt = this.#standing.batches;
  }

  /** Marks the best evaluated step whose checkpoint is there. */
  async #markBest(): Promise<void> {
    const { path } = this.#options.run;
    const { best } = this.#evaluations;
    const there = best !== undefined && (await listCheckpoints(path)).includes(best.step);
    await markBest(path, there ? best : undefined);
  }

  /** @throws TrainingError after too many in a row */
  async #noteSkipped(progress: StepProgress): Promise<void> {
    const { skipped, loss, gradientNorm } = progress;
    const { run, onNotice } = this.#options;
    // The step that was tried; the last good one has a row already.
    const step = progress.step + 1;
    onNotice(
      `step ${step}: loss ${loss}, gradient norm ${gradientNorm}; update skipped (${skipped} in a row)`,
    );
    await run.appendMetrics([skippedRow(step, skipped, this.#standing)]);
    if (skipped >= MAX_SKIPS) throw await diverged(progress, this.#options);
  }

  async #writeReport(reason: StopReason): Promise<void> {
    const { model, run, engine } = this.#options;
    const state = {
      steps: "finished",
      patience: `finished early: no better for ${this.#evaluations.stale} evaluations`,
      time: "finished: the time is used up",
      interrupted: `stopped after step ${this.#at} of ${model.training.steps}`,
    }[reason];
    const about = [
      ["engine", engine.engine.name],
      ["state", state],
    ] as const;
    await run.writeReport(renderReport(await readReport(run.path, about)));
  }
}

async function diverged(
  { loss, gradientNorm }: StepProgress,
  { model, run }: LoopOptions,
): Promise<TrainingError> {
  const saved = (await listCheckpoints(run.path)).length > 0;
  return new TrainingError(
    "TRAIN-01",
    `train: ${MAX_SKIPS} steps in a row were not finite; stopped.`,
    [
      ["last loss", `${loss}`],
      ["gradient norm", `${gradientNorm}`],
      ["learning rate", `${model.training.learningRate}`],
      [
        "fix",
        saved
          ? `resume ${run.path} with a lower --learning-rate; its last checkpoint is from before`
          : "start again with a lower --learning-rate; no checkpoint was written yet",
      ],
    ],
  );
}
