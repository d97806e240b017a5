/** @file Where the time of a program goes: by op, by line of the user, with the FLOP rate of the products. */

import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allocate } from "../../core/dtype.ts";
import { EngineError } from "../../core/errors.ts";
import { sizeOf } from "../../core/shape.ts";
import { median } from "../../core/statistics.ts";
import type { Tensor } from "../../core/tensor.ts";
import { leaves, withLeaves } from "../../core/tree.ts";
import { simplify } from "../../transforms/simplify.ts";
import { abstract, trace } from "../../transforms/trace.ts";
import { lowerToOnnx, readLabel } from "./lower.ts";
import { openTransport } from "./open.ts";
import { encodeModel } from "./proto.ts";
import type { HostTensor, OnnxTransport } from "./transport.ts";

/** One node of the engine's graph, over the timed runs. */
export interface ProfiledNode {
  /** The op of the program that it was written for. */
  readonly op: string;
  /** The user's line, `model.ts:12 in feedForward`. */
  readonly line: string;
  /** The engine's own operator. */
  readonly kernel: string;
  readonly shapes: string;
  /** Median over the runs. */
  readonly ms: number;
  /** Of one run; 0 where the node multiplies nothing. */
  readonly flops: number;
}

export interface Profile {
  readonly nodes: readonly ProfiledNode[];
  /** Median time of a whole run. */
  readonly ms: number;
  readonly runs: number;
  /** Every node of the last run, as it happened. */
  readonly timeline: readonly TimedNode[];
}

/** One execution of a node; times in microseconds since the run began. */
export interface TimedNode {
  readonly op: string;
  readonly line: string;
  readonly kernel: string;
  readonly start: number;
  readonly duration: number;
}

export interface ProfileOptions {
  readonly runs?: number;
  /** 0 lets the engine choose. */
  readonly threads?: number;
}

/**
 * Runs `f` a few times under the engine's profiler.
 *
 * @throws EngineError when the transport has no profiler
 */
export async function profile<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  args: A,
  { runs = 5, threads = 0 }: ProfileOptions = {},
): Promise<Profile> {
  const inputs = leaves(args, "profile: arguments");
  const forms = withLeaves(
    args,
    inputs.map((x) => abstract(x.aval)),
  );
  const { program, captured } = trace(f.name === "" ? "program" : f.name, f, forms);
  const model = encodeModel(
    lowerToOnnx(simplify(program), { constants: captured, labelled: true }),
  );
  const transport = await openTransport("auto");
  const outputs = program.outputs.map(
    ({ aval: { dtype, dims } }): HostTensor => ({
      dtype,
      dims,
      data: allocate(dtype, sizeOf(dims)),
    }),
  );
  const events = await record(transport, model, threads, async (run) => {
    for (let i = 0; i < runs + 1; i++) await run(inputs.map(hostTensor), outputs);
  });
  return summarise(events, runs);
}

function hostTensor(x: Tensor): HostTensor {
  return { dtype: x.dtype, dims: x.dims, data: x.data() };
}

/** What ONNX Runtime writes of one node or run; times in µs. */
interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly ts: number;
  readonly args?: {
    readonly op_name?: string;
    readonly input_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
    readonly output_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
  };
}

async function record(
  transport: OnnxTransport,
  model: Uint8Array,
  threads: number,
  use: (
    run: (inputs: readonly HostTensor[], outputs: readonly HostTensor[]) => Promise<void>,
  ) => Promise<void>,
): Promise<readonly ProfileEvent[]> {
  const profilePrefix = join(tmpdir(), `meshloom-profile-${process.pid}`);
  const session = await transport.load(model, { threads, optimise: "all", profilePrefix });
  try {
    await use((inputs, outputs) => session.run(inputs, outputs));
    const file = session.endProfiling();
    if (file === undefined)
      throw new EngineError(
        "ENGINE-02",
        `profile: the transport ${transport.name} has no profiler.`,
      );
    const events = JSON.parse(readFileSync(file, "utf8")) as readonly ProfileEvent[];
    rmSync(file, { force: true });
    return events;
  } finally {
    session.release();
  }
}

const KERNEL = /_kernel_time$/;

