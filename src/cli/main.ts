/** @file The entry of `meshloom`: the list of commands. A new command is one file and one row here. */

import { BENCHES } from "./bench/index.ts";
import { DATA_COMMANDS } from "./data/index.ts";
import { type CommandList, dispatch } from "./dispatch.ts";
import { type Host, processHost } from "./host.ts";
import { REPRODUCTIONS } from "./repro/index.ts";
import { SIGNAL_COMMANDS } from "./signal/index.ts";
import { TOKENIZER_COMMANDS } from "./tokenizer/index.ts";
import { versionText } from "./version.ts";

/** All commands. Loaded on demand: `--help` must not wait for an engine. */
export const COMMANDS: CommandList = {
  train: {
    summary: "Train a preset and write checkpoints",
    load: () => import("./train.ts"),
  },
  sample: {
    summary: "Continue texts with a trained model",
    load: () => import("./sample.ts"),
  },
  eval: {
    summary: "Evaluate a trained model on all held-out text, in bits per byte",
    load: () => import("./eval.ts"),
  },
  serve: {
    summary: "Serve a trained model over HTTP, in the form of OpenAI's interface",
    load: () => import("./serve.ts"),
  },
  watch: {
    summary: "Follow a run in the browser while it trains",
    load: () => import("./watch.ts"),
  },
  compare: {
    summary: "Hold several runs against each other: losses, speed, settings",
    load: () => import("./compare.ts"),
  },
  export: {
    summary: "Write a model as a folder that other programs load",
    load: () => import("./export.ts"),
  },
  describe: {
    summary: "Show a preset's parameters, sizes, cost and memory",
    load: () => import("./describe.ts"),
  },
  data: {
    summary: "List the corpora with their licences, or show what is in one",
    load: () => import("./data.ts"),
    commands: DATA_COMMANDS,
  },
  tokenizer: {
    summary: "Train a tokenizer, or look at one",
    commands: TOKENIZER_COMMANDS,
  },
  signal: {
    summary:
      "Find oscillations in a record of measurements: maps, decompositions, fits, restoration",
    commands: SIGNAL_COMMANDS,
  },
  repro: {
    summary: "Run the claims that are documented, and say whether they hold",
    commands: REPRODUCTIONS,
  },
  bench: {
    summary: "Time parts of the system, against PyTorch and other peers",
    commands: BENCHES,
  },
  "crash-test": {
    summary: "Kill a training run at random moments and check that it ends as if undisturbed",
    load: () => import("./crash-test.ts"),
  },
  partition: {
    summary: "Lay a preset's training step over a mesh; show what devices hold, send and take",
    load: () => import("./partition.ts"),
  },
  profile: {
    summary: "Show where the time of a training step goes: by op, line and FLOP rate",
    load: () => import("./profile.ts"),
  },
  doctor: {
    summary: "Check this machine: engines, versions, a self-test",
    load: () => import("./doctor.ts"),
  },
  ops: {
    summary: "List the operations and what each of them has",
    load: () => import("./ops.ts"),
  },
};

/**
 * Runs one command line to its end.
 *
 * @param argv - the words after `meshloom`
 * @param host - the process, or a stand-in for tests
 * @returns exit code: 0, 1 failed, 2 usage, 130 interrupted
 */
export function main(argv: readonly string[], host: Host = processHost()): Promise<number> {
  return dispatch(argv, { commands: COMMANDS, host, version: versionText });
}
