/** @file How long the data pipeline takes: encoding a corpus, and making batches of it. */

import { rm } from "node:fs/promises";
import { median } from "../core/statistics.ts";
import { createCorpusBatches } from "../data/batches.ts";
import { openCorpus } from "../data/corpora/table.ts";
import { parseMixture } from "../data/mixture-text.ts";
import { prefetch } from "../data/prefetch.ts";
import type { StoreTokenizer } from "../data/store/format.ts";
import { openTokenStore } from "../data/store/open.ts";
import type { TokenStore } from "../data/store/read.ts";

export interface DataBenchOptions {
  /** As in `--data`. */
  readonly data: string;
  readonly tokenizer: StoreTokenizer;
  readonly batch: number;
  readonly length: number;
  /** Batches that are timed. */
  readonly steps: number;
  /** How long a step is taken to be, for the share of waiting, in milliseconds. */
  readonly stepMs: number;
  /** An empty folder for the stores; deleted afterwards. */
  readonly folder: string;
}

export interface EncodeTiming {
  readonly corpus: string;
  readonly bytes: number;
  readonly tokens: number;
  readonly seconds: number;
  /** Opening what is encoded already, checks included. */
  readonly openMs: number;
}

export interface BatchTiming {
  readonly mode: "windows" | "packed";
  /** Planning, or nothing. */
  readonly prepareMs: number;
  readonly medianMs: number;
  readonly worstMs: number;
  /** Share of places that are padding. */
  readonly waste: number;
  /** Share of the time that steps of `stepMs` wait for their batch when it is made while the one before runs. */
  readonly waiting: number;
}

export interface DataBenchResult {
  readonly encoding: readonly EncodeTiming[];
  readonly batches: readonly BatchTiming[];
}

/** Encodes each corpus once, then makes batches of all of them by weight: in windows, and packed. */
export async function benchData(options: DataBenchOptions): Promise<DataBenchResult> {
  const { tokenizer, folder } = options;
  const encoding: EncodeTiming[] = [];
  const stores: { name: string; train: TokenStore; weight: number | undefined }[] = [];
  try {
    for (const { name, weight } of parseMixture(options.data)) {
      const corpus = await openCorpus(name);
      const open = () => openTokenStore({ corpus, split: "train", tokenizer, folder });
      const [first, seconds] = await timed(open);
      first.close();
      const [train, again] = await timed(open);
      const { bytes, tokens } = train.facts;
      encoding.push({ corpus: name, bytes, tokens, seconds, openMs: again * 1000 });
      stores.push({ name, train, weight });
    }
    const all = stores.reduce((sum, { train }) => sum + train.length, 0);
    const corpora = stores.map(({ weight, ...rest }) => ({
      ...rest,
      weight: weight ?? rest.train.length / all,
    }));
    const batches: BatchTiming[] = [];
    for (const mode of ["windows", "packed"] as const) {
      batches.push(await timeBatches(corpora, mode, options));
    }
    return { encoding, batches };
  } finally {
    for (const { train } of stores) train.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function timeBatches(
  corpora: Parameters<typeof createCorpusBatches>[0]["corpora"],
  mode: BatchTiming["mode"],
  { batch, length, steps, stepMs }: DataBenchOptions,
): Promise<BatchTiming> {
  const packed = mode === "packed";
  const [batches, prepare] = await timed(async () =>
    createCorpusBatches({ corpora, batch, length, seed: 0, packed }),
  );
  const times: number[] = [];
  for (let step = 0; step < steps; step++) {
    const started = performance.now();
    batches.train(step);
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  return {
    mode,
    prepareMs: prepare * 1000,
    medianMs: median(times),
    worstMs: times.at(-1) ?? Number.NaN,
    waste: batches.waste,
    waiting: await waitingShare(batches.train, steps, stepMs),
  };
}

/** Few steps are enough, since each of them takes as long as a real one. */
const WAITED_STEPS = 20;

async function waitingShare(
  train: (step: number) => unknown,
  from: number,
  stepMs: number,
): Promise<number> {
  const ready = prefetch(train, from);
  // The first step has nothing to hide behind.
  ready.next();
  await sleep(stepMs);
  const started = performance.now();
  let waited = 0;
  for (let step = 0; step < WAITED_STEPS; step++) {
    waited += ready.next().waited;
    await sleep(stepMs);
  }
  ready.close();
  return (1000 * waited) / (performance.now() - started);
}

function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

async function timed<T>(work: () => Promise<T>): Promise<[result: T, seconds: number]> {
  const started = performance.now();
  const result = await work();
  return [result, (performance.now() - started) / 1000];
}
