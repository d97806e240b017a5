/** @file `bench utilization`: how well the roofline foresees runs that others measured. */

import { UTILIZATION_ROWS } from "../../bench/utilization.rows.ts";
import { meanError, predictUtilization, type Utilization } from "../../bench/utilization.ts";
import { UsageError } from "../../core/errors.ts";
import { formatBytes } from "../../core/text.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { wordsOf } from "./options.ts";

export const command: Command = defineCommand({
  name: "bench utilization",
  summary: "Hold predicted shares of the peak against those measured on TPU v3, v5e and v5p",
  positionals: [],
  options: {
    only: {
      type: "string",
      default: "",
      help: "words in the names of presets, with commas between; all when empty",
    },
  },
  examples: ["meshloom bench utilization", "meshloom bench utilization --only lingvo --json"],

  async run({ only }, context) {
    const words = wordsOf(only);
    const rows = UTILIZATION_ROWS.filter(
      ({ preset }) => words.length === 0 || words.some((word) => preset.includes(word)),
    );
    if (rows.length === 0)
      throw new UsageError("USAGE-01", `bench utilization: no preset has "${only}" in its name.`, [
        ["presets", [...new Set(UTILIZATION_ROWS.map(({ preset }) => preset))].join(", ")],
      ]);
    const results: Utilization[] = [];
    for (const row of rows) {
      context.log(row.preset);
      results.push(await predictUtilization(row));
    }
    const error = meanError(results);
    if (context.json) context.out(JSON.stringify({ meanErrorInPoints: error, rows: results }));
    else for (const line of show(results, error)) context.out(line);
  },
});

function show(rows: readonly Utilization[], error: number): string[] {
  const percent = (share: number) => (100 * share).toFixed(1);
  const header = ["preset", "batch", "device", "mesh", "step s", "products", "memory", "exchanges"];
  const table = rows.map((row) => [
    ...[
      row.preset,
      `${row.sequences} × ${row.tokensPerStep / row.sequences}`,
      row.device,
      row.mesh,
    ],
    ...[row.step.total, row.step.products, row.step.memory, row.step.exchanges].map((s) =>
      s.toFixed(2),
    ),
    formatBytes(row.memory.state + row.memory.peakOfTheRest),
    percent(row.predicted),
    percent(row.withOverlap),
    row.measured === null ? "50–62, batch unverified" : percent(row.measured),
    row.measured === null ? "" : percent(row.predicted - row.measured),
  ]);
  const count = rows.filter(({ measured }) => measured !== null).length;
  return [
    formatTable(
      [...header, "a device holds", "predicted %", "all hidden %", "measured %", "points"],
      table,
      {
        align: ["left", "right", "left", "left", ...Array(9).fill("right")],
      },
    ),
    ...(count === 0
      ? []
      : [
          `mean absolute error ${error.toFixed(1)} points over ${count} measured rows; nothing is fitted to a row`,
        ]),
    "predicted: exchanges after products; all hidden: beside them, wherever these last long enough",
    "float32 weights and state, 16-bit values on the way; attention writes its scores to memory: no flash kernel is modelled",
  ];
}
