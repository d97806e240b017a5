/** @file The training loop: batches in, checkpoints, metrics and a report out. */

import { TrainingError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { fromData } from "../core/tensor.ts";
import type { Batch, Batches } from "../data/batches.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { type JitOptions, jit } from "../engines/jit.ts";
import { createGenerator } from "../generate/generator.ts";
import * as random from "../numpy/random.ts";
import { listCheckpoints, loadCheckpoint, pruneCheckpoints, saveCheckpoint } from "./checkpoint.ts";
import type { MetricsRow } from "./metrics.ts";
import type { LanguageModel, LanguageModelReport, TokenBatch, Weights } from "./model.ts";
import { readReport } from "./report/read-report.ts";
import { renderReport } from "./report/report.ts";
import type { RunFolder } from "./run-folder.ts";
import { stateFrom, tensorsOf } from "./state.ts";
import { type StepMetrics, type TrainState, weightsOf } from "./step.ts";

/** Skipped steps in a row after which training stops. */
const MAX_SKIPS = 10;
/** Checkpoints that a run keeps. */
const KEEP = 2;

export interface LoopOptions {
  readonly model: LanguageModel;
  readonly tokenizer: Tokenizer;
  readonly batches: Batches;
  readonly run: RunFolder;
  readonly seed: number;
  readonly steps: number;
  /** Steps between checkpoints. */
  readonly saveEvery: number;
  /** Steps between samples and evaluations; 0 for the end only. */
  readonly sampleEvery: number;
  readonly prompt: string;
  readonly engine: Required<Pick<JitOptions, "engine">> & Pick<JitOptions, "threads">;
  readonly signal: AbortSignal;
  /** Called after every step, in order. */
  onStep(progress: StepProgress): void;
  /** Notices for a person: what was loaded, skipped, saved. */
  onNotice(line: string): void;
  /** A sample of the model's writing, and its evaluation so far. */
  onSample(step: number, text: string, evalLoss: number): void;
}

export interface StepProgress {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly tokensPerSecond: number;
  readonly skipped: number;
}

export interface LoopResult {
  readonly step: number;
  /** Nats per token on held-out text, by the rule that sampling uses. */
  readonly evalLoss: number;
  readonly finished: boolean;
}

/**
 * Trains until `steps` updates were made, counting those of earlier sessions, or until `signal`.
 *
 * @throws TrainingError when too many steps in a row were not finite; the last checkpoint stays good
 */
export async function trainLoop(options: LoopOptions): Promise<LoopResult> {
  const { model, batches, run, engine, onNotice } = options;
  const step = jit((state: TrainState, batch: TokenBatch) => model.step(state, batch), {
    ...engine,
    name: "training step",
    donate: [0],
  });
  const writer = createWriter(options);
  let state = await startState(options);
  const first = state.step.item();
  await run.dropMetricsAfter(first);
  if (first > 0) onNotice(`resuming after step ${first}`);

  let at = first;
  let tried = state.tried.item();
  // Before the clock starts: compiling is no part of the first step's speed.
  if (at < options.steps) await step.compile(state, tensorsOfBatch(batches.train(tried), model));
  while (at < options.steps && !options.signal.aborted) {
    const batch = batches.train(tried);
    const started = performance.now();
    const [next, metrics] = await step(state, tensorsOfBatch(batch, model));
    const seconds = (performance.now() - started) / 1000;
    state = next;
    tried++;
    const progress = progressOf(metrics, state, batch.tokens.length / seconds);
    if (progress.skipped > 0) {
      await noteSkipped(options, progress);
      continue;
    }
    at = progress.step;
    await run.appendMetrics([rowOf(progress, metrics.report)]);
    options.onStep(progress);
    if (at % options.saveEvery === 0 && at < options.steps) await save(options, state, at);
    if (options.sampleEvery > 0 && at % options.sampleEvery === 0 && at < options.steps)
      await writer.write(state, at);
  }
  if (at > first || (await listCheckpoints(run.path)).length === 0) await save(options, state, at);
  else await pruneCheckpoints(run.path, KEEP, at);
  const finished = at >= options.steps;
  const evalLoss = finished
    ? ((await evalLossAt(run, at)) ?? (await writer.write(state, at)))
    : Number.NaN;
  await writeReport(
    options,
    finished ? "finished" : `stopped after step ${at} of ${options.steps}`,
  );
  return { step: at, evalLoss, finished };
}

/** What an earlier session found that was ended just after; a row of its own would stand twice. */
async function evalLossAt(run: RunFolder, step: number): Promise<number | undefined> {
  for (const row of await run.readMetrics()) {
    const found = row["eval/loss"];
    if (row.step === step && typeof found === "number") return found;
  }
  return undefined;
}

/** @throws TrainingError after too many in a row */
async function noteSkipped(options: LoopOptions, progress: StepProgress): Promise<void> {
  const { skipped, loss, gradientNorm } = progress;
  // The step that was tried; a row of the last good one would outlive a resume from it.
  const step = progress.step + 1;
  options.onNotice(
    `step ${step}: loss ${loss}, gradient norm ${gradientNorm}; update skipped (${skipped} in a row)`,
  );
  const time = new Date().toISOString();
  await options.run.appendMetrics([{ step, time, "train/loss": null, "train/skipped": skipped }]);
  if (skipped >= MAX_SKIPS) throw await diverged(progress, options);
}

async function startState({
  model,
  run,
  seed,
  engine,
  onNotice,
}: LoopOptions): Promise<TrainState> {
  const fresh = jit((key: random.Key) => model.initial(key), { ...engine, name: "initial state" });
  const state = await fresh(random.key(seed));
  if (!run.resumed || (await listCheckpoints(run.path)).length === 0) return state;
  const { step, tensors, warnings } = await loadCheckpoint(run.path, "latest");
  for (const warning of warnings) onNotice(warning);
  return stateFrom(state, tensors, `${run.path}, step ${step}`);
}

function tensorsOfBatch(batch: Batch, { training }: LanguageModel): TokenBatch {
  const tensor = (data: Int32Array) =>
    fromData("int32", [training.batch, training.length], data, "batch pos");
  const { segments, positions } = batch;
  return {
    tokens: tensor(batch.tokens),
    targets: tensor(batch.targets),
    ...(segments === undefined ? {} : { segments: tensor(segments) }),
    ...(positions === undefined ? {} : { positions: tensor(positions) }),
  };
}

async function save({ run }: LoopOptions, state: TrainState, step: number): Promise<void> {
  await saveCheckpoint(run.path, step, tensorsOf(state), {});
  await pruneCheckpoints(run.path, KEEP, step);
}

function progressOf(
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

function rowOf(progress: StepProgress, report: LanguageModelReport): MetricsRow {
  const each = (name: string, layers: readonly Tensor[] = []) =>
    layers.flatMap((values, layer) =>
      Array.from(values.data() as ArrayLike<number | bigint>, (value, i): [string, number] => [
        `moe/${name}/${layer}/${i}`,
        Number(Number(value).toFixed(4)),
      ]),
    );
  const one = (name: string, layers: readonly Tensor[] = []) =>
    layers.map((value, layer): [string, number] => [`moe/${name}/${layer}`, value.item()]);
  return {
    step: progress.step,
    time: new Date().toISOString(),
    "train/loss": progress.loss,
    "train/aux_loss": report.auxLoss.item(),
    "optim/gradient_norm": progress.gradientNorm,
    "optim/learning_rate": progress.learningRate,
    "throughput/tokens_per_second": Math.round(progress.tokensPerSecond),
    ...Object.fromEntries([
      ...each("load", report.load),
      ...each("tokens_by_experts", report.served),
      ...one("dropped_fraction", report.dropped),
      ...one("router_entropy", report.routerEntropy),
    ]),
  };
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

/** Evaluates and samples from time to time; its programs are compiled once. */
function createWriter(options: LoopOptions): {
  write(state: TrainState, step: number): Promise<number>;
} {
  const { model, batches, engine, run } = options;
  const evaluate = jit((weights: Weights, batch: TokenBatch) => model.evaluate(weights, batch), {
    ...engine,
    name: "evaluation",
  });
  const generator = createGenerator(model, options.tokenizer, engine);
  return {
    async write(state, step) {
      const weights = weightsOf(state);
      let total = 0;
      let counted = 0;
      for (const batch of batches.validation()) {
        const { nats, count } = await evaluate(weights, tensorsOfBatch(batch, model));
        total += nats.item();
        counted += count.item();
      }
      const evalLoss = total / Math.max(1, counted);
      let text = "";
      const sampling = { tokens: 200, temperature: 0.7, topK: 0, topP: 0.95, seed: options.seed };
      for await (const piece of generator.stream(weights, options.prompt, sampling)) text += piece;
      const sample = options.prompt + text;
      await run.appendMetrics([
        { step, time: new Date().toISOString(), "eval/loss": evalLoss, sample },
      ]);
      options.onSample(step, sample, evalLoss);
      return evalLoss;
    },
  };
}

async function writeReport({ run, engine }: LoopOptions, state: string): Promise<void> {
  const about = [
    ["engine", engine.engine.name],
    ["state", state],
  ] as const;
  await run.writeReport(renderReport(await readReport(run.path, about)));
}
