/** @file `bench serve`: many clients on one server; fails when an answer is lost or not its own. */

import { benchServe, type Percentiles, type ServeBenchResult } from "../../bench/serve.ts";
import { formatBytes } from "../../core/text.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { keepResult } from "./options.ts";

export const command: Command = defineCommand({
  name: "bench serve",
  summary: "Put many clients on a server, and hold every answer against the one computed alone",
  positionals: [{ name: "run", help: "folder that `train` wrote", required: true }],
  options: {
    clients: { type: "int", default: 200, min: 1, unit: "clients", help: "that ask at once" },
    seconds: { type: "float", default: 60, above: 0, unit: "seconds", help: "to go on for" },
    slots: { type: "int", default: 16, min: 1, unit: "texts", help: "written at once" },
    queue: {
      type: "int",
      default: 128,
      min: 0,
      unit: "texts",
      help: "that may wait; clients beyond are refused and come again",
    },
    requests: {
      type: "int",
      default: 64,
      min: 1,
      unit: "requests",
      help: "different ones; each is asked many times",
    },
    maxTokens: { type: "int", default: 48, min: 1, unit: "tokens", help: "of one answer at most" },
    threads: { type: "int", default: 2, min: 1, help: "threads of one computation" },
    out: { type: "string", default: "bench/results", help: "folder for the results, JSON" },
  },
  examples: ["meshloom bench serve runs/one --clients 200 --seconds 60"],

  async run(options, context) {
    const { signal } = context;
    const result = await benchServe({ ...options, signal, onNotice: context.log });
    await keepResult(options.out, "serve", result);
    if (context.json) context.out(JSON.stringify(result));
    else for (const line of show(result)) context.out(line);
    for (const problem of result.problems) context.log(problem);
    const whole = result.answers > 0 && result.problems.length === 0;
    return whole && result.lost + result.mixed === 0 ? undefined : 1;
  },
});

function show(result: ServeBenchResult): string[] {
  const { clients, seconds, answers, lost, mixed, latency, firstToken, memory } = result;
  const row = (name: string, { p50, p95, p99 }: Percentiles) => [
    name,
    ...[p50, p95, p99].map((ms) => ms.toFixed(0)),
  ];
  const table = formatTable(
    ["", "p50 ms", "p95 ms", "p99 ms"],
    [row("whole answer", latency), row("first text of a stream", firstToken)],
    { align: ["left", "right", "right", "right"] },
  );
  return [
    result.cpu,
    table,
    `${result.tokensPerSecond.toFixed(0)} tokens/s, ${result.requestsPerSecond.toFixed(1)} answers/s, ${result.abandoned} given up by their clients, ${result.refused} refusals (429)`,
    `memory of the server: ${formatBytes(memory.start)} at the start, ${formatBytes(memory.end)} at the end, ${formatBytes(memory.max)} at most`,
    `serve: ${clients} clients, ${seconds} s: ${answers} answers, ${lost} lost, ${mixed} mixed; ${result.tokensPerSecond.toFixed(0)} tokens/s, p50 ${latency.p50.toFixed(0)} ms, p99 ${latency.p99.toFixed(0)} ms, at most ${formatBytes(memory.max)}`,
  ];
}
