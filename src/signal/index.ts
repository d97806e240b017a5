/** @file The entry `meshloom/signal`: evenly sampled records, and what is done with them. Runs in a browser, too. */

export { type BepmeLine, type BepmeOptions, bepme, bepmeLine } from "./bepme.ts";
export {
  CONE,
  edgeLaw,
  type KernelOptions,
  requirePeriod,
  shortestPeriod,
  shortestRecord,
} from "./edge.ts";
export { type Complex, fourier, inverseFourier } from "./fourier.ts";
export {
  type DampedLine,
  dampingFactor,
  type Instantaneous,
  instantaneous,
  localFrequencies,
  localFrequency,
  undamped,
  unwrapped,
} from "./instantaneous.ts";
export { admissibility, type InverseOptions, invert, withZeros } from "./inverse.ts";
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
export { type Peak, peakPeriods, type Ridge, type RidgeOptions, ridges } from "./ridges.ts";
export * from "./series.ts";
export {
  type NormalWindow,
  normalWindow,
  parseWindow,
  WINDOWS,
  type WindowName,
} from "./windows.ts";
