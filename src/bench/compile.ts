/** @file `bench compile`: how long a training step takes to become an executable, in a fresh process each time. */

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { allocate } from "../core/dtype.ts";
import { aval, sizeOf } from "../core/shape.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import { leaves, withLeaves } from "../core/tree.ts";
import { type CompileNote, onCompile } from "../engines/announce.ts";
import { defaultEngine } from "../engines/default.ts";
import { jit } from "../engines/jit.ts";
import { initialise } from "../nn/index.ts";
import type { Key } from "../numpy/random.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { BENCH, type BenchParams, benchParams, benchStep } from "./transformer.ts";

/** Seconds from the start of tracing to an executable, of the smallest of a few processes. */
export interface CompileResult {
  readonly layers: number;
  readonly equations: number;
  readonly cpu: string;
  /** With an empty cache. */
  readonly cold: number;
  /** With the model in the cache; the function is traced again all the same. */
  readonly cached: number;
}

const BIN = fileURLToPath(new URL("../../bin/meshloom.js", import.meta.url));
const ROUNDS = 3;

/** Compiles in processes of their own, each cold one with a cache of its own. */
export async function benchCompile(layers: number): Promise<CompileResult> {
  const cold: CompileNote[] = [];
  const cached: CompileNote[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const folder = await mkdtemp(join(tmpdir(), "meshloom-compile-"));
    try {
      for (const notes of [cold, cached]) {
        const { stdout } = await promisify(execFile)(
          process.execPath,
          [BIN, "bench", "compile-once", "--layers", `${layers}`],
          { env: { ...process.env, MESHLOOM_CACHE: folder } },
        );
        notes.push(JSON.parse(stdout) as CompileNote);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const least = (notes: readonly CompileNote[]) => Math.min(...notes.map(({ seconds }) => seconds));
  return {
    layers,
    equations: cold[0]?.equations ?? 0,
    cpu: cpus()[0]?.model ?? "unknown",
    cold: least(cold),
    cached: least(cached),
  };
}

/** Compiles the benchmark's dense step with so many layers, here. */
export async function compileOnce(layers: number): Promise<CompileNote> {
  const config = { ...BENCH, model: "dense" as const, layers, threads: 0 };
  const key = abstract(aval("uint32", [2]));
  const { result } = trace("weights", (k: Key) => initialise(benchParams(config), k), [key]);
  const zeros = ({ aval: form }: Tensor) => stored(form, allocate(form.dtype, sizeOf(form.dims)));
  const params = withLeaves(result, leaves(result).map(zeros)) as BenchParams<Tensor>;
  const ids = zeros(abstract(aval("int32", [config.batch, config.pos], ["batch", "pos"])));
  await defaultEngine(); // opening the library is no part of compiling
  const notes: CompileNote[] = [];
  const stop = onCompile((note) => notes.push(note));
  await jit(benchStep(config), { name: "step", donate: [0] }).compile(params, ids, ids);
  stop();
  const [note] = notes;
  if (note === undefined) throw new Error("nothing was compiled");
  return note;
}
