/** @file Amplitude, phase and frequency of a line at each time, and what damping does to them. */

import { emptyRow, type KernelOptions, kernelAt } from "./edge.ts";
import type { Complex } from "./fourier.ts";
import { type LineOptions, type NtftOptions, outputs, transformInto } from "./ntft.ts";
import type { Series } from "./series.ts";

export interface Instantaneous {
  /** In the unit of the series: |Ψ|, twice that for a real series. */
  readonly amplitude: Float64Array;
  /** arg Ψ in radians, without jumps of whole turns. */
  readonly phase: Float64Array;
  /** Cycles per time unit: the slope of the phase, by differences of neighbours. */
  readonly frequency: Float64Array;
}

/**
 * Of a line of the transform, or of a row of a map.
 *
 * @param every samples of the series from one value to the next
 */
export function instantaneous(series: Series, line: Complex, every = 1): Instantaneous {
  const factor = series.im === undefined ? 2 : 1;
  const amplitude = line.re.map((re, n) => factor * Math.hypot(re, line.im[n] ?? 0));
  const phase = unwrapped(line.re.map((re, n) => Math.atan2(line.im[n] ?? 0, re)));
  return { amplitude, phase, frequency: slopes(phase, 2 * Math.PI * series.step * every) };
}

/** Angles in radians with whole turns added so that no step exceeds half a turn; NaN is passed over. */
export function unwrapped(angles: Float64Array): Float64Array {
  let last = 0;
  return angles.map((angle) => {
    if (Number.isNaN(angle)) return angle;
    last = angle + 2 * Math.PI * Math.round((last - angle) / (2 * Math.PI));
    return last;
  });
}

/** Differences of neighbours over 2·step, of one neighbour at the ends. */
function slopes(values: Float64Array, step: number): Float64Array {
  const end = values.length - 1;
  return values.map((_, n) => {
    const [low, high] = [Math.max(0, n - 1), Math.min(end, n + 1)];
    return ((values[high] ?? 0) - (values[low] ?? 0)) / ((high - low) * step);
  });
}

/**
 * Frequency at each sample, cycles per time unit: Re(−i ∂_tΨ/Ψ)/2π, with ∂_t by the factor iω' under the same
 * transform. Exact at each sample, where differences of the phase average over two steps.
 *
 * @returns NaN where Ψ is 0
 * @throws SignalError as `ntft` does
 */
export function localFrequency(
  series: Series,
  period: number,
  options: LineOptions = {},
): Float64Array {
  return localFrequencies(series, { ...options, periods: [period] })[0] ?? new Float64Array(0);
}

/** The same at each period of a map: where a synchrosqueezed transform would move its energy. */
export function localFrequencies(series: Series, options: NtftOptions): Float64Array[] {
  const rows = () => options.periods.map(() => emptyRow(outputs(series, options)));
  const [values, slopes] = [rows(), rows()];
  transformInto(series, options, values);
  transformInto(series, options, slopes, true);
  return values.map(({ re, im }, at) => {
    const slope = slopes[at];
    return re.map((x, n) => {
      const y = im[n] ?? 0;
      const [dx, dy] = [slope?.re[n] ?? 0, slope?.im[n] ?? 0];
      return (x * dy - y * dx) / (2 * Math.PI * (x * x + y * y));
    });
  });
}

/** A line A e^{−αt} cos(2πft + …). */
export interface DampedLine {
  /** f, cycles per time unit; below 0 retrograde. */
  readonly frequency: number;
  /** α, 1/time unit; below 0 for a line that grows. */
  readonly damping: number;
}

/**
 * G of Ψ = G · signal, exact away from the ends, for a damped line read at `period`: ŵ at the distance
 * (2πf + iα − ω)/μ. For the Gaussian wavelet, exp(−½σ²((2πf + iα)/ω − 1)²).
 *
 * @throws SignalError for a period or a σ that is none
 */
export function dampingFactor(
  { frequency, damping }: DampedLine,
  period: number,
  options: KernelOptions = {},
): { readonly re: number; readonly im: number } {
  const { omega, mu, window } = kernelAt(period, options);
  return window.transformAt((2 * Math.PI * frequency - omega) / mu, damping / mu);
}

/** The line with the bias taken out that reading off the ridge, and damping, brought in: Ψ/G. */
export function undamped(
  line: Complex,
  damped: DampedLine,
  period: number,
  options: KernelOptions = {},
): Complex {
  const { re: c, im: s } = dampingFactor(damped, period, options);
  const square = c * c + s * s;
  return {
    re: line.re.map((re, n) => (re * c + (line.im[n] ?? 0) * s) / square),
    im: line.im.map((im, n) => (im * c - (line.re[n] ?? 0) * s) / square),
  };
}
