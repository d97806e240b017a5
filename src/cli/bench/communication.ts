/** @file `bench communication`: bytes that known programs send, under our partitioner, XLA's, and at best. */

import { agreementOn, prepare, sentByUs } from "../../repro/partition-corpus/agreement.ts";
import { COMMUNICATION } from "../../repro/partition-corpus/communication.ts";
import { SpmdPeer } from "../../repro/partition-corpus/peer.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { BENCH_OPTIONS } from "./options.ts";

interface Row {
  readonly label: string;
  readonly mesh: string;
  readonly ours: number;
  readonly xla: number;
  readonly best: number;
  readonly how: string;
}

export const command: Command = defineCommand({
  name: "bench communication",
  summary: "Count bytes that partitioned programs send, beside XLA's and the least known possible",
  positionals: [],
  options: {
    python: {
      ...BENCH_OPTIONS.python,
      help: "a Python with jax, to measure XLA; recorded numbers when absent",
    },
  },
  examples: ["meshloom bench communication --python .venv/bin/python"],

  async run({ python }, context) {
    const peer = python === undefined ? undefined : await SpmdPeer.start(python);
    const rows: Row[] = [];
    const mismatches: string[] = [];
    try {
      for (const { label, one, recorded, best, how } of COMMUNICATION) {
        const row = { label, mesh: one.mesh, best, how };
        if (peer === undefined) {
          rows.push({ ...row, ours: sentByUs(prepare(one)).total, xla: recorded });
          continue;
        }
        const agreement = await agreementOn(one, peer);
        mismatches.push(...agreement.mismatches.map((mismatch) => `${label}: ${mismatch}`));
        rows.push({ ...row, ours: agreement.ours.total, xla: agreement.xla?.total ?? Number.NaN });
      }
    } finally {
      peer?.stop();
    }
    const source = peer?.version ?? "recorded, jaxlib 0.10.2";
    if (context.json) context.out(JSON.stringify({ xla: source, rows, mismatches }));
    else show(rows, source, peer !== undefined, context.out);
    for (const mismatch of mismatches) context.log(`mismatch: ${mismatch}`);
    return mismatches.length === 0 ? 0 : 1;
  },
});

function show(
  rows: readonly Row[],
  source: string,
  measured: boolean,
  out: (line: string) => void,
): void {
  const bytes = (x: number) => Math.round(x).toLocaleString("en");
  const above = (row: Row) => row.ours > row.best;
  const head = [
    "program",
    "mesh",
    "ours, B",
    measured ? "XLA, B" : "XLA, recorded",
    "best, B",
    "",
    "best by",
  ];
  const lines = rows.map((row) => [
    ...[row.label, row.mesh, bytes(row.ours), bytes(row.xla), bytes(row.best)],
    ...[above(row) ? "above" : "", row.how],
  ]);
  const align = ["left", "left", "right", "right", "right", "left", "left"] as const;
  out(formatTable(head, lines, { align }));
  const total = (of: (row: Row) => number) => bytes(rows.reduce((sum, row) => sum + of(row), 0));
  out(`XLA: ${source}; bytes sent from each device by ring algorithms, float32`);
  out(
    `communication: ${rows.length} programs, ${rows.filter(above).length} above the best; ours ${total((r) => r.ours)} B, XLA ${total((r) => r.xla)} B, best ${total((r) => r.best)} B`,
  );
}
