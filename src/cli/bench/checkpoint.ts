/** @file `bench checkpoint`: writing a state, beside `cp`, and what it costs the steps of training. */

import { tmpdir } from "node:os";
import { benchCheckpoint, type CheckpointBenchResult, type Times } from "../../bench/checkpoint.ts";
import { formatBytes } from "../../core/text.ts";
import { createOnnxEngine } from "../../engines/onnx/onnx.ts";
import { type Command, defineCommand } from "../command.ts";

export const command: Command = defineCommand({
  name: "bench checkpoint",
  summary: "Time the writing of checkpoints against cp, and what it costs training steps",
  positionals: [],
  options: {
    size: { type: "int", default: 512, min: 16, unit: "MiB", help: "of the state that is written" },
    preset: { type: "string", default: "glam-nano", help: "whose steps are timed" },
    every: { type: "int", default: 20, min: 2, unit: "steps", help: "steps between saves" },
    rounds: { type: "int", default: 5, min: 1, help: "turns of each side" },
    threads: { type: "int", default: 0, min: 0, help: "threads of a step; 0 for one per core" },
    folder: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "where to write; the system's temporary folder when absent",
    },
  },
  examples: ["meshloom bench checkpoint --size 1024 --folder runs"],

  async run({ size, preset, every, rounds, threads, folder }, context) {
    const result = await benchCheckpoint({
      bytes: size * 2 ** 20,
      preset,
      every,
      rounds,
      folder: folder ?? tmpdir(),
      engine: { engine: await createOnnxEngine(), threads },
      onNotice: context.log,
    });
    if (context.json) context.out(JSON.stringify(result));
    else for (const line of show(result)) context.out(line);
  },
});

function show(result: CheckpointBenchResult): readonly string[] {
  const { bytes, ours, cp, ratio, preset, stateBytes, every, step, behind, waiting, cpu } = result;
  const speed = ({ min, median }: Times) =>
    `${(bytes / 1e9 / min).toFixed(2)} GB/s at best, ${(bytes / 1e9 / median).toFixed(2)} median`;
  const share = ({ min, median }: Times) =>
    `${(100 * median).toFixed(2)} % (least ${(100 * min).toFixed(2)} %)`;
  return [
    `checkpoint of ${formatBytes(bytes)}: ${speed(ours)}`,
    `cp and sync of the same bytes: ${speed(cp)}`,
    `checkpoint over cp: ${ratio.median.toFixed(2)} × its speed, median of turns`,
    `${preset}, ${formatBytes(stateBytes)}, ${(1000 * step.median).toFixed(1)} ms a step; a save every ${every} steps adds ${share(behind)} to step time behind the loop, ${share(waiting)} when waited for`,
    cpu,
  ];
}
