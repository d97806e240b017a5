/** @file `profile`: where the time of a training step goes. */

import { cpus } from "node:os";
import { BENCH, benchParams, benchStep } from "../bench/transformer.ts";
import { fromData, type Tensor } from "../core/tensor.ts";
import { drawBelow } from "../data/permutation.ts";
import { jit } from "../engines/jit.ts";
import { groupProfile, type Profile, type ProfiledNode, profile } from "../engines/onnx/profile.ts";
import { writeAtomically } from "../files/atomic.ts";
import { traceEvents } from "../files/trace-events.ts";
import { initialise } from "../nn/index.ts";
import * as random from "../numpy/random.ts";
import { openPreset } from "../train/families.ts";
import type { TokenBatch } from "../train/model.ts";
import type { TrainState } from "../train/step.ts";
import { type Command, defineCommand } from "./command.ts";
import { formatTable } from "./table.ts";

const BENCH_STEPS = { "bench-dense": "dense", "bench-moe": "moe" } as const;

const BY: Readonly<Record<"op" | "line" | "kernel" | "node", (node: ProfiledNode) => string>> = {
  op: ({ op }) => op,
  line: ({ line }) => (line === "" ? "(the system's own)" : line),
  kernel: ({ kernel }) => kernel,
  node: ({ op, kernel, shapes, line }) => `${op} ${kernel} ${shapes} ${line}`,
};

export const command: Command = defineCommand({
  name: "profile",
  summary: "Show where the time of a training step goes: by op, line and FLOP rate",
  positionals: [
    {
      name: "preset",
      help: "a model's preset, or bench-dense or bench-moe, the steps that `bench step` times",
      required: true,
    },
  ],
  options: {
    by: {
      type: "choice",
      choices: ["op", "line", "kernel", "node"],
      default: "op",
      help: "what a row of the table stands for",
    },
    runs: { type: "int", default: 5, min: 1, help: "timed runs, after one that warms up" },
    rows: { type: "int", default: 20, min: 1, help: "longest rows to show" },
    threads: { type: "int", default: 0, min: 0, help: "threads; 0 for one per core" },
    trace: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "also write the last run as a timeline that ui.perfetto.dev opens",
    },
  },
  examples: ["meshloom profile bench-dense --by line", "meshloom profile glam-nano --by kernel"],

  async run(options, context) {
    const result = await measure(options.preset, options);
    if (options.trace !== undefined) {
      await writeAtomically(options.trace, timelineOf(options.preset, result));
      context.log(`timeline: ${options.trace}, for ui.perfetto.dev`);
    }
    const groups = groupProfile(result, BY[options.by]);
    const cpu = cpus()[0]?.model ?? "unknown";
    if (context.json) {
      context.out(
        JSON.stringify({ preset: options.preset, cpu, ms: result.ms, by: options.by, groups }),
      );
      return;
    }
    const rows = groups
      .slice(0, options.rows)
      .map((g) => [
        g.name,
        g.ms.toFixed(2),
        `${(100 * g.share).toFixed(1)} %`,
        `${g.nodes}`,
        g.gflops === null ? "" : g.gflops.toFixed(0),
      ]);
    context.out(
      `${options.preset}: ${result.ms.toFixed(1)} ms a step, median of ${result.runs}, ${cpu}`,
    );
    context.out(
      formatTable([options.by, "ms", "share", "nodes", "GFLOP/s"], rows, {
        align: ["left", "right", "right", "right", "right"],
      }),
    );
  },
});

type Measured = Pick<{ readonly runs: number; readonly threads: number }, "runs" | "threads">;

/** One track of kernels; a click on one shows its op and the user's line. */
function timelineOf(preset: string, { timeline }: Profile): string {
  const slices = timeline.map(({ op, line, kernel, start, duration }) => ({
    name: kernel,
    start,
    duration,
    args: { op, line },
  }));
  return traceEvents(preset, [{ name: "training step", slices }]);
}

async function measure(preset: string, { runs, threads }: Measured): Promise<Profile> {
  const ids = (batch: number, pos: number, vocab: number): Tensor =>
    fromData(
      "int32",
      [batch, pos],
      Int32Array.from({ length: batch * pos }, (_, i) => drawBelow(vocab, 7, i, 0)),
      "batch pos",
    );
  if (preset in BENCH_STEPS) {
    const model = BENCH_STEPS[preset as keyof typeof BENCH_STEPS];
    const config = { ...BENCH, model, threads };
    const params = await jit((key: random.Key) => initialise(benchParams(config), key), {
      name: "initial weights",
    })(random.key(1));
    const tokens = ids(config.batch, config.pos, config.vocab);
    return profile(benchStep(config), [params, tokens, tokens], { runs, threads });
  }
  const model = await openPreset(preset);
  const { batch, length } = model.training;
  const state = await jit((key: random.Key) => model.initial(key), { name: "initial state" })(
    random.key(1),
  );
  const tokens = ids(batch, length, model.vocab);
  const step = (s: TrainState, b: TokenBatch) => model.step(s, b);
  return profile(step, [state, { tokens, targets: tokens }], { runs, threads });
}
