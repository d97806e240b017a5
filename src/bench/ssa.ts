/** @file The singular spectrum analysis of the daily length of day, ours against numpy's dense one, turn by turn. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { median } from "../core/statistics.ts";
import type { Series } from "../signal/series.ts";
import { type SsaVariant, ssa } from "../signal/ssa/ssa.ts";
import { type Runner, startSsaPeer } from "./peers.ts";

export interface SsaBenchOptions {
  readonly series: Series;
  /** In time units of the series. */
  readonly window: number;
  readonly count: number;
  readonly variant: SsaVariant;
  readonly python: string | undefined;
  readonly rounds: number;
  /** Of the peer; ours is one thread. */
  readonly threads: number;
  onNotice(line: string): void;
}

export interface SsaBenchResult {
  readonly cpu: string;
  readonly node: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly threads: number;
  readonly samples: number;
  /** Samples of the window. */
  readonly window: number;
  readonly count: number;
  readonly variant: SsaVariant;
  /** Seconds for the leading triples. */
  readonly ours: Seconds;
  /** Seconds for one of the components, from its triple. */
  readonly oursComponent: Seconds;
  /** Seconds for the covariance and all its eigenvectors. */
  readonly numpy: Seconds | null;
  /** Their time over ours. */
  readonly speedup: Seconds | null;
  /** Largest difference of singular values, over the largest value. */
  readonly apart: number | null;
  readonly goalSeconds: number;
  /** null for a shorter window, or fewer triples, than the goal is of. */
  readonly reached: boolean | null;
}

export interface Seconds {
  readonly min: number;
  readonly median: number;
}

/** For 30 triples of a window of 4,000 days. */
const GOAL = { seconds: 20, window: 4000, count: 30 } as const;

interface PeerAnswer {
  readonly seconds: number;
  readonly singularValues: readonly number[];
}

/** @throws ConfigError when the peer cannot start; SignalError as `ssa` */
export async function benchSsa(options: SsaBenchOptions): Promise<SsaBenchResult> {
  const { series, window, count, variant, python, rounds, threads, onNotice } = options;
  const folder = await mkdtemp(join(tmpdir(), "meshloom-ssa-"));
  const peer = python === undefined ? undefined : startSsaPeer(python, threads);
  try {
    const versions = peer === undefined ? {} : await greet(peer, python ?? "");
    const file = join(folder, "values.json");
    await writeFile(file, JSON.stringify([...series.re]));
    const [ours, components, theirs]: [number[], number[], number[]] = [[], [], []];
    let [found, answer] = [
      ssa(series, { window, count, variant }),
      undefined as PeerAnswer | undefined,
    ];
    for (let round = 0; round < rounds; round++) {
      ours.push(
        timed(() => {
          found = ssa(series, { window, count, variant });
        }),
      );
      components.push(timed(() => found.component(0)));
      onNotice(`turn ${round + 1}: ours ${ours.at(-1)?.toFixed(3)} s`);
      if (peer === undefined) continue;
      answer = await peer.ask<PeerAnswer>({
        do: "ssa",
        file,
        window: found.window,
        count,
        variant,
      });
      theirs.push(answer.seconds);
      onNotice(`turn ${round + 1}: numpy ${answer.seconds.toFixed(3)} s`);
    }
    const [own, numpy] = [secondsOf(ours), answer === undefined ? null : secondsOf(theirs)];
    return {
      cpu: cpus()[0]?.model ?? "unknown",
      node: process.version,
      ...{ versions, threads, samples: series.re.length, window: found.window, count, variant },
      ...{ ours: own, oursComponent: secondsOf(components), numpy },
      speedup:
        numpy === null ? null : { min: numpy.min / own.min, median: numpy.median / own.median },
      apart: answer === undefined ? null : farthest(found.singularValues, answer.singularValues),
      goalSeconds: GOAL.seconds,
      reached: found.window < GOAL.window || count < GOAL.count ? null : own.median <= GOAL.seconds,
    };
  } finally {
    peer?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function greet(peer: Runner, python: string): Promise<Readonly<Record<string, string>>> {
  try {
    const { versions } = await peer.ask<{ readonly versions: Record<string, string> }>({
      do: "hello",
    });
    return versions;
  } catch (error) {
    throw new ConfigError("CONFIG-01", `bench ssa: ${python} cannot serve as a peer.`, [
      ["it says", error instanceof Error ? error.message : String(error)],
      ["fix", `${python} -m pip install numpy, or leave out --python`],
    ]);
  }
}

function farthest(a: Float64Array, b: readonly number[]): number {
  const most = a.reduce((far, x, k) => Math.max(far, Math.abs(x - (b[k] ?? Number.NaN))), 0);
  return most / (a[0] ?? 1);
}

function timed(work: () => unknown): number {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
}

function secondsOf(list: readonly number[]): Seconds {
  return { min: Math.min(...list), median: median(list) };
}