function summarise(events: readonly ProfileEvent[], runs: number): Profile {
  const whole = events.filter(({ name }) => name === "model_run").sort((a, b) => a.ts - b.ts);
  const timed = whole.slice(-runs); // the first run warms up
  const start = timed[0]?.ts ?? 0;
  const times = new Map<string, { readonly event: ProfileEvent; readonly durations: number[] }>();
  for (const event of events) {
    if (event.cat !== "Node" || !KERNEL.test(event.name) || event.ts < start) continue;
    const known = times.get(event.name);
    if (known === undefined) times.set(event.name, { event, durations: [event.dur] });
    else known.durations.push(event.dur);
  }
  const nodes = [...times.values()].map(({ event, durations }): ProfiledNode => {
    const inputs = shapesOf(event.args?.input_type_shape);
    const outputs = shapesOf(event.args?.output_type_shape);
    const kernel = event.args?.op_name ?? "";
    // A node inside a loop runs several times in one run.
    const perRun = durations.length / runs;
    return {
      ...readLabel(event.name.replace(KERNEL, "")),
      kernel,
      shapes: inputs.map((dims) => `[${dims.join(" ")}]`).join(" "),
      ms: (median(durations) * perRun) / 1000,
      flops: flopsOf(kernel, inputs, outputs) * perRun,
    };
  });
  const ms = median(timed.map(({ dur }) => dur)) / 1000;
  return { nodes, ms, runs: timed.length, timeline: lastRun(events, timed.at(-1)) };
}

function lastRun(
  events: readonly ProfileEvent[],
  run: ProfileEvent | undefined,
): readonly TimedNode[] {
  if (run === undefined) return [];
  return events
    .filter(
      ({ cat, name, ts }) =>
        cat === "Node" && KERNEL.test(name) && ts >= run.ts && ts < run.ts + run.dur,
    )
    .map(({ name, ts, dur, args }) => ({
      ...readLabel(name.replace(KERNEL, "")),
      kernel: args?.op_name ?? "",
      start: ts - run.ts,
      duration: dur,
    }));
}

function shapesOf(
  list: readonly Readonly<Record<string, readonly number[]>>[] = [],
): readonly (readonly number[])[] {
  return list.flatMap((entry) => Object.values(entry));
}

/** Two per multiply-add, from shapes alone: which operand is transposed does not matter. */
function flopsOf(
  kernel: string,
  [x = [], y = []]: readonly (readonly number[])[],
  [out = []]: readonly (readonly number[])[],
): number {
  if (/Conv/.test(kernel)) return 2 * sizeOf(out) * sizeOf(y.slice(1));
  if (!/Gemm|MatMul/.test(kernel) || sizeOf(out) === 0) return 0;
  // |x|·|y| = batch² m k² n and |out| = batch m n, where y has a batch; without one, |x|·|y| = k²·|out|.
  const batch = y.length > 2 ? sizeOf(y.slice(0, -2)) : 1;
  return 2 * sizeOf(out) * Math.sqrt((sizeOf(x) * sizeOf(y)) / (sizeOf(out) * batch));
}

/** Nodes with the same `by`, the longest first. */
export interface ProfileGroup {
  readonly name: string;
  readonly ms: number;
  readonly share: number;
  readonly nodes: number;
  /** Of the products in it; null where there are none. */
  readonly gflops: number | null;
}

export function groupProfile(
  { nodes }: Profile,
  by: (node: ProfiledNode) => string,
): readonly ProfileGroup[] {
  const groups = new Map<string, ProfiledNode[]>();
  for (const node of nodes) groups.set(by(node), [...(groups.get(by(node)) ?? []), node]);
  const total = nodes.reduce((sum, { ms }) => sum + ms, 0);
  return [...groups]
    .map(([name, list]): ProfileGroup => {
      const ms = list.reduce((sum, node) => sum + node.ms, 0);
      const products = list.filter(({ flops }) => flops > 0);
      const flops = products.reduce((sum, node) => sum + node.flops, 0);
      const productMs = products.reduce((sum, node) => sum + node.ms, 0);
      return {
        name,
        ms,
        share: total === 0 ? 0 : ms / total,
        nodes: list.length,
        gflops: productMs === 0 ? null : flops / productMs / 1e6,
      };
    })
    .sort((a, b) => b.ms - a.ms);
}
