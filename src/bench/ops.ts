/** @file `bench ops`: single operations, turn by turn against PyTorch and stock ONNX Runtime. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { allocate, readElement } from "../core/dtype.ts";
import { ConfigError } from "../core/errors.ts";
import { aval, sizeOf } from "../core/shape.ts";
import { median } from "../core/statistics.ts";
import { fromData, stored, type Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { exportOnnx } from "../engines/onnx/export.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { chosenCases } from "./chosen-cases.ts";
import { OP_CASES, type OpCase, type OpInput } from "./op-cases.ts";
import { type Runner, startOpsPeer } from "./peers.ts";

export interface OpsOptions {
  readonly python: string | undefined;
  readonly rounds: number;
  readonly threads: number;
  /** Cases whose name contains one of these; all when empty. */
  readonly only: readonly string[];
  onNotice(line: string): void;
}

/** Times of one runner for one case, in milliseconds. */
interface Times {
  readonly minMs: number;
  readonly medianMs: number;
}

export interface OpResult {
  readonly name: string;
  readonly gflops: number | null;
  readonly ours: Times;
  readonly peers: Readonly<Record<string, Times>>;
  /** Speed of ours over the peer's, by minimum and by median: above 1, ours is faster. */
  readonly speedups: Readonly<Record<string, { readonly min: number; readonly median: number }>>;
  /** Least speedup wanted, against which peer. */
  readonly goal: { readonly peer: string; readonly speedup: number } | null;
  /** Largest relative difference of the sums of the results. */
  readonly difference: number;
}

export interface OpsResult {
  readonly cpu: string;
  readonly threads: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly results: readonly OpResult[];
}

/** Calls timed in one turn, and the rest between turns for idle threads to stop spinning. */
const CALLS = 5;
const REST_MS = 120;

/**
 * Times every case on ours and on the peers that start.
 *
 * @throws ConfigError when `only` names no case, or when the peers cannot start
 */
