/** @file The commands of `meshloom signal`. */

import type { CommandList } from "../dispatch.ts";

export const SIGNAL_COMMANDS: CommandList = {
  ntft: {
    summary: "Map a record by time and period, and follow its ridges",
    load: () => import("./ntft.ts"),
  },
  ssa: {
    summary: "Decompose a record into its singular spectrum, grouped by hand or by itself",
    load: () => import("./ssa.ts"),
  },
  fit: {
    summary: "Fit damped sinusoids to a record: periods, amplitudes, dampings with confidence",
    load: () => import("./fit.ts"),
  },
  restore: {
    summary: "Restore oscillations up to the ends of a record, with error bands",
    load: () => import("./restore.ts"),
  },
};
