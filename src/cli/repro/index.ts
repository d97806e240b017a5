/** @file Claims, run small. A new one is one file and one row here. */

import type { CommandList } from "../dispatch.ts";

export const REPRODUCTIONS: CommandList = {
  "agreement-xla": {
    summary:
      "Partition annotated programs by ours and by XLA's GSPMD: equal values, bytes side by side",
    load: () => import("./agreement-xla.ts"),
  },
  "glam-micro": {
    summary:
      "Train glam-micro with three routers; bits per byte against PyTorch, n-grams, compressors",
    load: () => import("./glam-micro.ts"),
  },
  "glam-twin": {
    summary: "Train a GLaM beside its twin in PyTorch: the same weights, batches and losses",
    load: () => import("./glam-twin.ts"),
  },
  "length-of-day": {
    summary:
      "Restore 6 and 8.5 years from length of day and polar motion, with errors and verdicts",
    load: () => import("./length-of-day.ts"),
  },
  partition: {
    summary: "Run ops and random programs in pieces on random meshes: they are the whole programs",
    load: () => import("./partition.ts"),
  },
};
