/** @file The entry `meshloom/signal`: evenly sampled records, and what is done with them. Runs in a browser, too. */

export { type BepmeLine, type BepmeOptions, bepme, bepmeLine } from "./bepme.ts";
export { type Detrended, type DetrendOptions, detrend, type TrendTerm } from "./detrend.ts";
export {
  LENGTH_OF_DAY_TREND,
  lengthOfDay,
  POLAR_MOTION_TREND,
  polarMotion,
} from "./earth-rotation/preprocessing.ts";
export {
  CONE,
  edgeLaw,
  type KernelOptions,
  requirePeriod,
  shortestPeriod,
  shortestRecord,
} from "./edge.ts";
export { type DampedLinesFit, type DampedLinesOptions, dampedLines } from "./fit/damped-lines.ts";
export { dampedLinesInRedNoise } from "./fit/red-noise.ts";
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
export { type UncertainRestoration, type UncertaintyOptions, uncertainty } from "./monte-carlo.ts";
export { fitRedNoise, phaseRandomised, type RedNoise, redNoise } from "./noise.ts";
export {
  type LineOptions,
  type NtftOptions,
  ntft,
  ntftLine,
  renormalised,
  type TimeFrequencyMap,
  type TransformLine,
} from "./ntft.ts";
export { type ParseOptions, parseRecord } from "./records/parse.ts";
export type { TimeRecord } from "./records/record.ts";
export { poleSeries, seriesOf } from "./records/series-of.ts";
export { binnedMeans, resample } from "./resample.ts";
export { METHODS, type Method, type Restoration, type RestoreOptions, restore } from "./restore.ts";
export { type Peak, peakPeriods, type Ridge, type RidgeOptions, ridges } from "./ridges.ts";
export * from "./series.ts";
export { peakSignificance, type Significance } from "./significance.ts";
export { periodogram, redSpectrum } from "./spectrum.ts";
export { type Decomposition, type SsaOptions, ssa } from "./ssa/ssa.ts";
export {
  type NormalWindow,
  normalWindow,
  parseWindow,
  WINDOWS,
  type WindowName,
} from "./windows.ts";
