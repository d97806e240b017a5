/** @file `bench ntft`: the normal time-frequency transform, ours and the peers', turn by turn. */

import { benchNtft, type NtftBenchResult, type NtftSide } from "../../bench/ntft.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { BENCH_OPTIONS, keepResult } from "./options.ts";

export const command: Command = defineCommand({
  name: "bench ntft",
  summary: "Time the time-frequency transform of the length of day against ssqueezepy and scipy",
  positionals: [],
  options: {
    ...BENCH_OPTIONS,
    every: {
      type: "int",
      default: 30,
      min: 2,
      unit: "samples",
      help: "from one output of the decimated side to the next",
    },
  },
  examples: ["meshloom bench ntft --python .venv/bin/python"],

  async run(options, context) {
    const result = await benchNtft({
      python: options.python,
      rounds: options.rounds,
      threads: options.threads,
      every: options.every,
      onNotice: context.log,
    });
    await keepResult(options.out, "ntft", result);
    if (context.json) context.out(JSON.stringify(result));
    else for (const line of showNtft(result)) context.out(line);
  },
});

function showNtft(result: NtftBenchResult): string[] {
  const { samples, periods, sigma, sides } = result;
  const known = Object.entries(result.versions).map(([name, version]) => `, ${name} ${version}`);
  const ours = (side: NtftSide) =>
    sides.find((one) => one.name === "ours" && one.threads === side.threads && one.every === 1);
  const rows = sides.map((side) => [
    side.every === 1 ? side.name : `${side.name}, each ${side.every}th sample`,
    String(side.threads),
    side.min.toFixed(3),
    side.median.toFixed(3),
    side.name === "ours" ? "" : (side.median / (ours(side)?.median ?? Number.NaN)).toFixed(2),
  ]);
  const agreement = result.agreement.map(
    ({ peer, inside, everywhere }) =>
      `amplitudes against ${peer}: apart by ${inside.toExponential(1)} of the largest inside c 1.25, ${everywhere.toExponential(1)} anywhere`,
  );
  const goals = result.goals.map(
    ({ goal, reached }) =>
      `${goal}: ${reached === null ? "not timed, needs --python" : reached ? "reached" : "missed"}`,
  );
  return [
    `${samples} samples × ${periods.count} periods from ${periods.shortest} to ${periods.longest} days, sigma ${sigma}, ${result.cpu}, node ${result.node}${known.join("")}, ${result.rounds} turns each; speedup: their median over ours at full resolution`,
    formatTable(["side", "threads", "min s", "median s", "speedup"], rows, {
      align: ["left", "right", "right", "right", "right"],
    }),
    ...agreement,
    ...goals,
  ];
}
