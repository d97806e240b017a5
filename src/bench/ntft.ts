/** @file `bench ntft`: the transform of the whole length of day, ours and the peers', turn by turn. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { ConfigError, DataError } from "../core/errors.ts";
import { median } from "../core/statistics.ts";
import { dataFolder } from "../data/corpora/named.ts";
import { CONE } from "../signal/edge.ts";
import { type NtftOptions, ntft, type TimeFrequencyMap } from "../signal/ntft.ts";
import { createTransformThreads } from "../signal/off-thread.ts";
import { makeSeries, type Series } from "../signal/series.ts";
import { type Runner, startNtftPeer } from "./peers.ts";

export interface NtftBenchOptions {
  readonly python: string | undefined;
  readonly rounds: number;
  /** Threads of the parallel sides; one thread is timed besides. */
  readonly threads: number;
  /** Of the decimated side, in samples. */
  readonly every: number;
  onNotice(line: string): void;
}

/** Seconds of one side over the rounds. */
export interface NtftSide {
  readonly name: string;
  readonly threads: number;
  /** Samples from one output to the next. */
  readonly every: number;
  readonly min: number;
  readonly median: number;
}

/** Largest difference of amplitudes, over the largest amplitude. */
export interface NtftAgreement {
  readonly peer: string;
  /** Where both ends are 1.25 standard deviations of the window away, or more. */
  readonly inside: number;
  readonly everywhere: number;
}

export interface NtftGoal {
  readonly goal: string;
  /** Null where the peer did not run. */
  readonly reached: boolean | null;
}

export interface NtftBenchResult {
  readonly cpu: string;
  readonly node: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly samples: number;
  readonly periods: { readonly count: number; readonly shortest: number; readonly longest: number };
  readonly sigma: number;
  readonly rounds: number;
  readonly sides: readonly NtftSide[];
  readonly agreement: readonly NtftAgreement[];
  readonly goals: readonly NtftGoal[];
}

const SIGMA = 10;
const COUNT = 400;
const [SHORTEST, LONGEST] = [10, 15 * 365.25];
const GOAL_SECONDS = 2;
/** Samples from one to the next that are compared with a peer's. */
const COMPARED = 97;

/**
 * Times all sides.
 *
 * @throws DataError without the C04 series, ConfigError when the peer cannot start
 */
