/**
 * @file What a small GLaM makes of seven novels: bits per byte of their held-out ends, by router, beside its
 * twin in PyTorch, n-gram models and compressors.
 *
 * Every part is kept in a folder, and a part that is there is not done again: the whole takes hours on two
 * cores, and may be ended and gone on with at any time.
 */

import { spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { type Baseline, baselinesOf } from "../bench/baselines.ts";
import { ConfigError, TrainingError } from "../core/errors.ts";
import { median } from "../core/statistics.ts";
import { openTokenizer } from "../data/tokenizers/open.ts";
import { openTrainingData } from "../data/training-data.ts";
import { writeAtomically } from "../files/atomic.ts";
import { ifPresent } from "../files/disk.ts";
import { restoreModel } from "../train/families.ts";
import { renderComparison } from "../train/report/comparison.ts";
import { readReport } from "../train/report/read-report.ts";
import { openTwin } from "./glam-twin.ts";

const BIN = fileURLToPath(new URL("../../bin/meshloom.js", import.meta.url));
const PRESET = "glam-micro";
const ROUTERS = ["expert-choice", "gshard-top2", "switch-top1"] as const;
/** More than any held-out part has: every token is counted once. */
const ALL = 2 ** 31;
/** Steps of the twin between two lines of progress. */
const TWIN_STEPS = 10;

export interface GlamMicroOptions {
  /** Holds the runs and what was measured. */
  readonly folder: string;
  /** Of the twin; without one it is left out. */
  readonly python: string | undefined;
  /** Updates of each run; the preset's when absent. */
  readonly steps: number | undefined;
  readonly seed: number;
  readonly threads: number;
  readonly signal: AbortSignal;
  onNotice(line: string): void;
}

/** One line of the table. */
export interface Finding {
  readonly name: string;
  /** Bits per byte of all held-out text. */
  readonly bitsPerByte: number;
  /** Of training, at the median rate of its steps; absent of what is not trained by steps. */
  readonly minutes?: number;
}

export interface GlamMicroResult {
  readonly steps: number;
  readonly seed: number;
  readonly threads: number;
  readonly models: readonly Finding[];
  readonly baselines: readonly Finding[];
  /** A page with the curves of all routers over one another. */
  readonly page: string;
}

/** @throws TrainingError when a run does not come to its end */
export async function reproduceGlamMicro(options: GlamMicroOptions): Promise<GlamMicroResult> {
  const { folder, seed, threads, python, signal, onNotice } = options;
  await mkdir(folder, { recursive: true });
  await holdSettings(options);
  const models: Finding[] = [];
  for (const router of ROUTERS) {
    onNotice(`${PRESET} with ${router}`);
    models.push(await trained(router, options));
  }
  const first = join(folder, ROUTERS[0]);
  const { steps, data } = await configOf(first);
  if (python === undefined) onNotice("no twin in PyTorch: it needs --python");
  else {
    onNotice(`its twin in PyTorch, with ${ROUTERS[0]}`);
    models.push(await kept(join(folder, "twin.json"), () => trainTwin(first, python, options)));
  }
  const tokenizer = await openTokenizer(first);
  const found = await kept(join(folder, "baselines.json"), () =>
    baselinesOf({ data, tokenizer, order: 6, signal, onNotice }),
  );
  const page = join(folder, "comparison.html");
  const views = await Promise.all(ROUTERS.map((router) => readReport(join(folder, router))));
  await writeAtomically(page, renderComparison(`${PRESET}: three routers`, views));
  return { ...{ steps, seed, threads, models, page }, baselines: bestOfEach(found) };
}

/** @throws ConfigError when the folder holds the parts of another reproduction */
async function holdSettings({ folder, steps, seed, threads }: GlamMicroOptions): Promise<void> {
  const now = { steps: steps ?? null, seed, threads };
  const before = await kept(join(folder, "settings.json"), async () => now);
  if (isDeepStrictEqual(before, now)) return;
  throw new ConfigError("CONFIG-01", `repro glam-micro: ${folder} was begun with other settings.`, [
    ["there", JSON.stringify(before)],
    ["given", JSON.stringify(now)],
    ["fix", "give the same ones to go on, or another --out"],
  ]);
}

/** Trains one router, or goes on with it, and evaluates it on all held-out text. */
async function trained(
  router: string,
  { folder, steps, seed, threads, signal }: GlamMicroOptions,
): Promise<Finding> {
  const run = join(folder, router);
  const there = (await ifPresent(readFile(join(run, "config.json")))) !== undefined;
  const finding = join(folder, `${router}.json`);
  return kept(finding, async () => {
    const begin = [PRESET, "--router", router, "--seed", `${seed}`, "--threads", `${threads}`];
    const more = steps === undefined ? [] : ["--steps", `${steps}`];
    const words = there
      ? ["--resume"]
      : [...begin, ...more, "--eval-every", "160", "--save-every", "80"];
    await meshloom(["train", ...words, "--out", run, "--sample-every", "400"], signal);
    const evaluated = await meshloom(["eval", run, "--json"], signal);
    const { bitsPerByte } = JSON.parse(evaluated) as { readonly bitsPerByte: number };
    const { rows } = await readReport(run);
    const rates = rows.map((row) => Number(row["throughput/tokens_per_second"] ?? 0));
    const tokens = rows.findLast((row) => typeof row["train/tokens"] === "number");
    const seconds =
      Number(tokens?.["train/tokens"] ?? 0) / median(rates.filter((rate) => rate > 0));
    return { name: router, bitsPerByte, minutes: seconds / 60 };
  });
}

/** The same training in PyTorch: our fresh weights, our batches, its own arithmetic. */
async function trainTwin(
  run: string,
  python: string,
  { seed, threads, onNotice }: GlamMicroOptions,
): Promise<Finding> {
  const { content, data: name } = await configOf(run);
  const model = await restoreModel(content);
  const { batch, length, steps } = model.training;
  const data = await openTrainingData({
    ...{ data: name, tokenizer: await openTokenizer(run), vocab: model.vocab },
    ...{ batch, length, seed, validationBatches: ALL },
  });
  const twin = await openTwin({
    batches: Array.from({ length: steps }, (_, step) => data.batches.train(step)),
    held: [...data.batches.validation()],
    ...{ model, seed, python, threads, engine: undefined },
  });
  try {
    const rates: number[] = [];
    for (let at = 0; at < steps; at += TWIN_STEPS) {
      const { losses, seconds } = await twin.train(Math.min(TWIN_STEPS, steps - at));
      rates.push(seconds / losses.length);
      onNotice(`${at + losses.length}/${steps} steps  loss ${losses.at(-1)?.toFixed(3)}`);
    }
    const { heldOut } = data;
    const minutes = (steps * median(rates)) / 60;
    const bits = ((await twin.evaluate()) * heldOut.tokens) / Math.LN2;
    return { name: `PyTorch ${twin.version}`, bitsPerByte: bits / heldOut.bytes, minutes };
  } finally {
    await twin.stop();
    data.close();
  }
}

interface SavedConfig {
  readonly preset: string;
  readonly family: string;
  readonly model: unknown;
  readonly training: { readonly steps: number };
  readonly data: { readonly name: string };
}

async function configOf(
  run: string,
): Promise<{ readonly content: SavedConfig; readonly steps: number; readonly data: string }> {
  const content = JSON.parse(await readFile(join(run, "config.json"), "utf8")) as SavedConfig;
  return { content, steps: content.training.steps, data: content.data.name };
}

/** Of each kind of n-gram the best order, and every compressor. */
function bestOfEach(all: readonly Baseline[]): readonly Finding[] {
  const kinds = new Map<string, Baseline>();
  for (const one of all) {
    const kind = one.name.replace(/ \d+-gram/, " n-gram");
    const best = kinds.get(kind);
    if (best === undefined || one.bitsPerByte < best.bitsPerByte) kinds.set(kind, one);
  }
  return [...kinds.values()]
    .toSorted((a, b) => a.bitsPerByte - b.bitsPerByte)
    .map(({ name, bitsPerByte }) => ({ name, bitsPerByte }));
}

/** What a file says, or what is worked out and then written there. */
async function kept<T>(path: string, work: () => Promise<T>): Promise<T> {
  const before = await ifPresent(readFile(path, "utf8"));
  if (before !== undefined) return JSON.parse(before) as T;
  const found = await work();
  await writeAtomically(path, `${JSON.stringify(found, null, 2)}\n`);
  return found;
}

/** Runs a command in a process of its own, which shows its progress. @returns what it printed */
function meshloom(words: readonly string[], signal: AbortSignal): Promise<string> {
  const child = spawn(process.execPath, [BIN, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      signal.removeEventListener("abort", stop);
      if (code === 0 && !signal.aborted) resolve(printed);
      else
        reject(
          new TrainingError(
            "TRAIN-01",
            `repro: meshloom ${words.join(" ")} ended before its end.`,
            [
              ["exit code", `${code}`],
              ["fix", "run the same command again: it goes on where this one ended"],
            ],
          ),
        );
    });
  });
}
