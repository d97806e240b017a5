/** @file Meshloom as a runner of the benchmark: answers the same requests on stdin as its peers do. */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fromData, type Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { createOnnxEngine, type OnnxEngine } from "../engines/onnx/onnx.ts";
import { initialise } from "../nn/index.ts";
import * as random from "../numpy/random.ts";
import { decodeSafetensors, type NamedTensor } from "../train/safetensors.ts";
import { stateFrom } from "../train/state.ts";
import { type BenchConfig, type BenchParams, benchParams, benchStep } from "./transformer.ts";

/** A runner's configuration, shared with the peers as a JSON file. */
export interface RunnerConfig extends BenchConfig {
  readonly weights: string;
  readonly data: string;
  readonly steps: number;
}

interface Loaded {
  readonly engine: OnnxEngine;
  readonly step: ReturnType<
    typeof jit<[BenchParams<Tensor>, Tensor, Tensor], readonly [BenchParams<Tensor>, Tensor]>
  >;
  readonly batches: readonly (readonly [Tensor, Tensor])[];
  fresh(): BenchParams<Tensor>;
  /** Tracing, differentiating, lowering and loading the step. */
  readonly loadMs: number;
}

/** Serves requests until `quit` or the end of stdin. */
export async function serveRunner(configPath: string): Promise<void> {
  const config = JSON.parse(readFileSync(configPath, "utf8")) as RunnerConfig;
  let loaded: Loaded | undefined;
  let params: BenchParams<Tensor> | undefined;
  let at = 0;
  const advance = async (): Promise<number> => {
    if (loaded === undefined || params === undefined) throw new Error("load first");
    const batch = loaded.batches[at++ % loaded.batches.length];
    if (batch === undefined) throw new Error("no data");
    const [next, loss] = await loaded.step(params, ...batch);
    params = next;
    return loss.item();
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as {
      readonly do: string;
      readonly steps?: number;
      readonly count?: number;
    };
    if (request.do === "quit") return;
    if (request.do === "load") {
      loaded = await load(config);
      params = loaded.fresh();
      const { engine, loadMs } = loaded;
      answer({
        ok: true,
        runner: "meshloom",
        version: `onnxruntime ${engine.transport.version}`,
        detail: `${engine.transport.name}`,
        loadMs,
      });
    } else if (request.do === "losses") {
      params = loaded?.fresh();
      at = 0;
      const losses: number[] = [];
      for (let i = 0; i < (request.steps ?? 1); i++) losses.push(await advance());
      answer({ losses });
    } else if (request.do === "step") {
      const ms: number[] = [];
      for (let i = 0; i < (request.count ?? 1); i++) {
        const started = performance.now();
        await advance();
        ms.push(performance.now() - started);
      }
      answer({ ms });
    } else if (request.do === "memory") answer({ peakBytes: peakBytes() });
    else answer({ error: `unknown request ${request.do}` });
  }
}

function answer(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function load(config: RunnerConfig): Promise<Loaded> {
  const weights = read(config.weights);
  const engine = await createOnnxEngine();
  const step = jit(benchStep(config), {
    name: "bench",
    donate: [0],
    engine,
    threads: config.threads,
  });
  const forms = jit((key: random.Key) => initialise(benchParams(config), key), { engine });
  const like = await forms(random.key(0));
  const fresh = () =>
    stateFrom(
      like,
      weights.map((w) => ({ ...w, data: w.data.slice() })),
      config.weights,
    ) as BenchParams<Tensor>;
  const batches = batchesOf(read(config.data), config);
  const [first] = batches;
  const started = performance.now();
  if (first !== undefined) await step.compile(fresh(), ...first);
  const loadMs = performance.now() - started;
  return { engine, step, batches, fresh, loadMs };
}

function read(path: string): readonly NamedTensor[] {
  return decodeSafetensors(readFileSync(path), path).tensors;
}

function batchesOf(
  tensors: readonly NamedTensor[],
  { batch, pos }: BenchConfig,
): (readonly [Tensor, Tensor])[] {
  const rows = (name: string) => {
    const data = tensors.find((tensor) => tensor.name === name)?.data as Int32Array;
    return Array.from({ length: data.length / (batch * pos) }, (_, i) =>
      fromData(
        "int32",
        [batch, pos],
        data.slice(i * batch * pos, (i + 1) * batch * pos),
        "batch pos",
      ),
    );
  };
  const targets = rows("targets");
  return rows("tokens").map((tokens, i) => [tokens, targets[i] ?? tokens] as const);
}

/** High-water mark of the resident set, in bytes. */
function peakBytes(): number {
  try {
    const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    if (match !== null) return Number(match[1]) * 1024;
  } catch {
    // not Linux
  }
  return process.resourceUsage().maxRSS * 1024;
}
