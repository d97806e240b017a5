/** @file `bench ops`: single operations, ours and the peers', turn by turn. */

import { benchOps, type OpsResult } from "../../bench/ops.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { BENCH_OPTIONS, keepResult, wordsOf } from "./options.ts";

export const command: Command = defineCommand({
  name: "bench ops",
  summary: "Time single operations against PyTorch and stock ONNX Runtime",
  positionals: [],
  options: {
    ...BENCH_OPTIONS,
    only: {
      type: "string",
      default: "",
      help: "words in the names of cases, with commas between; all when empty",
    },
  },
  examples: ["meshloom bench ops --python .venv/bin/python --only conv,softmax"],

  async run(options, context) {
    const result = await benchOps({
      python: options.python,
      rounds: options.rounds,
      threads: options.threads,
      only: wordsOf(options.only),
      onNotice: context.log,
    });
    await keepResult(options.out, "ops", result);
    if (context.json) context.out(JSON.stringify(result));
    else for (const line of showOps(result)) context.out(line);
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
