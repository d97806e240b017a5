/** @file `bench`: training steps or single operations, ours and the peers', turn by turn. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { benchOps, type OpsResult } from "../bench/ops.ts";
import { type BenchResult, benchStepOnAll } from "../bench/step.ts";
import { formatBytes } from "../core/text.ts";
import { writeAtomically } from "../files/atomic.ts";
import { type Command, defineCommand } from "./command.ts";
import { formatTable } from "./table.ts";

export const command: Command = defineCommand({
  name: "bench",
  summary: "Time a training step, or single operations, against PyTorch and other peers",
  positionals: [
    {
      name: "what",
      help: "step: a training step; ops: single operations; compile: how long a step takes to compile; runner and compile-once serve as the timed processes",
      required: true,
      choices: ["step", "ops", "compile", "runner", "compile-once"],
    },
  ],
  options: {
    model: {
      type: "choice",
      choices: ["dense", "moe", "both"],
      default: "both",
      help: "which step",
    },
    python: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "a Python with bench/peers/requirements.txt installed",
    },
    only: {
      type: "string",
      default: "",
      help: "of step, the runners to time beside ours; of ops, words in the names of cases; with commas between, all when empty",
    },
    rounds: {
      type: "int",
      default: 7,
      min: 1,
      unit: "turns",
      help: "turns per runner, three steps each",
    },
    layers: { type: "int", default: 12, min: 1, help: "of compile: layers of the model" },
    threads: { type: "int", default: 2, min: 1, help: "threads of every runner" },
    out: { type: "string", default: "bench/results", help: "folder for the results, JSON" },
    config: { type: "string", default: "", help: "of a runner: the file to read" },
  },
  examples: [
    "meshloom bench step --python .venv/bin/python --json",
    "meshloom bench ops --python .venv/bin/python --only conv,softmax",
  ],

  async run(options, context) {
    if (options.what === "runner") {
      const { serveRunner } = await import("../bench/runner.ts");
      await serveRunner(options.config);
      return;
    }
    if (options.what === "compile-once") {
      const { compileOnce } = await import("../bench/compile.ts");
      context.out(JSON.stringify(await compileOnce(options.layers)));
      return;
    }
    if (options.what === "compile") {
      const { benchCompile } = await import("../bench/compile.ts");
      const result = await benchCompile(options.layers);
      const { layers, equations, cold, cached, cpu } = result;
      context.out(
        context.json
          ? JSON.stringify(result)
          : `${layers} layers, ${equations} equations: ${cold.toFixed(2)} s cold, ${cached.toFixed(2)} s from the cache; least of 3 processes, ${cpu}`,
      );
      return;
    }
    const only = options.only === "" ? [] : options.only.split(",");
    if (options.what === "ops") {
      const result = await benchOps({
        python: options.python,
        rounds: options.rounds,
        threads: options.threads,
        only,
        onNotice: context.log,
      });
      await mkdir(options.out, { recursive: true });
      await writeAtomically(join(options.out, "ops.json"), `${JSON.stringify(result, null, 2)}\n`);
      if (context.json) context.out(JSON.stringify(result));
      else for (const line of showOps(result)) context.out(line);
      return;
    }
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
          only,
          onNotice: context.log,
        }),
      );
    }
    await mkdir(options.out, { recursive: true });
    for (const result of results)
      await writeAtomically(
        join(options.out, `step-${result.model}.json`),
        `${JSON.stringify(result, null, 2)}\n`,
      );
    for (const result of results) {
      if (context.json) context.out(JSON.stringify(result));
      else for (const line of show(result)) context.out(line);
    }
  },
});

function showOps({ results, cpu, threads, versions }: OpsResult): string[] {
  const peers = [...new Set(results.flatMap((r) => Object.keys(r.peers)))];
  const rows = results.map((r) => [
    r.name,
    r.ours.minMs.toFixed(2),
    r.ours.medianMs.toFixed(2),
    r.gflops === null ? "" : r.gflops.toFixed(0),
    ...peers.flatMap((peer) => {
      const [times, ratio] = [r.peers[peer], r.speedups[peer]];
      return times === undefined || ratio === undefined
        ? ["", "", ""]
        : [times.medianMs.toFixed(2), ratio.min.toFixed(2), ratio.median.toFixed(2)];
    }),
    r.goal === null ? "" : `${r.goal.speedup} × ${r.goal.peer}`,
    verdict(r),
  ]);
  const header = ["operation", "min ms", "median ms", "GFLOP/s"];
  const theirs = peers.flatMap((peer) => [`${peer} ms`, "speedup min", "median"]);
  const known = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${threads} threads, ${cpu}${known.length > 0 ? `, ${known.join(", ")}` : ""}; speedup: their time over ours`,
    formatTable([...header, ...theirs, "goal", ""], rows, {
      align: ["left", ...Array(header.length - 1 + theirs.length).fill("right"), "left", "left"],
    }),
  ];
}

/** By the median: a minimum may be one lucky call. */
function verdict({ goal, speedups, difference }: OpsResult["results"][number]): string {
  if (difference > 1e-3) return `other results: ${difference.toExponential(0)}`;
  const reached = goal === null ? undefined : speedups[goal.peer];
  if (goal === null || reached === undefined) return "";
  return reached.median >= goal.speedup ? "reached" : "missed";
}

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
