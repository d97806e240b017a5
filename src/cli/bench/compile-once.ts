/** @file `bench compile-once`: one of the processes that `bench compile` times. */

import { compileOnce } from "../../bench/compile.ts";
import { type Command, defineCommand } from "../command.ts";

export const command: Command = defineCommand({
  name: "bench compile-once",
  summary: "Compile a training step once; `bench compile` times this",
  positionals: [],
  options: { layers: { type: "int", default: 12, min: 1, help: "layers of the model" } },
  examples: ["meshloom bench compile-once --layers 12"],

  async run({ layers }, context) {
    context.out(JSON.stringify(await compileOnce(layers)));
  },
});
