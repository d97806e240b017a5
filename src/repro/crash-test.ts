/**
 * @file Training that is killed again and again and resumed each time, held against the same training
 * undisturbed: the same losses, the same weights, bit for bit, and never a torn checkpoint.
 */

import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { RunError } from "../core/errors.ts";
import { hash32 } from "../data/permutation.ts";
import { isTemporary } from "../files/atomic.ts";
import { listCheckpoints, loadCheckpoint, verifyCheckpoint } from "../train/checkpoint.ts";
import { parseManifest } from "../train/manifest.ts";
import { type MetricsRow, readMetrics } from "../train/metrics.ts";
import { type Moment, type Signal, session } from "./sessions.ts";

export interface CrashTestOptions {
  readonly preset: string;
  readonly kills: number;
  readonly seed: number;
  /** Updates of one run. */
  readonly steps: number;
  /** Holds the runs; it must be empty or not there. Removed when all went well. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** After each kill. */
  onKill(kill: Kill, count: number): void;
  onNotice(line: string): void;
}

export interface Kill {
  readonly signal: Signal;
  /** What it was aimed at. */
  readonly at: Moment["at"];
  /** Whether it left an unfinished checkpoint behind. */
  readonly duringWrite: boolean;
}

export interface CrashTestResult {
  readonly kills: readonly Kill[];
  /** Runs that were killed and brought to their end. */
  readonly runs: number;
  /** Checkpoints under their own name that did not verify. */
  readonly torn: number;
  /** Times that the newest checkpoint was gone after a kill. */
  readonly lost: number;
  /** Of the last step of the undisturbed run, nats per token. */
  readonly loss: number;
  /** Of the last step of each killed run. */
  readonly losses: readonly number[];
  /** Of the weights, optimiser state and counters at the end of the undisturbed run. */
  readonly sha256: string;
  /** Killed runs whose end differs from it. */
  readonly otherWeights: number;
  /** Rows of `metrics.jsonl` that differ from the undisturbed run's, times left out. */
  readonly otherRows: number;
}

/** Columns that hold times. */
const TIMES = [
  "time",
  "train/seconds",
  "throughput/tokens_per_second",
  "throughput/waiting_seconds",
];

/** @throws RunError when a process fails by itself */
export async function crashTest(options: CrashTestOptions): Promise<CrashTestResult> {
  const { folder, steps, onNotice, signal } = options;
  const whole = join(folder, "undisturbed");
  const begun = performance.now();
  await finish(options, whole);
  const startUpMs = Math.max(100, performance.now() - begun - 40 * steps);
  const expected = await endOf(whole);
  onNotice(`undisturbed: ${steps} steps, loss ${expected.loss}`);

  const kills: Kill[] = [];
  const losses: number[] = [];
  let [torn, lost, otherWeights, otherRows] = [0, 0, 0, 0];
  for (let runs = 0; kills.length < options.kills && !signal.aborted; runs++) {
    const run = join(folder, `killed-${runs}`);
    await mkdir(join(run, "checkpoints"), { recursive: true });
    let newest = -1;
    let done = false;
    while (!done && kills.length < options.kills && !signal.aborted) {
      const kill = draw(options.seed, kills.length, runs, startUpMs);
      const end = await session(await train(options, run), run, kill);
      const found = await inspect(run);
      torn += found.torn;
      if (found.newest < newest) lost++;
      newest = found.newest;
      ({ done } = end);
      if (done) break;
      refuseFailure(end.code, end.stderr);
      const record = { signal: kill.signal, at: kill.moment.at, duringWrite: found.unfinished };
      kills.push(record);
      options.onKill(record, kills.length);
    }
    signal.throwIfAborted();
    if (!done) await finish(options, run);
    const end = await endOf(run);
    losses.push(end.loss);
    if (end.sha256 !== expected.sha256) otherWeights++;
    otherRows += rowsThatDiffer(end.rows, expected.rows);
  }
  const { loss, sha256 } = expected;
  const result = { kills, runs: losses.length, torn, lost, loss, losses, sha256 };
  const all = { ...result, otherWeights, otherRows };
  if (passed(all)) await rm(folder, { recursive: true });
  return all;
}

