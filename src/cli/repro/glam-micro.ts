/** @file `repro glam-micro`: a small GLaM on seven novels against n-grams, compressors and PyTorch. */

import { cpus } from "node:os";
import { join } from "node:path";
import { writeAtomically } from "../../files/atomic.ts";
import { type Finding, reproduceGlamMicro } from "../../repro/glam-micro.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";

export const command: Command = defineCommand({
  name: "repro glam-micro",
  summary:
    "Train glam-micro with three routers; bits per byte against PyTorch, n-grams, compressors",
  positionals: [],
  options: {
    out: {
      type: "string",
      default: "runs/repro-glam-micro",
      help: "folder of the runs; what is there is not done again",
    },
    python: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "a Python with bench/peers/requirements.txt installed, for the twin",
    },
    steps: { type: "int", default: undefined, min: 1, help: "updates; the preset's when absent" },
    seed: { type: "int", default: 0, min: 0, help: "fixes weights and data order" },
    threads: { type: "int", default: 2, min: 1, help: "threads of each side" },
  },
  examples: ["meshloom repro glam-micro --python .venv/bin/python"],

  async run({ out, ...options }, context) {
    const { signal } = context;
    const result = await reproduceGlamMicro({
      ...options,
      folder: out,
      signal,
      onNotice: context.log,
    });
    const cpu = cpus()[0]?.model ?? "unknown";
    await writeAtomically(
      join(out, "result.json"),
      `${JSON.stringify({ ...result, cpu }, null, 2)}\n`,
    );
    if (context.json) {
      context.out(JSON.stringify({ ...result, cpu }));
      return;
    }
    const rows = [...result.models, ...result.baselines].map(cells);
    context.out(`${result.steps} steps, seed ${result.seed}, ${result.threads} threads, ${cpu}`);
    context.out(
      formatTable(["held-out text", "bits per byte", "minutes"], rows, {
        align: ["left", "right", "right"],
      }),
    );
    context.log(`curves of the routers: ${result.page}`);
  },
});

function cells({ name, bitsPerByte, minutes }: Finding): readonly string[] {
  return [name, bitsPerByte.toFixed(4), minutes === undefined ? "" : minutes.toFixed(1)];
}
