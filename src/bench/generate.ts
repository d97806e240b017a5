/** @file `bench generate`: writing with a key-value cache, ours and PyTorch's, turn by turn on the same model. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "../core/statistics.ts";
import { stored } from "../core/tensor.ts";
import { mapTree } from "../core/tree.ts";
import { drawBelow } from "../data/permutation.ts";
import { jit } from "../engines/jit.ts";
import * as random from "../numpy/random.ts";
import { familyOf, openPreset } from "../train/families.ts";
import type { LanguageModel, Weights } from "../train/model.ts";
import { readRun } from "../train/open-run.ts";
import { encodeSafetensors } from "../train/safetensors.ts";
import { tensorsOf } from "../train/state.ts";
import type { GenerateConfig } from "./generate-runner.ts";
import { type Runner, startGeneratePeer, startGenerateRunner } from "./peers.ts";

export interface GenerateOptions {
  /** A run folder; fresh weights of `preset` when undefined. */
  readonly run: string | undefined;
  readonly preset: string;
  readonly python: string | undefined;
  readonly batches: readonly number[];
  /** Tokens of a prompt, and written after it. */
  readonly prompt: number;
  readonly tokens: number;
  readonly rounds: number;
  readonly threads: number;
  onNotice(line: string): void;
}

/** Times of one side at one batch size. */
export interface GenerateTimes {
  readonly minMs: number;
  readonly medianMs: number;
  /** Written tokens of all rows, by the least and the median time; reading the prompts is within. */
  readonly tokensPerSecond: { readonly best: number; readonly median: number };
  readonly detail: string;
}

export interface GenerateBatch {
  readonly batch: number;
  readonly ours: GenerateTimes;
  readonly torch: GenerateTimes | null;
  /** Our tokens per second over PyTorch's. */
  readonly ratio: { readonly best: number; readonly median: number } | null;
  /** Share of tokens that both sides chose, up to each row's first difference. */
  readonly same: number | null;
}

export interface GenerateResult {
  readonly cpu: string;
  readonly threads: number;
  readonly model: string;
  readonly prompt: number;
  readonly tokens: number;
  readonly versions: readonly string[];
  readonly batches: readonly GenerateBatch[];
}

/** Rest between turns, so that idle threads of one side have stopped spinning before the other starts. */
const REST_MS = 300;
/** Thresholds of fresh routers: about a quarter of the experts of a random softmax over eight reach it. */
const THRESHOLD = 0.15;

interface Reply {
  readonly ms: number;
  readonly ids: readonly (readonly number[])[];
  readonly detail: string;
}

export async function benchGenerate(options: GenerateOptions): Promise<GenerateResult> {
  const folder = await mkdtemp(join(tmpdir(), "meshloom-generate-"));
  const runners: Runner[] = [];
  try {
    const { path, model } = await writeInputs(folder, options);
    const ours = startGenerateRunner(path);
    runners.push(ours);
    const torch =
      options.python === undefined ? undefined : startGeneratePeer(options.python, path);
    if (torch === undefined)
      options.onNotice("torch left out: needs --python PATH of a Python with torch");
    else runners.push(torch);
    const versions: string[] = [];
    for (const runner of runners) {
      const { version } = await runner.ask<{ readonly version: string }>({ do: "load" });
      versions.push(version);
    }
    const batches: GenerateBatch[] = [];
    for (const batch of options.batches) batches.push(await timeBatch(batch, ours, torch, options));
    const { threads, prompt, tokens } = options;
    const cpu = cpus()[0]?.model ?? "unknown";
    return { cpu, threads, model, prompt, tokens, versions, batches };
  } finally {
    for (const runner of runners) runner.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function timeBatch(
  batch: number,
  ours: Runner,
  torch: Runner | undefined,
  { tokens, rounds, onNotice }: GenerateOptions,
): Promise<GenerateBatch> {
  const request = { do: "generate", batch, tokens };
  const sides = torch === undefined ? [ours] : [ours, torch];
  const replies = new Map<Runner, Reply[]>(sides.map((side) => [side, []]));
  // Compiles, chooses and warms up; not counted.
  for (const side of sides) await side.ask(request);
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) {
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      replies.get(side)?.push(await side.ask<Reply>(request));
    }
    onNotice(`batch of ${batch}: turn ${round + 1} of ${rounds}`);
  }
  const timesOf = (side: Runner): GenerateTimes =>
    timesFrom(replies.get(side) ?? [], batch * tokens);
  const own = timesOf(ours);
  if (torch === undefined) return { batch, ours: own, torch: null, ratio: null, same: null };
  const theirs = timesOf(torch);
  const [a, b] = [own.tokensPerSecond, theirs.tokensPerSecond];
  return {
    batch,
    ours: own,
    torch: theirs,
    ratio: { best: a.best / b.best, median: a.median / b.median },
    same: agreement(replies.get(ours)?.[0]?.ids ?? [], replies.get(torch)?.[0]?.ids ?? []),
  };
}

function timesFrom(replies: readonly Reply[], tokens: number): GenerateTimes {
  const times = replies.map(({ ms }) => ms);
  const [minMs, medianMs] = [Math.min(...times), median(times)];
  return {
    minMs,
    medianMs,
    tokensPerSecond: { best: (tokens / minMs) * 1000, median: (tokens / medianMs) * 1000 },
    detail: replies[0]?.detail ?? "",
  };
}

/** What both chose before a near-tie, decided otherwise by rounding, sends a row another way. */
function agreement(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number {
  let same = 0;
  let all = 0;
  a.forEach((row, i) => {
    const other = b[i] ?? [];
    const first = row.findIndex((id, place) => id !== other[place]);
    same += first < 0 ? row.length : first;
    all += row.length;
  });
  return same / all;
}

/** Model, weights and prompts as files. */
async function writeInputs(
  folder: string,
  options: GenerateOptions,
): Promise<{ readonly path: string; readonly model: string }> {
  const { model, weights } =
    options.run === undefined ? await freshModel(options.preset) : await trainedModel(options.run);
  const path = join(folder, "weights.safetensors");
  await writeFile(path, encodeSafetensors(tensorsOf(weights), {}));
  const config: GenerateConfig = {
    preset: model.preset,
    family: await familyOf(model.preset),
    model: model.model,
    training: model.training,
    weights: path,
    prompts: Array.from({ length: Math.max(...options.batches) }, (_, row) =>
      Array.from({ length: options.prompt }, (_, at) => drawBelow(model.vocab, 7, row, at)),
    ),
    tokens: options.tokens,
    threads: options.threads,
  };
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  return {
    path: join(folder, "config.json"),
    model: options.run ?? `${model.preset}, fresh weights`,
  };
}

async function trainedModel(
  run: string,
): Promise<{ readonly model: LanguageModel; readonly weights: Weights }> {
  const { model, state } = await readRun(run);
  return { model, weights: { params: state.params, extra: state.extra } };
}

async function freshModel(
  preset: string,
): Promise<{ readonly model: LanguageModel; readonly weights: Weights }> {
  const model = await openPreset(preset, {});
  const { params, extra } = await jit((key: random.Key) => model.initial(key))(random.key(1));
  const routed = mapTree(extra as object, (leaf) =>
    stored(leaf.aval, new Float32Array(leaf.data().length).fill(THRESHOLD)),
  );
  return { model, weights: { params, extra: routed } };
}
