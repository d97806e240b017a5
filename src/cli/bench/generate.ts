/** @file `bench generate`: tokens per second with a key-value cache, ours and PyTorch's. */

import { benchGenerate, type GenerateResult } from "../../bench/generate.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { BENCH_OPTIONS, keepResult } from "./options.ts";

export const command: Command = defineCommand({
  name: "bench generate",
  summary: "Time writing text with a key-value cache against PyTorch, alone and 16 at once",
  positionals: [
    {
      name: "run",
      help: "folder that `train` wrote; fresh weights when left out",
      required: false,
    },
  ],
  options: {
    ...BENCH_OPTIONS,
    preset: { type: "string", default: "glam-nano", help: "without a run: the model's sizes" },
    prompt: { type: "int", default: 32, min: 1, unit: "tokens", help: "of every prompt" },
    tokens: { type: "int", default: 96, min: 1, unit: "tokens", help: "written after it" },
    batch: { type: "int", default: 16, min: 2, unit: "texts", help: "written at once, beside 1" },
  },
  examples: ["meshloom bench generate --python .venv/bin/python"],

  async run(options, context) {
    const { batch, ...rest } = options;
    const result = await benchGenerate({ ...rest, batches: [1, batch], onNotice: context.log });
    await keepResult(options.out, "generate", result);
    if (context.json) context.out(JSON.stringify(result));
    else for (const line of show(result)) context.out(line);
  },
});

function show({
  batches,
  cpu,
  threads,
  model,
  prompt,
  tokens,
  versions,
}: GenerateResult): string[] {
  const whole = (x: number | undefined) => (x === undefined ? "" : x.toFixed(0));
  const rows = batches.map(({ batch, ours, torch, ratio, same }) => [
    `${batch}`,
    whole(ours.tokensPerSecond.best),
    whole(ours.tokensPerSecond.median),
    whole(torch?.tokensPerSecond.best),
    whole(torch?.tokensPerSecond.median),
    ratio === null ? "" : ratio.best.toFixed(2),
    ratio === null ? "" : ratio.median.toFixed(2),
    same === null ? "" : `${(same * 100).toFixed(0)} %`,
    torch?.detail ?? "",
  ]);
  return [
    `${model}: ${tokens} tokens after a prompt of ${prompt}, greedy; ${threads} threads, ${cpu}; ${versions.join("; ")}`,
    formatTable(
      [
        "texts",
        "tokens/s best",
        "median",
        "torch best",
        "median",
        "ratio best",
        "median",
        "same tokens",
        "torch's experts",
      ],
      rows,
      { align: [...Array(8).fill("right"), "left"] },
    ),
  ];
}
