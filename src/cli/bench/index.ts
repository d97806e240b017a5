/** @file The timings. A new one is one file and one row here. */

import type { CommandList } from "../dispatch.ts";

export const BENCHES: CommandList = {
  step: {
    summary: "Time a training step against PyTorch, JAX, TensorFlow.js and jax-js",
    load: () => import("./step.ts"),
  },
  ops: {
    summary: "Time single operations against PyTorch and stock ONNX Runtime",
    load: () => import("./ops.ts"),
  },
  text: {
    summary: "Time encoding and training of tokenizers against the tokenizers packages",
    load: () => import("./text.ts"),
  },
  data: {
    summary: "Time encoding a corpus and making batches, and how long steps wait for them",
    load: () => import("./data.ts"),
  },
  baselines: {
    summary: "Bits per byte of n-gram models, gzip, brotli and xz on held-out text",
    load: () => import("./baselines.ts"),
  },
  compile: {
    summary: "Time how long a training step takes to compile",
    load: () => import("./compile.ts"),
  },
  checkpoint: {
    summary: "Time the writing of checkpoints against cp, and what it costs training steps",
    load: () => import("./checkpoint.ts"),
  },
  serve: {
    summary: "Put many clients on a server, and hold every answer against the one computed alone",
    load: () => import("./serve.ts"),
  },
  generate: {
    summary: "Time writing text with a key-value cache against PyTorch, alone and 16 at once",
    load: () => import("./generate.ts"),
  },
  communication: {
    summary:
      "Count bytes that partitioned programs send, beside XLA's and the least known possible",
    load: () => import("./communication.ts"),
  },
  ssa: {
    summary: "Time the singular spectrum analysis of the daily length of day against numpy",
    load: () => import("./ssa.ts"),
  },
  ntft: {
    summary: "Time the time-frequency transform of the length of day against ssqueezepy and scipy",
    load: () => import("./ntft.ts"),
  },
  utilization: {
    summary: "Hold predicted shares of the peak against those measured on TPU v3, v5e and v5p",
    load: () => import("./utilization.ts"),
  },
  "generate-runner": {
    summary: "Answer the requests of `bench generate` on stdin",
    load: () => import("./generate-runner.ts"),
    hidden: true,
  },
  "compile-once": {
    summary: "Compile a training step once; `bench compile` times this",
    load: () => import("./compile-once.ts"),
    hidden: true,
  },
  runner: {
    summary: "Answer the requests of `bench step` on stdin",
    load: () => import("./runner.ts"),
    hidden: true,
  },
};
