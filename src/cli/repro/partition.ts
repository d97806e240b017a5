/** @file `repro partition`: programs in pieces on random meshes are the whole programs. */

import { type LawResult, partitionLaws } from "../../repro/partition/laws.ts";
import { type Command, defineCommand } from "../command.ts";
import { createProgress } from "../progress.ts";
import { formatTable } from "../table.ts";

export const command: Command = defineCommand({
  name: "repro partition",
  summary: "Run ops and random programs in pieces on random meshes: they are the whole programs",
  positionals: [],
  options: {
    cases: {
      type: "int",
      default: 5000,
      min: 1,
      help: "meshes and annotations drawn: half on samples of all ops, half on random programs",
    },
    seed: { type: "int", default: 0, min: 0, help: "of the draws" },
  },
  examples: ["meshloom repro partition --cases 100000"],

  async run({ cases, seed }, context) {
    const progress = createProgress({
      ...{ total: cases, unit: "cases", interactive: context.interactive },
      ...{ write: context.write, now: () => performance.now() },
    });
    const result = partitionLaws({ cases, seed, onProgress: (done) => progress.update(done) });
    if (context.json) context.out(JSON.stringify(result));
    else show(result, context.out);
    return result.mismatches.length === 0 ? 0 : 1;
  },
});

function show({ cases, seed, mismatches, coverage }: LawResult, out: (line: string) => void): void {
  const kinds = ["free", "sum", "extreme", "moves"] as const;
  const rows = coverage.map(({ op, splits, gathered }) => [
    op,
    ...kinds.map((kind) => {
      const count = splits[kind];
      if (count !== undefined) return String(count);
      return kind === "moves" && gathered ? "gathered" : "";
    }),
  ]);
  out("how often each kind of factor was split");
  out(formatTable(["op", ...kinds], rows, { align: ["left", "right", "right", "right", "right"] }));
  for (const mismatch of mismatches) out(`mismatch: ${mismatch}`);
  const never = coverage.flatMap(({ op, splits }) =>
    Object.entries(splits).flatMap(([kind, count]) => (count === 0 ? [`${op} (${kind})`] : [])),
  );
  if (never.length > 0) out(`never split: ${never.join(", ")}`);
  out(`partition: ${cases} cases, seed ${seed}: ${mismatches.length} mismatches`);
}
