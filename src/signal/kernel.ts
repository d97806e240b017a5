/**
 * @file The kernel of the NTFT at one period, ψ(t, ω) = μ w(μt) e^{iωt}, and its convolution with a record.
 *
 * Ψ(τ, ω) = Σ_n f(t_n) conj ψ(t_n − τ, ω) Δ, exact to the sum over the record (1e−13 of its size).
 */

import { SignalError } from "../core/errors.ts";
import { type BandFilter, filterBand, type PaddedSpectra } from "./convolution.ts";
import { type Complex, fourierPlan, goodLength } from "./fourier.ts";
import type { NormalWindow } from "./windows.ts";

/**
 * How the window's width follows the frequency ω (radians per time unit, signed): `wavelet` has μ(ω) = |ω|,
 * `gabor` μ = 1 per time unit, and any other μ > 0 can be given.
 */
export type Kernel = "wavelet" | "gabor" | { scale(omega: number): number };

/** One kernel; times are in the series's unit. */
export interface KernelAt {
  /** Radians per time unit, signed as the period is. */
  readonly omega: number;
  /** Per time unit: the window's standard deviation is σ/μ. */
  readonly mu: number;
  readonly window: NormalWindow;
}

/** μ(ω) in 1/time unit. @throws SignalError when a given scale answers with none */
export function scaleOf(kernel: Kernel, omega: number): number {
  if (kernel === "wavelet") return Math.abs(omega);
  if (kernel === "gabor") return 1;
  const mu = kernel.scale(omega);
  if (mu > 0 && Number.isFinite(mu)) return mu;
  throw new SignalError("SIGNAL-01", `kernel: scale(${omega}) is ${mu}.`, [
    ["fix", "answer with a number above 0, in 1/time unit"],
  ]);
}

export interface ConvolutionOptions {
  /** Output of each `every`-th sample. */
  readonly every: number;
  /** Times iω': the derivative by time. */
  readonly slope?: boolean;
}

/** Records longer than this many times their own length cost more than a kernel that is built in time. */
const MOST_PADDING = 6;

/**
 * Convolves with conj ψ(−t), into `out`: one sample for each `every` of the record.
 *
 * @param step Δ, in the time unit of ω and μ
 */
export function convolve(
  spectra: PaddedSpectra,
  step: number,
  kernel: KernelAt,
  { every, slope = false }: ConvolutionOptions,
  out: Complex,
): void {
  const { count } = spectra;
  const reach = Math.ceil(kernel.window.reach / (kernel.mu * step));
  const length = goodLength(count + reach, every);
  const inFrequency =
    kernel.window.band < Number.POSITIVE_INFINITY && length <= MOST_PADDING * count;
  if (inFrequency) {
    filterBand(spectra.at(length), bandOf(kernel, step, length, slope), every, out);
    return;
  }
  const lags = Math.min(reach, count - 1);
  const whole = goodLength(count + lags, every);
  filterBand(spectra.at(whole), sampledKernel(kernel, step, whole, lags, slope), every, out);
}

/** ŵ((ω' − ω)/μ) at the bins ω' = 2πk/(MΔ) where it counts. */
function bandOf(
  { omega, mu, window }: KernelAt,
  step: number,
  length: number,
  slope: boolean,
): BandFilter {
  const spacing = (2 * Math.PI) / (length * step);
  const first = Math.ceil((omega - mu * window.band) / spacing);
  const last = Math.floor((omega + mu * window.band) / spacing);
  const gains = new Float64Array(2 * Math.max(1, last - first + 1));
  for (let k = first; k <= last; k++) {
    const gain = window.transform((k * spacing - omega) / mu);
    if (slope) gains[2 * (k - first) + 1] = k * spacing * gain;
    else gains[2 * (k - first)] = gain;
  }
  return { first, gains };
}

/** The transform of Δ μ w(μlΔ) e^{iωlΔ}, |l| ≤ lags: for windows that end in time, or are wider than the record. */
function sampledKernel(
  { omega, mu, window }: KernelAt,
  step: number,
  length: number,
  lags: number,
  slope: boolean,
): BandFilter {
  const kernel = new Float64Array(2 * length);
  for (let lag = -lags; lag <= lags; lag++) {
    const size = step * mu * window.density(mu * lag * step);
    const at = 2 * (lag < 0 ? lag + length : lag);
    kernel[at] = size * Math.cos(omega * lag * step);
    kernel[at + 1] = size * Math.sin(omega * lag * step);
  }
  const gains = new Float64Array(2 * length);
  fourierPlan(length).forward(gains, kernel);
  if (slope) {
    for (let k = 0; k < length; k++) {
      const frequency = (2 * Math.PI * (2 * k < length ? k : k - length)) / (length * step);
      const re = gains[2 * k] ?? 0;
      const im = gains[2 * k + 1] ?? 0;
      gains[2 * k] = -frequency * im;
      gains[2 * k + 1] = frequency * re;
    }
  }
  return { first: 0, gains };
}
