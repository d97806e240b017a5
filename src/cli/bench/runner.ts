/** @file `bench runner`: our side of `bench step`, a process that answers requests on stdin. */

import { serveRunner } from "../../bench/runner.ts";
import { type Command, defineCommand } from "../command.ts";

export const command: Command = defineCommand({
  name: "bench runner",
  summary: "Answer the requests of `bench step` on stdin",
  positionals: [],
  options: { config: { type: "string", default: "", help: "the file to read" } },
  examples: ["meshloom bench runner --config config.json"],

  async run({ config }) {
    await serveRunner(config);
  },
});
