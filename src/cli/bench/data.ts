/** @file `bench data`: encoding, and batches against the time of a step. */

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { benchData, type DataBenchResult } from "../../bench/data.ts";
import { formatBytes, formatCount } from "../../core/text.ts";
import { openTokenizer } from "../../data/tokenizers/open.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";

export const command: Command = defineCommand({
  name: "bench data",
  summary: "Time encoding a corpus and making batches, and how long steps wait for them",
  positionals: [],
  options: {
    data: { type: "string", default: "moby-dick", help: "as for train: corpora, with weights" },
    tokenizer: { type: "string", default: "byte", help: "byte, or a tokenizer.json" },
    batch: { type: "int", default: 16, min: 1, help: "sequences per step" },
    length: { type: "int", default: 256, min: 2, unit: "tokens", help: "tokens per sequence" },
    steps: { type: "int", default: 500, min: 1, unit: "batches", help: "batches that are timed" },
    stepMs: {
      type: "int",
      default: 50,
      min: 1,
      unit: "milliseconds",
      help: "how long a step is taken to be",
    },
  },
  examples: ["meshloom bench data --data books:0.8,wikitext-2:0.2 --batch 32 --length 512"],

  async run(options, context) {
    const { data, batch, length, steps, stepMs } = options;
    const tokenizer = await openTokenizer(options.tokenizer);
    const folder = await mkdtemp(join(tmpdir(), "meshloom-bench-data-"));
    const result = await benchData({ data, tokenizer, batch, length, steps, stepMs, folder });
    if (context.json) context.out(JSON.stringify(result));
    else for (const line of show(result, stepMs)) context.out(line);
  },
});

function show({ encoding, batches }: DataBenchResult, stepMs: number): string[] {
  const encoded = encoding.map(({ corpus, bytes, tokens, seconds, openMs }) => [
    corpus,
    formatBytes(bytes),
    formatCount(tokens),
    seconds.toFixed(2),
    `${(bytes / seconds / 1e6).toFixed(1)}`,
    openMs.toFixed(1),
  ]);
  const made = batches.map(({ mode, prepareMs, medianMs, worstMs, waste, waiting }) => [
    mode,
    prepareMs.toFixed(1),
    medianMs.toFixed(3),
    worstMs.toFixed(3),
    `${(100 * waste).toFixed(2)} %`,
    `${(100 * waiting).toFixed(3)} %`,
  ]);
  const align = ["left", "right", "right", "right", "right", "right"] as const;
  return [
    formatTable(["encode", "text", "tokens", "s", "MB/s", "open again ms"], encoded, { align }),
    "",
    formatTable(
      ["batches", "plan ms", "median ms", "worst ms", "padding", `waiting at ${stepMs} ms`],
      made,
      { align },
    ),
  ];
}
