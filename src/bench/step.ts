/** @file `bench step`: one training step, turn by turn against the peers, after checking that all do the same work. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, suggestion } from "../core/errors.ts";
import { median } from "../core/statistics.ts";
import { drawBelow } from "../data/permutation.ts";
import { jit } from "../engines/jit.ts";
import { initialise } from "../nn/index.ts";
import * as random from "../numpy/random.ts";
import { encodeSafetensors } from "../train/safetensors.ts";
import { tensorsOf } from "../train/state.ts";
import { type Runner, runnerSpecs, startRunner } from "./peers.ts";
import type { RunnerConfig } from "./runner.ts";
import { BENCH, type BenchConfig, benchParams, flopsPerStep } from "./transformer.ts";

export interface BenchOptions {
  readonly model: "dense" | "moe";
  readonly python: string | undefined;
  /** Turns; each runner makes a few steps in every turn. */
  readonly rounds: number;
  readonly threads: number;
  /** Names of runners to time; all when empty. */
  readonly only: readonly string[];
  onNotice(line: string): void;
}

export interface RunnerResult {
  readonly name: string;
  readonly version: string;
  readonly minMs: number;
  readonly medianMs: number;
  readonly gflops: number;
  readonly peakBytes: number;
  /** Largest relative difference of 20 losses from ours. */
  readonly lossDifference: number;
}

export interface BenchResult {
  readonly model: "dense" | "moe";
  readonly cpu: string;
  readonly threads: number;
  readonly gflopPerStep: number;
  /** Tracing, differentiating, lowering and loading the step. */
  readonly loadMs: number;
  readonly results: readonly RunnerResult[];
  /** Runners that were left out, with the reason. */
  readonly left: readonly { readonly name: string; readonly reason: string }[];
  /** Ours over the best PyTorch figure, by minimum and by median; null without PyTorch. */
  readonly ratioToBestTorch: { readonly min: number; readonly median: number } | null;
  readonly memoryToBestTorch: number | null;
  readonly ratios: Readonly<Record<string, number>>;
}

/** Steps per turn, and losses compared. */
const STEPS_PER_TURN = 3;
const COMPARED = 20;
/** Rest between turns, so that a runner's idle threads have stopped spinning before the next one starts. */
const REST_MS = 300;

/**
 * Times one step of the model on every runner that can start.
 *
 * @throws ConfigError when `only` names an unknown runner
 */
