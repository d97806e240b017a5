/** @file `bench text`: tokenizers, ours and the packages', turn by turn. */

import { benchText, type TextBenchResult } from "../../bench/text.ts";
import { openCorpus } from "../../data/corpora/table.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { BENCH_OPTIONS, keepResult, wordsOf } from "./options.ts";

export const command: Command = defineCommand({
  name: "bench text",
  summary: "Time encoding and training of tokenizers against the tokenizers packages",
  positionals: [],
  options: {
    ...BENCH_OPTIONS,
    data: { type: "string", default: "moby-dick", help: "a corpus by name, or a file or folder" },
    vocab: { type: "int", default: 4096, min: 300, help: "ids of each tokenizer" },
    only: {
      type: "string",
      default: "",
      help: "words in the names of cases, with commas between; all when empty",
    },
  },
  examples: ["meshloom bench text --data books --python .venv/bin/python"],

  async run(options, context) {
    const result = await benchText({
      corpus: await openCorpus(options.data),
      vocab: options.vocab,
      python: options.python,
      rounds: options.rounds,
      threads: options.threads,
      only: wordsOf(options.only),
      onNotice: context.log,
    });
    await keepResult(options.out, "text", result);
    if (context.json) context.out(JSON.stringify(result));
    else for (const line of showText(result)) context.out(line);
  },
});

function showText(result: TextBenchResult): string[] {
  const peers = [...new Set(result.results.flatMap((row) => Object.keys(row.peers)))];
  const rows = result.results.map((row) => {
    const reached = row.speedups[row.goal.peer];
    const verdict =
      reached === undefined ? "" : reached.median >= row.goal.speedup ? "reached" : "missed";
    return [
      `${row.what} ${row.name}`,
      row.ours.min.toFixed(3),
      row.ours.median.toFixed(3),
      (row.bytes / 1e6 / row.ours.median).toFixed(1),
      ...peers.flatMap((peer) => {
        const [times, ratio] = [row.peers[peer], row.speedups[peer]];
        return times === undefined || ratio === undefined
          ? ["", "", ""]
          : [times.median.toFixed(3), ratio.min.toFixed(2), ratio.median.toFixed(2)];
      }),
      `${row.goal.speedup.toFixed(2)} × ${row.goal.peer}`,
      row.same === false ? "other tokens" : verdict,
    ];
  });
  const header = ["case", "min s", "median s", "MB/s"];
  const theirs = peers.flatMap((peer) => [`${peer} s`, "speedup min", "median"]);
  const known = Object.entries(result.versions).map(([name, version]) => `, ${name} ${version}`);
  return [
    `${result.corpus}, ${result.vocab} ids, ${result.cpu}, node ${result.node}${known.join("")}; one thread, training in Rust ${result.threads}; speedup: their time over ours`,
    formatTable([...header, ...theirs, "goal", ""], rows, {
      align: ["left", ...Array(header.length - 1 + theirs.length).fill("right"), "left", "left"],
    }),
  ];
}
