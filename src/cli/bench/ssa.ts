/** @file `bench ssa`: the leading triples of the daily length of day, ours and numpy's, turn by turn. */

import { benchSsa, type SsaBenchResult } from "../../bench/ssa.ts";
import { openRecord } from "../../signal/records/open.ts";
import { seriesOf } from "../../signal/records/series-of.ts";
import { recordPath } from "../../signal/records/shelf.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { BENCH_OPTIONS, keepResult } from "./options.ts";

export const command: Command = defineCommand({
  name: "bench ssa",
  summary: "Time the singular spectrum analysis of the daily length of day against numpy",
  positionals: [],
  options: {
    ...BENCH_OPTIONS,
    rounds: { ...BENCH_OPTIONS.rounds, default: 3 },
    threads: { ...BENCH_OPTIONS.threads, help: "threads of numpy; ours is one" },
    data: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "a daily record; IERS C04 as fetched or shared when absent",
    },
    column: { type: "string", default: "LOD", help: "of the record" },
    window: { type: "int", default: 4000, min: 2, unit: "days", help: "length of the window" },
    count: { type: "int", default: 30, min: 1, unit: "triples", help: "leading ones" },
    variant: {
      type: "choice",
      choices: ["basic", "toeplitz"],
      default: "basic",
      help: "decompose the trajectory matrix, or the covariances of lags",
    },
  },
  examples: ["meshloom bench ssa --python .venv/bin/python"],

  async run(options, context) {
    const record = await openRecord(options.data ?? recordPath("c04"));
    const result = await benchSsa({
      series: seriesOf(record, options.column, { timeUnit: "days" }),
      window: options.window,
      count: options.count,
      variant: options.variant,
      python: options.python,
      rounds: options.rounds,
      threads: options.threads,
      onNotice: context.log,
    });
    await keepResult(options.out, "ssa", result);
    if (context.json) context.out(JSON.stringify(result));
    else for (const line of show(result)) context.out(line);
  },
});

function show(result: SsaBenchResult): string[] {
  const { ours, oursComponent, numpy, speedup, apart, versions } = result;
  const seconds = (name: string, { min, median }: SsaBenchResult["ours"]): string[] => [
    name,
    min.toFixed(3),
    median.toFixed(3),
  ];
  const rows = [
    seconds(`ours, ${result.count} triples`, ours),
    seconds("ours, one component more", oursComponent),
    ...(numpy === null ? [] : [seconds(`numpy ${versions["numpy"]}, all`, numpy)]),
  ];
  const known = `${result.samples} samples, window ${result.window}, ${result.variant}`;
  return [
    `${known}; ${result.cpu}, node ${result.node}; numpy on ${result.threads} threads`,
    formatTable(["", "min s", "median s"], rows, { align: ["left", "right", "right"] }),
    ...(speedup === null
      ? []
      : [
          `numpy's time over ours: ${speedup.min.toFixed(1)} of the fastest turns, ${speedup.median.toFixed(1)} of the median ones`,
        ]),
    ...(apart === null
      ? []
      : [`singular values differ by ${apart.toExponential(1)} of the largest`]),
    ...(result.reached === null
      ? []
      : [`goal: ${result.goalSeconds} s: ${result.reached ? "reached" : "missed"}`]),
  ];
}
