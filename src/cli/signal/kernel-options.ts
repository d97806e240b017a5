/** @file Options of the transform, for every command that uses it. */

import type { KernelOptions } from "../../signal/edge.ts";
import { WINDOWS, type WindowName } from "../../signal/windows.ts";
import type { OptionValues } from "../options.ts";

type KernelTable = {
  readonly sigma: {
    readonly type: "float";
    readonly default: number;
    readonly above: number;
    readonly help: string;
  };
  readonly window: {
    readonly type: "choice";
    readonly choices: readonly WindowName[];
    readonly default: "gaussian";
    readonly help: string;
  };
  readonly kernel: {
    readonly type: "choice";
    readonly choices: readonly ("wavelet" | "gabor")[];
    readonly default: "wavelet";
    readonly help: string;
  };
};

export const KERNEL_OPTIONS: KernelTable = {
  sigma: {
    type: "float",
    default: 10,
    above: 0,
    help: "width of the window in radians of the wave: larger parts periods, smaller parts times",
  },
  window: {
    type: "choice",
    choices: WINDOWS,
    default: "gaussian",
    help: "form of the window in time",
  },
  kernel: {
    type: "choice",
    choices: ["wavelet", "gabor"],
    default: "wavelet",
    help: "whether the window grows with the period, or is sigma time units at all of them",
  },
};

export function kernelOf({
  sigma,
  window,
  kernel,
}: OptionValues<KernelTable, readonly []>): Required<KernelOptions> {
  return { sigma, window, kernel };
}
