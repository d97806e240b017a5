/** @file `ops`: what every op has, read off the registry. */

import type { Op } from "../core/op.ts";
import { showRule } from "../core/sharding-rule.ts";
import { OPS } from "../ops/registry.ts";
import { type Command, defineCommand } from "./command.ts";
import { formatMarkdown, formatTable } from "./table.ts";

/** One line of the table. */
interface OpRow {
  readonly op: string;
  readonly jvp: string;
  readonly transpose: string;
  readonly sharding: string;
  readonly samples: number;
  readonly engines: string;
}

export const command: Command = defineCommand({
  name: "ops",
  summary: "List the operations and what each of them has",
  positionals: [],
  options: {
    table: { type: "flag", default: false, help: "as a Markdown table, the text of docs/ops.md" },
  },
  examples: ["meshloom ops", "meshloom ops --table > docs/ops.md"],

  run: async (options, context) => {
    const rows = OPS.map(rowOf);
    if (context.json) context.out(JSON.stringify(rows));
    else if (options.table) context.out(markdownTable(rows));
    else
      context.out(
        formatTable(
          ["op", "jvp", "transpose", "sharding", "samples"],
          rows.map((row) => [row.op, row.jvp, row.transpose, row.sharding, `${row.samples}`]),
          {},
        ),
      );
  },
});

function rowOf(op: Op): OpRow {
  const samples = op.samples();
  const [first] = samples;
  const inputs = first?.inputs.map((input) => input.aval) ?? [];
  const rule =
    first === undefined
      ? ""
      : showRule(op.shard(inputs, op.infer(inputs, first.params), first.params));
  return {
    op: op.name,
    jvp: op.jvp.kind === "none" ? `none: ${op.jvp.reason}` : op.jvp.kind,
    transpose:
      op.transpose.kind === "rule" ? "rule" : `${op.transpose.kind}: ${op.transpose.reason}`,
    sharding: rule,
    samples: samples.length,
    engines: ["reference", ...Object.keys(op.lower)].join(", "),
  };
}

/** The text of `docs/ops.md`. */
export function markdownTable(rows: readonly OpRow[] = OPS.map(rowOf)): string {
  const cells = rows.map((row) => [
    `\`${row.op}\``,
    row.jvp,
    row.transpose,
    `\`${row.sharding}\``,
    row.engines,
    `${row.samples}`,
  ]);
  return [
    "# Ops",
    "",
    "Printed by `meshloom ops --table`; a test fails when this page is stale. The sharding rule is that of the op's first sample.",
    "",
    formatMarkdown(["op", "jvp", "transpose", "sharding", "lowerings", "samples"], cells),
  ].join("\n");
}