/** Whether nothing was lost and nothing differs. */
export function passed(result: CrashTestResult): boolean {
  const { torn, lost, losses, loss, otherWeights, otherRows } = result;
  return (
    [torn, lost, otherWeights, otherRows].every((n) => n === 0) && losses.every((x) => x === loss)
  );
}

/** The command line of a session; `--resume` as soon as there is a run to resume. */
async function train(options: CrashTestOptions, run: string): Promise<string[]> {
  const { preset, steps, seed } = options;
  const names = await readdir(run).catch((): string[] => []);
  const numbers = { steps, "save-every": 2, "eval-every": 7, "sample-tokens": 20, seed };
  const words = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const resume = names.includes("config.json") ? ["--resume"] : [];
  return ["train", preset, "--out", run, ...words, ...resume];
}

async function finish(options: CrashTestOptions, run: string): Promise<void> {
  const { code, stderr } = await session(await train(options, run), run);
  options.signal.throwIfAborted();
  if (code !== 0) refuseFailure(code ?? 1, stderr);
}

/** Signals end a process with null, or in order with 0 or 130; any other code is its own failure. */
function refuseFailure(code: number | null, stderr: string): void {
  if (code === null || code === 0 || code === 130) return;
  throw new RunError("RUN-01", "crash-test: a training process failed by itself.", [
    ["exit code", `${code}`],
    ["it says", stderr.trim().split("\n").slice(-6).join("\n    ")],
  ]);
}

/** Signal and moment of a kill, by the seed. */
function draw(
  seed: number,
  kill: number,
  run: number,
  startUpMs: number,
): { readonly signal: Signal; readonly moment: Moment } {
  const below = (n: number, what: number) =>
    Math.floor((n * hash32(seed, kill, run, what)) / 2 ** 32);
  const signal = (["SIGKILL", "SIGKILL", "SIGKILL", "SIGTERM", "SIGINT"] as const)[below(5, 0)];
  const at = (["a write", "a write", "a step", "a step", "start-up"] as const)[below(5, 1)];
  const steps = 1 + below(4, 2);
  const moment: Moment =
    at === "start-up"
      ? { at, delayMs: below(startUpMs, 3) }
      : { at: at ?? "a step", steps, delayMs: below(at === "a write" ? 4 : 30, 3) };
  return { signal: signal ?? "SIGKILL", moment };
}

interface Found {
  readonly torn: number;
  /** The newest step that verifies; −1 when there is none. */
  readonly newest: number;
  readonly unfinished: boolean;
}

/** What a kill left, before anything is swept. */
async function inspect(run: string): Promise<Found> {
  let [torn, newest] = [0, -1];
  for (const step of await listCheckpoints(run)) {
    try {
      await verifyCheckpoint(run, step);
      newest = step;
    } catch {
      torn++;
    }
  }
  const names = await readdir(join(run, "checkpoints"));
  const unfinished = names.some((name) => isTemporary(name) || name.startsWith(".old-"));
  return { torn, newest, unfinished };
}

interface End {
  readonly loss: number;
  readonly sha256: string;
  readonly rows: readonly MetricsRow[];
}

async function endOf(run: string): Promise<End> {
  const rows = await readMetrics(join(run, "metrics.jsonl"));
  const { step } = await loadCheckpoint(run, "latest");
  const manifest = join(run, "checkpoints", String(step).padStart(8, "0"), "manifest.json");
  const { files } = parseManifest(await readFile(manifest, "utf8"), manifest);
  const losses = rows
    .flatMap((row) => Number(row["train/loss"] ?? Number.NaN))
    .filter(Number.isFinite);
  return {
    loss: losses.at(-1) ?? Number.NaN,
    sha256: Object.values(files)
      .map((file) => file.sha256)
      .join(" "),
    rows,
  };
}

/** Rows of one list that the other does not have in the same place; times are left out. */
function rowsThatDiffer(some: readonly MetricsRow[], others: readonly MetricsRow[]): number {
  const text = (row: MetricsRow | undefined) =>
    JSON.stringify(Object.entries(row ?? {}).filter(([name]) => !TIMES.includes(name)));
  const longest = Math.max(some.length, others.length);
  return Array.from({ length: longest }, (_, i) => i).filter(
    (i) => text(some[i]) !== text(others[i]),
  ).length;
}
