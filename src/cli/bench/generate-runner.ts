/** @file `bench generate-runner`: our side of `bench generate`, a process that answers requests on stdin. */

import { serveGenerateRunner } from "../../bench/generate-runner.ts";
import { type Command, defineCommand } from "../command.ts";

export const command: Command = defineCommand({
  name: "bench generate-runner",
  summary: "Answer the requests of `bench generate` on stdin",
  positionals: [],
  options: { config: { type: "string", default: "", help: "the file to read" } },
  examples: ["meshloom bench generate-runner --config config.json"],

  async run({ config }) {
    await serveGenerateRunner(config);
  },
});