export async function benchStepOnAll(options: BenchOptions): Promise<BenchResult> {
  const known = runnerSpecs(options.python).map(({ name }) => name);
  const unknown = options.only.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new ConfigError(
      "CONFIG-01",
      `bench: "${unknown}" is not a runner; ${suggestion(unknown, known)}`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), "meshloom-bench-"));
  const runners: Runner[] = [];
  try {
    const config = await writeInputs(folder, options);
    return await timeRunners(options, join(folder, "config.json"), config, runners);
  } finally {
    for (const runner of runners) runner.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Weights, data and configuration files that all runners read. */
async function writeInputs(
  folder: string,
  { model, threads }: BenchOptions,
): Promise<RunnerConfig> {
  const bench: BenchConfig = { ...BENCH, model, threads };
  const weights = join(folder, "weights.safetensors");
  const data = join(folder, "data.safetensors");
  const init = jit((key: random.Key) => initialise(benchParams(bench), key));
  // Seeded, so that every machine times the same numbers.
  await writeFile(weights, encodeSafetensors(tensorsOf(await init(random.key(1))), {}));
  const ids = (stream: number) =>
    Int32Array.from({ length: COMPARED * bench.batch * bench.pos }, (_, i) =>
      drawBelow(bench.vocab, 7, Math.floor(i / 4), stream),
    );
  const dims = [COMPARED, bench.batch, bench.pos];
  const tokens = ids(0);
  await writeFile(
    data,
    encodeSafetensors(
      [
        { name: "tokens", dtype: "int32", dims, data: tokens },
        { name: "targets", dtype: "int32", dims, data: tokens.map((_, i) => tokens[i + 1] ?? 0) },
      ],
      {},
    ),
  );
  const config: RunnerConfig = { ...bench, weights, data, steps: COMPARED };
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  return config;
}

async function timeRunners(
  options: BenchOptions,
  path: string,
  config: RunnerConfig,
  runners: Runner[],
): Promise<BenchResult> {
  const left: { name: string; reason: string }[] = [];
  const versions = new Map<string, string>();
  let loadMs = Number.NaN;
  for (const spec of runnerSpecs(options.python)) {
    if (options.only.length > 0 && !options.only.includes(spec.name) && spec.name !== "meshloom")
      continue;
    if (spec.missing !== undefined) {
      left.push({ name: spec.name, reason: spec.missing });
      continue;
    }
    const runner = startRunner(spec, path);
    try {
      const facts = await runner.ask<{ readonly version: string; readonly loadMs?: number }>({
        do: "load",
      });
      if (spec.name === "meshloom") loadMs = facts.loadMs ?? Number.NaN;
      versions.set(spec.name, facts.version);
      runners.push(runner);
      options.onNotice(`${spec.name} ${facts.version} loaded`);
    } catch (error) {
      runner.stop();
      left.push({ name: spec.name, reason: error instanceof Error ? error.message : `${error}` });
    }
  }
  const differences = await compareLosses(runners, options);
  const times = await takeTurns(runners, options);
  const results: RunnerResult[] = [];
  for (const { name, ask } of runners) {
    const ms = [...(times.get(name) ?? [])].sort((a, b) => a - b);
    const { peakBytes } = await ask<{ readonly peakBytes: number }>({ do: "memory" });
    const minMs = ms[0] ?? Number.NaN;
    const gflops = flopsPerStep(config) / minMs / 1e6;
    results.push({
      name,
      version: versions.get(name) ?? "",
      minMs,
      medianMs: median(ms),
      gflops,
      peakBytes,
      lossDifference: differences.get(name) ?? Number.NaN,
    });
  }
  return {
    ...summary(results),
    model: options.model,
    cpu: cpus()[0]?.model ?? "unknown",
    threads: config.threads,
    gflopPerStep: flopsPerStep(config) / 1e9,
    loadMs,
    results,
    left,
  };
}

/** Largest relative difference of each runner's losses from ours. */
async function compareLosses(
  runners: readonly Runner[],
  { onNotice }: BenchOptions,
): Promise<ReadonlyMap<string, number>> {
  const differences = new Map<string, number>();
  let ours: readonly number[] | undefined;
  for (const { name, ask } of runners) {
    const { losses } = await ask<{ readonly losses: readonly number[] }>({
      do: "losses",
      steps: COMPARED,
    });
    ours ??= losses;
    const reference = ours;
    const worst = Math.max(
      ...losses.map(
        (loss, i) => Math.abs(loss - (reference[i] ?? Number.NaN)) / Math.abs(reference[i] ?? 1),
      ),
    );
    differences.set(name, worst);
    onNotice(
      `${name}: losses ${losses[0]?.toFixed(4)} … ${losses.at(-1)?.toFixed(4)}, at most ${worst.toExponential(1)} from ours`,
    );
  }
  return differences;
}

async function takeTurns(
  runners: readonly Runner[],
  { rounds, onNotice }: BenchOptions,
): Promise<ReadonlyMap<string, number[]>> {
  const times = new Map(runners.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, ask } of runners) {
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      await ask({ do: "step", count: 1 }); // wakes the runner's threads and caches; not counted
      const { ms } = await ask<{ readonly ms: readonly number[] }>({
        do: "step",
        count: STEPS_PER_TURN,
      });
      times.get(name)?.push(...ms);
    }
    onNotice(`turn ${round + 1} of ${rounds}`);
  }
  return times;
}

function summary(
  results: readonly RunnerResult[],
): Pick<BenchResult, "ratioToBestTorch" | "memoryToBestTorch" | "ratios"> {
  const ours = results.find(({ name }) => name === "meshloom");
  const torch = results.filter(({ name }) => name.startsWith("torch"));
  const best = (f: (result: RunnerResult) => number) => Math.min(...torch.map(f));
  const known = ours !== undefined && torch.length > 0;
  return {
    ratioToBestTorch: known
      ? { min: ours.minMs / best((r) => r.minMs), median: ours.medianMs / best((r) => r.medianMs) }
      : null,
    memoryToBestTorch: known ? ours.peakBytes / best((r) => r.peakBytes) : null,
    ratios: Object.fromEntries(
      results.map(({ name, medianMs }) => [name, (ours?.medianMs ?? Number.NaN) / medianMs]),
    ),
  };
}
