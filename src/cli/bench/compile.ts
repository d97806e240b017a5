/** @file `bench compile`: how long a training step takes to compile, cold and from the cache. */

import { benchCompile } from "../../bench/compile.ts";
import { type Command, defineCommand } from "../command.ts";

export const command: Command = defineCommand({
  name: "bench compile",
  summary: "Time how long a training step takes to compile",
  positionals: [],
  options: { layers: { type: "int", default: 12, min: 1, help: "layers of the model" } },
  examples: ["meshloom bench compile --layers 24"],

  async run({ layers }, context) {
    const result = await benchCompile(layers);
    const { equations, cold, cached, cpu } = result;
    context.out(
      context.json
        ? JSON.stringify(result)
        : `${layers} layers, ${equations} equations: ${cold.toFixed(2)} s cold, ${cached.toFixed(2)} s from the cache; least of 3 processes, ${cpu}`,
    );
  },
});
