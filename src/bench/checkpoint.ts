/** @file How fast checkpoints are written, beside `cp`, and what writing behind a training loop costs its steps. */

import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { median } from "../core/statistics.ts";
import { fromData } from "../core/tensor.ts";
import { hash32 } from "../data/permutation.ts";
import { type JitOptions, jit } from "../engines/jit.ts";
import * as random from "../numpy/random.ts";
import { checkpointsFolder, stateShards } from "../train/checkpoint.ts";
import { type Checkpointer, createCheckpointer } from "../train/checkpointer.ts";
import { openPreset } from "../train/families.ts";
import type { LanguageModel, TokenBatch } from "../train/model.ts";
import type { NamedTensor } from "../train/safetensors.ts";
import { tensorsOf } from "../train/state.ts";
import type { TrainState } from "../train/step.ts";

export interface CheckpointBenchOptions {
  /** Bytes of the state that is written for its own sake. */
  readonly bytes: number;
  /** Turns of each side. */
  readonly rounds: number;
  readonly preset: string;
  /** Steps between saves. */
  readonly every: number;
  /** Where to write; its disk is what is timed. */
  readonly folder: string;
  readonly engine: JitOptions;
  onNotice(line: string): void;
}

export interface Times {
  readonly min: number;
  readonly median: number;
}

export interface CheckpointBenchResult {
  readonly bytes: number;
  /** Seconds until the checkpoint is on the disk under its name: copied, hashed, written, synced. */
  readonly ours: Times;
  /** Seconds of `cp` and `sync` of a file with the same bytes. */
  readonly cp: Times;
  /** Speed of ours over that of `cp`. */
  readonly ratio: Times;
  readonly preset: string;
  readonly stateBytes: number;
  readonly every: number;
  /** Seconds per step without saves. */
  readonly step: Times;
  /** Share of step time that a save behind the loop adds, one every `every` steps. */
  readonly behind: Times;
  /** The same when the loop waits for each save. */
  readonly waiting: Times;
  readonly cpu: string;
}

/** Times `cp` and ours turn by turn, then steps without saves, with saves behind them, and waiting for them. */
export async function benchCheckpoint(
  options: CheckpointBenchOptions,
): Promise<CheckpointBenchResult> {
  const folder = await mkdtemp(join(options.folder, "meshloom-bench-"));
  const saver = createCheckpointer({
    runFolder: folder,
    // Nothing is pruned inside the times: deleting is no part of what `cp` does either.
    retention: { last: 1_000_000 },
    onNotice: options.onNotice,
  });
  try {
    const writing = await timeWrites(options, folder, saver);
    const steps = await timeSteps(options, saver);
    return { ...writing, ...steps, cpu: cpus()[0]?.model ?? "unknown" };
  } finally {
    await saver.close();
    await rm(folder, { recursive: true });
  }
}

async function timeWrites(
  { bytes, rounds, onNotice }: CheckpointBenchOptions,
  folder: string,
  saver: Checkpointer,
) {
  const tensors = largeState(bytes);
  const source = join(folder, "source");
  await writeFile(
    source,
    stateShards(0, tensors).flatMap(({ chunks }) => chunks),
  );
  const times = { ours: [] as number[], cp: [] as number[] };
  // The first turn makes the copy's memory and starts the thread.
  for (let round = 0; round <= rounds; round++) {
    const ours = await seconds(async () => {
      await saver.save(round, tensors);
      await saver.flush();
    });
    const copy = join(folder, `copy-${round}`);
    const cp = await seconds(async () => copyAndSync(source, copy, folder));
    await rm(copy);
    await rm(checkpointsFolder(folder), { recursive: true });
    if (round === 0) continue;
    times.ours.push(ours);
    times.cp.push(cp);
    onNotice(`turn ${round}: checkpoint ${ours.toFixed(3)} s, cp ${cp.toFixed(3)} s`);
  }
  const ratios = times.cp.map((cp, i) => cp / (times.ours[i] ?? Number.NaN));
  return { bytes, ours: summary(times.ours), cp: summary(times.cp), ratio: summary(ratios) };
}

/** Numbers that no file system can compress away. */
function largeState(bytes: number): NamedTensor[] {
  const length = 2 ** 22;
  const count = Math.max(1, Math.round(bytes / 4 / length));
  return Array.from({ length: count }, (_, i) => {
    const data = new Float32Array(length);
    const words = new Uint32Array(data.buffer);
    for (let j = 0; j < length; j++) words[j] = hash32(i, j) >>> 2;
    return { name: `layers/${i}/weight`, dtype: "float32", dims: [2048, 2048], data };
  });
}

function copyAndSync(from: string, to: string, folder: string): void {
  const script = 'cp "$1" "$2" && sync "$2" "$3"';
  const { status, stderr } = spawnSync("sh", ["-c", script, "sh", from, to, folder]);
  if (status !== 0) throw new Error(`cp failed: ${stderr.toString().trim()}`);
}

async function timeSteps(options: CheckpointBenchOptions, saver: Checkpointer) {
  const { preset, every, rounds, engine, onNotice } = options;
  const model = await openPreset(preset);
  const step = jit((s: TrainState, batch: TokenBatch) => model.step(s, batch), {
    ...engine,
    name: "training step",
    donate: [0],
  });
  const batch = batchOf(model);
  const fresh = jit((key: random.Key) => model.initial(key), { ...engine, name: "initial state" });
  let state = await fresh(random.key(0));
  const stateBytes = tensorsOf(state).reduce((total, { data }) => total + data.byteLength, 0);
  let saves = 1000;
  const turn = (save: (() => Promise<unknown>) | undefined) =>
    seconds(async () => {
      for (let i = 0; i < every; i++) {
        [state] = await step(state, batch);
        if (i === 0) await save?.();
      }
    });
  const behind = () => saver.save(saves++, tensorsOf(state));
  const waiting = async () => {
    await behind();
    await saver.flush();
  };
  // Compiles, and makes the memory of both buffer sets and of the copy.
  await turn(waiting);
  const times = { plain: [] as number[], behind: [] as number[], waiting: [] as number[] };
  for (let round = 1; round <= rounds; round++) {
    const plain = await turn(undefined);
    const behindTime = await turn(behind);
    await saver.flush();
    const waitingTime = await turn(waiting);
    times.plain.push(plain);
    times.behind.push(behindTime / plain - 1);
    times.waiting.push(waitingTime / plain - 1);
    onNotice(
      `turn ${round}: ${every} steps in ${plain.toFixed(2)} s; ${behindTime.toFixed(2)} s with a save behind them, ${waitingTime.toFixed(2)} s waiting for it`,
    );
  }
  return {
    preset,
    stateBytes,
    every,
    step: summary(times.plain.map((time) => time / every)),
    behind: summary(times.behind),
    waiting: summary(times.waiting),
  };
}

function batchOf({ training, vocab }: LanguageModel): TokenBatch {
  const dims = [training.batch, training.length];
  const ids = () =>
    Int32Array.from({ length: training.batch * training.length }, (_, i) => hash32(i) % vocab);
  return {
    tokens: fromData("int32", dims, ids(), "batch pos"),
    targets: fromData("int32", dims, ids(), "batch pos"),
  };
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

function summary(values: readonly number[]): Times {
  return { min: Math.min(...values), median: median(values) };
}