export async function benchOps(options: OpsOptions): Promise<OpsResult> {
  const { python, threads, rounds, only, onNotice } = options;
  const shortNames = [...new Set(OP_CASES.map(({ name }) => name.replace(/ \[.*/, "")))];
  const cases = chosenCases("bench ops", OP_CASES, only, shortNames);
  const peer = python === undefined ? undefined : startOpsPeer(python);
  const folder = await mkdtemp(join(tmpdir(), "meshloom-ops-"));
  try {
    const versions = peer === undefined ? {} : await greet(peer, threads, python ?? "");
    const results: OpResult[] = [];
    for (const one of cases) {
      const result = await timeCase(one, { peer, folder, threads, rounds, versions });
      results.push(result);
      const ratios = Object.entries(result.speedups).map(
        ([name, r]) => `${r.median.toFixed(2)} × ${name}`,
      );
      onNotice(
        `${one.name}: ${result.ours.medianMs.toFixed(2)} ms${ratios.length > 0 ? `, ${ratios.join(", ")}` : ""}`,
      );
    }
    return { cpu: cpus()[0]?.model ?? "unknown", threads, versions, results };
  } finally {
    peer?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function greet(
  peer: Runner,
  threads: number,
  python: string,
): Promise<Readonly<Record<string, string>>> {
  try {
    const { versions } = await peer.ask<{ readonly versions: Record<string, string> }>({
      do: "hello",
      threads,
    });
    return versions;
  } catch (error) {
    throw new ConfigError("CONFIG-01", `bench ops: ${python} cannot serve as a peer.`, [
      ["it says", error instanceof Error ? error.message : String(error)],
      ["fix", `${python} -m pip install -r bench/peers/requirements.txt, or leave out --python`],
    ]);
  }
}

interface Setting {
  readonly peer: Runner | undefined;
  readonly folder: string;
  readonly threads: number;
  readonly rounds: number;
  readonly versions: Readonly<Record<string, string>>;
}

async function timeCase(
  one: OpCase,
  { peer, folder, threads, rounds, versions }: Setting,
): Promise<OpResult> {
  const inputs = one.inputs.map(inputTensor);
  const engine = await createOnnxEngine();
  // Results of one call are memory for the next: what a loop that donates its state does.
  const f = jit((xs: readonly Tensor[], _memory: readonly Tensor[]) => one.ours(...xs), {
    name: one.name,
    donate: [1],
    engine,
    threads,
  });
  const forms = f.lower(inputs, []).outputs.map((v) => v.aval);
  let memory: readonly Tensor[] = forms.map((form) =>
    stored(form, allocate(form.dtype, sizeOf(form.dims))),
  );
  const call = async () => {
    memory = await f(inputs, memory);
  };
  await call();
  const sums = memory.map((y) => sumOf(y));

  const runners: {
    readonly name: string;
    time(count: number): Promise<readonly number[]>;
    open(): Promise<readonly number[]>;
  }[] = [];
  if (peer !== undefined) {
    const ask = (name: string, model: string) => ({
      open: async () =>
        (
          await peer.ask<{ readonly sums: readonly number[] }>({
            do: "open",
            name,
            inputs: one.inputs,
            model,
          })
        ).sums,
      time: async (count: number) =>
        (await peer.ask<{ readonly ms: readonly number[] }>({ do: "time", count })).ms,
    });
    runners.push({ name: "torch", ...ask(one.name, "") });
    if (one.stock && versions["onnxruntime"] !== undefined) {
      const model = join(folder, "case.onnx");
      await writeFile(
        model,
        exportOnnx((...xs: Tensor[]) => [...one.ours(...xs)], inputs),
      );
      runners.push({ name: "onnxruntime", ...ask(`${one.name} @ onnxruntime`, model) });
    }
  }
  const times = new Map<string, number[]>([["ours", []]]);
  let difference = 0;
  for (let round = 0; round < rounds; round++) {
    await rest();
    await call();
    for (let i = 0; i < CALLS; i++) {
      const started = performance.now();
      await call();
      times.get("ours")?.push(performance.now() - started);
    }
    for (const { name, open, time } of runners) {
      await rest();
      const theirs = await open();
      difference = Math.max(difference, ...theirs.map((sum, i) => relative(sum, sums[i] ?? 0)));
      times.set(name, [...(times.get(name) ?? []), ...(await time(CALLS))]);
    }
  }
  const ours = timesOf(times.get("ours"));
  const peers = Object.fromEntries(runners.map(({ name }) => [name, timesOf(times.get(name))]));
  return {
    name: one.name,
    gflops: one.flops === 0 ? null : one.flops / ours.minMs / 1e6,
    ours,
    peers,
    speedups: Object.fromEntries(
      Object.entries(peers).map(([name, t]) => [
        name,
        { min: t.minMs / ours.minMs, median: t.medianMs / ours.medianMs },
      ]),
    ),
    goal: one.goal,
    difference,
  };
}

const rest = () => new Promise((resolve) => setTimeout(resolve, REST_MS));

function relative(a: number, b: number): number {
  return Math.abs(a - b) / Math.max(1, Math.abs(b));
}

function sumOf(y: Tensor): number {
  const data = y.data();
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += readElement(y.dtype, data, i);
  return sum;
}

function timesOf(list: readonly number[] = []): Times {
  const sorted = [...list].sort((a, b) => a - b);
  return { minMs: sorted[0] ?? Number.NaN, medianMs: median(sorted) };
}

/** The same numbers as in bench/peers/ops_peer.py: a fixed sequence in [−0.5, 0.5), or integers below a bound. */
function inputTensor({ dims, dtype, below }: OpInput, salt: number): Tensor {
  const count = sizeOf(dims);
  const data = dtype === "int32" ? new Int32Array(count) : new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const step = (i * 7919 + salt * 104729) % 2003;
    data[i] = dtype === "int32" ? Math.floor((step * below) / 2003) : step / 2003 - 0.5;
  }
  return fromData(dtype, aval(dtype, dims).dims, data);
}
