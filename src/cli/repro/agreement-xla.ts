/** @file `repro agreement-xla`: annotated programs under our partitioner and under XLA's: equal values, and bytes. */

import { UsageError } from "../../core/errors.ts";
import {
  type Agreement,
  ALLOWANCE,
  agreementsOn,
  isAbove,
  TOLERANCE,
} from "../../repro/partition-corpus/agreement.ts";
import { casesLike } from "../../repro/partition-corpus/corpus.ts";
import { excessOf } from "../../repro/partition-corpus/excess.ts";
import { SpmdPeer } from "../../repro/partition-corpus/peer.ts";
import { wordsOf } from "../bench/options.ts";
import { type Command, defineCommand } from "../command.ts";
import { createProgress } from "../progress.ts";
import { formatTable } from "../table.ts";

export const command: Command = defineCommand({
  name: "repro agreement-xla",
  summary:
    "Partition annotated programs by ours and by XLA's GSPMD: equal values, bytes side by side",
  positionals: [],
  options: {
    python: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "a Python with jax; MESHLOOM_PYTHON, else python3, when absent",
    },
    only: {
      type: "string",
      default: "",
      help: "words in the names of programs, with commas between; all when empty",
    },
  },
  examples: ["meshloom repro agreement-xla --python .venv/bin/python --only einsum,mlp"],

  async run({ python, only }, context) {
    const cases = casesLike(wordsOf(only));
    if (cases.length === 0)
      throw new UsageError(
        "USAGE-01",
        `repro agreement-xla: no program has "${only}" in its name.`,
      );
    const peer = await SpmdPeer.start(python ?? context.env["MESHLOOM_PYTHON"] ?? "python3");
    const progress = createProgress({
      ...{ total: cases.length, unit: "programs", interactive: context.interactive },
      ...{ write: context.write, now: () => performance.now() },
    });
    let done = 0;
    const found = await agreementsOn(cases, peer, () => progress.update(++done)).finally(() =>
      peer.stop(),
    );
    const result = { version: peer.version, tolerance: TOLERANCE, programs: found };
    if (context.json) context.out(JSON.stringify(result));
    else show(found, peer.version, context.out);
    return found.every(({ mismatches }) => mismatches.length === 0) ? 0 : 1;
  },
});

function show(found: readonly Agreement[], version: string, out: (line: string) => void): void {
  const rows = found.map((one) => [
    one.name,
    one.mesh,
    one.mismatches.length === 0 ? "equal" : "DIFFER",
    count(one.ours.total),
    one.xla === undefined ? "" : count(one.xla.total),
    ratio(one),
  ]);
  const align = ["left", "left", "left", "right", "right", "right"] as const;
  out(formatTable(["program", "mesh", "values", "ours, B", "XLA, B", "ratio"], rows, { align }));
  for (const { name, mismatches } of found)
    for (const mismatch of mismatches) out(`mismatch: ${name}: ${mismatch}`);
  const unnamed = found.filter((one) => isAbove(one) && excessOf(one.name) === undefined);
  const settled = found.filter((one) => !isAbove(one) && excessOf(one.name) !== undefined);
  for (const { name } of unnamed) out(`above ${ALLOWANCE} × XLA for no known reason: ${name}`);
  for (const { name } of settled) out(`listed as above ${ALLOWANCE} × XLA, and no longer: ${name}`);
  const total = (side: "ours" | "xla") =>
    found.reduce((sum, one) => sum + (one[side]?.total ?? 0), 0);
  const wrong = found.filter(({ mismatches }) => mismatches.length > 0).length;
  out(version);
  out(
    `values: the whole program, ours per device, XLA's partitions, ours run by XLA; within ${TOLERANCE} of the largest`,
  );
  out(
    `sent from each device, all programs together: ours ${count(total("ours"))} B, XLA ${count(total("xla"))} B`,
  );
  out(
    `agreement with XLA: ${found.length} programs, ${wrong} mismatches, ${found.filter(isAbove).length} send more than ${ALLOWANCE} × XLA`,
  );
}

function ratio({ ours, xla }: Agreement): string {
  if (xla === undefined) return "";
  if (xla.total === 0) return ours.total === 0 ? "1.00" : "∞";
  return (ours.total / xla.total).toFixed(2);
}

function count(bytes: number): string {
  return Math.round(bytes).toLocaleString("en");
}
