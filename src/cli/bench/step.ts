/** @file `bench step`: a training step, ours and the peers', turn by turn. */

import { type BenchResult, benchStepOnAll } from "../../bench/step.ts";
import { formatBytes } from "../../core/text.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { BENCH_OPTIONS, keepResult, wordsOf } from "./options.ts";

export const command: Command = defineCommand({
  name: "bench step",
  summary: "Time a training step against PyTorch, JAX, TensorFlow.js and jax-js",
  positionals: [],
  options: {
    ...BENCH_OPTIONS,
    model: {
      type: "choice",
      choices: ["dense", "moe", "both"],
      default: "both",
      help: "which step",
    },
    only: {
      type: "string",
      default: "",
      help: "runners to time beside ours, with commas between; all when empty",
    },
  },
  examples: ["meshloom bench step --python .venv/bin/python --json"],

  async run(options, context) {
    const models =
      options.model === "both"
        ? (["dense", "moe"] as const)
        : [options.model === "moe" ? ("moe" as const) : ("dense" as const)];
    const results: BenchResult[] = [];
    for (const model of models) {
      context.log(`${model} step`);
      results.push(
        await benchStepOnAll({
          model,
          python: options.python,
          rounds: options.rounds,
          threads: options.threads,
          only: wordsOf(options.only),
          onNotice: context.log,
        }),
      );
    }
    for (const result of results) await keepResult(options.out, `step-${result.model}`, result);
    for (const result of results) {
      if (context.json) context.out(JSON.stringify(result));
      else for (const line of show(result)) context.out(line);
    }
  },
});

function show(result: BenchResult): string[] {
  const rows = result.results.map((r) => [
    r.name,
    r.version,
    r.minMs.toFixed(0),
    r.medianMs.toFixed(0),
    r.gflops.toFixed(0),
    formatBytes(r.peakBytes),
    (result.ratios[r.name] ?? Number.NaN).toFixed(2),
    r.lossDifference.toExponential(0),
  ]);
  const torch = result.ratioToBestTorch;
  return [
    "",
    `${result.model} step, ${result.gflopPerStep.toFixed(1)} GFLOP, ${result.threads} threads, ${result.cpu}; traced, lowered and loaded in ${(result.loadMs / 1000).toFixed(2)} s`,
    formatTable(
      [
        "runner",
        "version",
        "min ms",
        "median ms",
        "GFLOP/s",
        "peak memory",
        "ours / theirs",
        "loss difference",
      ],
      rows,
      { align: ["left", "left", "right", "right", "right", "right", "right", "right"] },
    ),
    ...(torch === null
      ? []
      : [
          `ratio to the best PyTorch: ${torch.min.toFixed(3)} by minimum, ${torch.median.toFixed(3)} by median; memory ${result.memoryToBestTorch?.toFixed(2)}`,
        ]),
    ...result.left.map(({ name, reason }) => `left out: ${name}: ${reason}`),
  ];
}