export async function benchNtft(options: NtftBenchOptions): Promise<NtftBenchResult> {
  const { python, rounds, threads, onNotice } = options;
  const series = await lengthOfDay();
  const periods = Array.from(
    { length: COUNT },
    (_, at) => SHORTEST * (LONGEST / SHORTEST) ** (at / (COUNT - 1)),
  );
  const folder = await mkdtemp(join(tmpdir(), "meshloom-ntft-"));
  const counts = [...new Set([1, threads])];
  const pool = createTransformThreads(threads);
  const peers: Peer[] = [];
  try {
    if (python !== undefined) {
      const file = join(folder, "record.f8");
      await writeFile(file, series.re);
      const record = { file, periods, sigma: SIGMA };
      for (const count of counts) peers.push(await openPeer(python, count, record));
    }
    const timings = counts.flatMap((count) => [
      ...ourSides(series, { periods, sigma: SIGMA }, count, options.every, pool),
      ...peers.filter((peer) => peer.threads === count).flatMap(peerSides),
    ]);
    const sides = await takeTurns(timings, rounds, onNotice);
    const map = ntft(series, { periods, sigma: SIGMA, every: COMPARED });
    const [alone] = peers;
    const agreement = alone === undefined ? [] : await compare(alone, map);
    return {
      cpu: cpus()[0]?.model ?? "unknown",
      node: process.version,
      versions: alone?.versions ?? {},
      samples: series.re.length,
      periods: { count: COUNT, shortest: SHORTEST, longest: LONGEST },
      sigma: SIGMA,
      rounds,
      sides,
      agreement,
      goals: goalsOf(sides, counts),
    };
  } finally {
    for (const { runner } of peers) runner.stop();
    await pool.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Daily, in ms, from the compact copy of C04. */
async function lengthOfDay(): Promise<Series> {
  const path = join(dataFolder(), "iers", "c04-daily.csv.gz");
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined)
    throw new DataError("DATA-01", `bench ntft: "${path}" cannot be read.`, [
      ["fix", "set MESHLOOM_DATA to a folder that holds iers/c04-daily.csv.gz"],
    ]);
  const [header = "", ...lines] = gunzipSync(bytes).toString("utf8").trim().split("\n");
  const [time, value] = [header.split(",").indexOf("mjd"), header.split(",").indexOf("lod_s")];
  const rows = lines.map((line) => line.split(","));
  return makeSeries({
    ...{ name: "LOD", unit: "ms", timeUnit: "days", step: 1 },
    start: Number(rows[0]?.[time]),
    re: Float64Array.from(rows, (row) => 1000 * Number(row[value])),
  });
}

interface Peer {
  readonly runner: Runner;
  readonly threads: number;
  readonly methods: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
}

async function openPeer(python: string, threads: number, record: object): Promise<Peer> {
  const runner = startNtftPeer(python);
  try {
    const hello = await runner.ask<Pick<Peer, "methods" | "versions">>({ do: "hello", threads });
    if (hello.methods.length === 0) throw new Error("neither ssqueezepy nor scipy is installed");
    await runner.ask({ do: "open", ...record });
    return { runner, threads, ...hello };
  } catch (error) {
    runner.stop();
    throw new ConfigError("CONFIG-01", `bench ntft: ${python} cannot serve as a peer.`, [
      ["it says", error instanceof Error ? error.message : String(error)],
      ["fix", `${python} -m pip install -r bench/peers/requirements.txt, or leave out --python`],
    ]);
  }
}

interface Timing extends Pick<NtftSide, "name" | "threads" | "every"> {
  /** One transform. @returns seconds */
  time(): Promise<number>;
}

function ourSides(
  series: Series,
  options: NtftOptions,
  threads: number,
  every: number,
  pool: { ntft(series: Series, options: NtftOptions): Promise<TimeFrequencyMap> },
): Timing[] {
  return [1, every].map((stride) => ({
    name: "ours",
    threads,
    every: stride,
    async time() {
      const started = performance.now();
      const chosen = { ...options, every: stride };
      await (threads === 1 ? ntft(series, chosen) : pool.ntft(series, chosen));
      return (performance.now() - started) / 1000;
    },
  }));
}

function peerSides({ runner, threads, methods }: Peer): Timing[] {
  return methods.map((method) => ({
    name: method,
    threads,
    every: 1,
    time: async () =>
      (await runner.ask<{ readonly seconds: number }>({ do: "time", method })).seconds,
  }));
}

/** All sides take turns, after one that does not count: each compiles something in its first. */
async function takeTurns(
  timings: readonly Timing[],
  rounds: number,
  onNotice: (line: string) => void,
): Promise<NtftSide[]> {
  const seconds = timings.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [at, timing] of timings.entries()) {
      const taken = await timing.time();
      if (round > 0) seconds[at]?.push(taken);
    }
    onNotice(round === 0 ? "warmed up" : `round ${round} of ${rounds}`);
  }
  return timings.map(({ name, threads, every }, at) => {
    const list = seconds[at] ?? [];
    return { name, threads, every, min: Math.min(...list), median: median(list) };
  });
}

/** Amplitudes of each method on one thread against ours. */
async function compare({ runner, methods }: Peer, map: TimeFrequencyMap): Promise<NtftAgreement[]> {
  const count = map.times.length;
  const sizes = map.re.map((re, at) => re.map((x, n) => Math.hypot(x, map.im[at]?.[n] ?? 0)));
  const largest = sizes.reduce((most, row) => row.reduce((a, b) => Math.max(a, b), most), 0);
  const cut = map.periods.map(
    (period) => (CONE * map.sigma * period) / (2 * Math.PI) / (map.series.step * map.every),
  );
  const found: NtftAgreement[] = [];
  for (const method of methods) {
    const request = { do: "amplitudes", method, every: map.every };
    const { file } = await runner.ask<{ readonly file: string }>(request);
    const bytes = await readFile(file);
    const theirs = new Float64Array(new Uint8Array(bytes).buffer);
    let [inside, everywhere] = [0, 0];
    sizes.forEach((row, at) => {
      row.forEach((size, n) => {
        const apart = Math.abs(size - (theirs[at * count + n] ?? Number.NaN)) / largest;
        everywhere = Math.max(everywhere, apart);
        if (Math.min(n, count - 1 - n) >= (cut[at] ?? 0)) inside = Math.max(inside, apart);
      });
    });
    found.push({ peer: method, inside, everywhere });
  }
  return found;
}

function goalsOf(sides: readonly NtftSide[], counts: readonly number[]): NtftGoal[] {
  const side = (name: string, threads: number) =>
    sides.find((one) => one.name === name && one.threads === threads && one.every === 1);
  const most = Math.max(...counts);
  const whole = side("ours", most)?.median ?? Number.NaN;
  return [
    { goal: `under ${GOAL_SECONDS} s on ${most} threads`, reached: whole < GOAL_SECONDS },
    ...counts.map((threads) => {
      const theirs = side("ssqueezepy", threads)?.median;
      return {
        goal: `as fast as ssqueezepy on ${threads === 1 ? "1 thread" : `${threads} threads`}`,
        reached:
          theirs === undefined
            ? null
            : (side("ours", threads)?.median ?? Number.POSITIVE_INFINITY) <= theirs,
      };
    }),
  ];
}
