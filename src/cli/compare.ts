/** @file `compare`: several runs over one another, as a table and as a page. */

import { basename, resolve } from "node:path";
import { formatCount, formatSeconds } from "../core/text.ts";
import { writeAtomically } from "../files/atomic.ts";
import { type RunSummary, renderComparison, summarise } from "../train/report/comparison.ts";
import { readReport } from "../train/report/read-report.ts";
import type { RunView } from "../train/report/run-view.ts";
import { type Command, defineCommand } from "./command.ts";
import { formatTable } from "./table.ts";

export const command: Command = defineCommand({
  name: "compare",
  summary: "Hold several runs against each other: losses, speed, settings",
  positionals: [{ name: "runs", help: "folders that `train` wrote", required: true, many: true }],
  options: {
    out: {
      type: "string",
      default: "comparison.html",
      help: "page with the curves over one another and the settings that differ",
    },
  },
  examples: ["meshloom compare runs/one runs/two --out comparison.html"],

  async run({ runs, out }, context) {
    const views = distinct(await Promise.all(runs.map((folder) => readReport(folder))), runs);
    await writeAtomically(out, renderComparison(`${views.length} runs`, views));
    const found = summarise(views);
    if (context.json) {
      context.out(JSON.stringify({ page: out, runs: found }));
      return;
    }
    context.out(
      formatTable(
        ["run", "steps", "tokens", "time", "training loss", "held-out loss", "least", "apart"],
        found.map(cells),
        { align: ["left", ...Array(7).fill("right")] },
      ),
    );
    context.log("apart: the most that a training loss is off the first run's at the same step");
    context.log(`curves and settings: ${out}`);
  },
});

/** Folders of one name get their whole path. */
function distinct(views: readonly RunView[], folders: readonly string[]): RunView[] {
  const names = folders.map((folder) => basename(resolve(folder)));
  return views.map((view, i) => {
    const shared = names.filter((name) => name === names[i]).length > 1;
    return shared ? { ...view, name: folders[i] ?? view.name } : view;
  });
}

function cells(run: RunSummary): readonly string[] {
  const loss = (value: number | null) => (value === null ? "" : value.toFixed(4));
  return [
    run.name,
    String(run.step),
    formatCount(run.tokens),
    formatSeconds(run.minutes * 60),
    loss(run.trainLoss),
    loss(run.lastEvalLoss),
    loss(run.bestEvalLoss),
    run.apart === null ? "" : run.apart.toExponential(1),
  ];
}
