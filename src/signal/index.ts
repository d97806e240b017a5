/** @file The entry `meshloom/signal`: evenly sampled records, and what is done with them. Runs in a browser, too. */

export {
  CONE,
  edgeLaw,
  type KernelOptions,
  requirePeriod,
  shortestPeriod,
  shortestRecord,
} from "./edge.ts";
export { type Complex, fourier, inverseFourier } from "./fourier.ts";
export type { Kernel } from "./kernel.ts";
export {
  type LineOptions,
  type NtftOptions,
  ntft,
  ntftLine,
  renormalised,
  type TimeFrequencyMap,
  type TransformLine,
} from "./ntft.ts";
export * from "./series.ts";
export { type NormalWindow, normalWindow, WINDOWS, type WindowName } from "./windows.ts";
