/**
 * @file What the ends of a record, and gaps in it, take from the transform.
 *
 * A complex harmonic A e^{iωt} on a record from t₀ to t₁ gives |Ψ| = A·F(t) at its own frequency, phase exact:
 * F(t) = W((t − t₀ + Δ/2)μ) + W((t₁ − t + Δ/2)μ) − 1, W the window's cumulative area.
 */

import { SignalError } from "../core/errors.ts";
import { PaddedSpectra } from "./convolution.ts";
import { convolve, type Kernel, scaleOf } from "./kernel.ts";
import { type Series, spanOf } from "./series.ts";
import { type NormalWindow, normalWindow, type WindowName } from "./windows.ts";

/** What makes a kernel, besides its period. */
export interface KernelOptions {
  /** Width of the window in radians of the wave (Gaussian: its standard deviation); default 10. */
  readonly sigma?: number;
  /** Default `wavelet`. */
  readonly kernel?: Kernel;
  /** Default `gaussian`. */
  readonly window?: WindowName;
}

export const SIGMA = 10;

/** Distance from the ends, in standard deviations of the window, from which restoration trusts the transform. */
export const CONE = 1.25;

/** The most that a map leaves unseen: below it, F is under 0.7 almost everywhere. */
export const LEAST_CONE = 0.5;

/** Half, less the little that the far end takes from F at the near one. */
export const LEAST_EDGE = 0.49;

/** The kernel's window, its ω and its μ. @throws SignalError for a period or a σ that is none */
export function kernelAt(
  period: number,
  { sigma = SIGMA, kernel = "wavelet", window = "gaussian" }: KernelOptions,
): { readonly omega: number; readonly mu: number; readonly window: NormalWindow } {
  if (period === 0 || !Number.isFinite(period))
    throw new SignalError("SIGNAL-01", `ntft: ${period} is no period.`, [
      ["fix", "give numbers other than 0, in the time unit of the series"],
    ]);
  const omega = (2 * Math.PI) / period;
  return { omega, mu: scaleOf(kernel, omega), window: normalWindow(window, sigma) };
}

/**
 * F at each `every`-th sample: the share of a harmonic's amplitude that the transform gives. Where samples are
 * missing, the share of the window that was observed.
 *
 * @throws SignalError for a period or a σ that is none
 */
export function edgeLaw(
  series: Series,
  period: number,
  options: KernelOptions = {},
  every = 1,
): Float64Array {
  const kernel = kernelAt(period, options);
  const count = series.re.length;
  const { step, observed } = series;
  if (observed?.includes(0)) {
    const mask = { re: Float64Array.from(observed) };
    const out = emptyRow(Math.ceil(count / every));
    convolve(new PaddedSpectra(mask), step, { ...kernel, omega: 0 }, { every }, out);
    return out.re;
  }
  const { mu, window } = kernel;
  const area = (samples: number) => window.cumulative((samples + 0.5) * step * mu);
  const near = new Float64Array(count).fill(1);
  for (let n = 0; n < count; n++) {
    const value = area(n);
    near[n] = value;
    if (value === 1) break;
  }
  const edge = new Float64Array(Math.ceil(count / every));
  for (let m = 0, n = 0; n < count; m++, n += every)
    edge[m] = (near[n] ?? 1) + (near[count - 1 - n] ?? 1) - 1;
  return edge;
}

export function emptyRow(length: number): { re: Float64Array; im: Float64Array } {
  return { re: new Float64Array(length), im: new Float64Array(length) };
}

/**
 * Shortest record, first sample to last, that leaves one and a half periods at c standard deviations from both
 * ends: 2cσP/2π + 1.5P for the wavelet kernel, in the unit of the period.
 *
 * @param mu of the kernel at this period, in 1/time unit; |ω| when absent
 */
export function shortestRecord(
  period: number,
  sigma: number = SIGMA,
  c: number = CONE,
  mu: number = (2 * Math.PI) / Math.abs(period),
): number {
  return (2 * c * sigma) / mu + 1.5 * Math.abs(period);
}

/** Shortest period that samples `step` apart can show: |ω|(1 + 6/σ) = π/Δ for the wavelet kernel. */
export function shortestPeriod(step: number, sigma: number = SIGMA): number {
  return 2 * step * (1 + 6 / sigma);
}

/**
 * Refuses a period that the record cannot show.
 *
 * @param c standard deviations of the window to each end that one and a half periods must keep
 * @throws SignalError SIGNAL-02 with the shortest record, or the shortest period
 */
export function requirePeriod(
  what: string,
  series: Series,
  period: number,
  options: KernelOptions = {},
  c: number = CONE,
): void {
  const { sigma = SIGMA, kernel = "wavelet" } = options;
  const { omega, mu } = kernelAt(period, options);
  const { name, step, timeUnit } = series;
  const unit = (value: number) => `${Number(value.toPrecision(4))} ${timeUnit}`;
  const asked = unit(Math.abs(period));
  // The rounding of a step such as 1/12 must not decide.
  if ((Math.abs(omega) + (6 * mu) / sigma) * step > Math.PI * (1 + 1e-9)) {
    const shortest =
      kernel === "wavelet"
        ? [["shortest", `${unit(shortestPeriod(step, sigma))} at sigma ${sigma}`] as const]
        : [];
    throw new SignalError(
      "SIGNAL-02",
      `${what} of ${name}: a period of ${asked} is too short for samples ${unit(step)} apart.`,
      [...shortest, ["fix", "ask for longer periods, or give samples that stand closer"]],
    );
  }
  const shortest = shortestRecord(period, sigma, c, mu);
  const span = spanOf(series);
  if (span * (1 + 1e-9) >= shortest) return;
  const longest = span / shortestRecord(1, sigma, c);
  throw new SignalError(
    "SIGNAL-02",
    `${what} of ${name}: a period of ${asked} is too long for a record of ${unit(span)}.`,
    [
      ["shortest", `${unit(shortest)} of record at sigma ${sigma}, c ${c}`],
      [
        "fix",
        kernel === "wavelet"
          ? `give a longer record, ask for periods up to ${unit(longest)}, or lower sigma`
          : "give a longer record, ask for shorter periods, or lower sigma",
      ],
    ],
  );
}
