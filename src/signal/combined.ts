/**
 * @file The combined scheme: the transform where it can be trusted, a curve fitted to it where it cannot.
 *
 * For one wanted period P of a series x without trend:
 *
 * 1. Transform s(t) = 2Ψ(t, 2π/P) (Ψ of a complex x). P is the highest peak of mean |Ψ| over the middle half of the
 *    record within ±8 % of the wanted period, or the wanted one where there is no peak.
 * 2. Reliable middle: at least `cut` from both ends, cut = min(cσP/2π, T/2 − 0.75P), c = 1.25.
 * 3. Start: frequency from a straight line through the unwrapped phase of s, damping from one through log|s|.
 * 4. Least squares of C'·e^{(−α+2πif)(t−t_c)} to the complex s(t) on the middle, t_c the middle of the record. (The
 *    amplitude is solved for at every f and α; then Levenberg–Marquardt runs over all four real unknowns.)
 * 5. C = C'/G, G(f, α) what the kernel does to such a line. Curve h(t) = Re{C e^{(−α+2πif)(t−t_c)}} on the whole record.
 * 6. v = g·Re(s/G) + (1 − g)·h; g rises from 0 to 1 as a raised cosine of length P/2 about the cut.
 */

import { CONE, type KernelOptions, kernelAt } from "./edge.ts";
import { type DampedLine, dampedLines } from "./fit/damped-lines.ts";
import type { Complex } from "./fourier.ts";
import { dampingFactor, unwrapped } from "./instantaneous.ts";
import { ntft, ntftLine } from "./ntft.ts";
import { peakPeriods } from "./ridges.ts";
import { type Series, spanOf } from "./series.ts";

export interface FitVariant {
  /** Free (default), or held at this value per time unit: 0 for a harmonic. */
  readonly damping?: "free" | number;
  /** Degree of the polynomial in time that the amplitude is. Default 0. */
  readonly degree?: 0 | 1 | 2;
  /** Periods of harmonics fitted along with the line, whose tails are then taken off s. Default none. */
  readonly beside?: readonly number[];
}

/** What is restored, and how far the transform is believed. */
export interface CombinedOptions extends Pick<KernelOptions, "sigma" | "kernel" | "window"> {
  /** Cut, in standard deviations of the window. Default 1.25. */
  readonly c?: number;
  /** How far from the wanted period the peak may be, relative. Default 0.08. */
  readonly within?: number;
  readonly fit?: FitVariant;
}

/** A line fitted to the middle of a transform. */
export interface MiddleFit {
  /** As it is in the series: G is divided out of amplitude and phase. Intervals hold for white residuals only. */
  readonly line: DampedLine;
  /** s, less what was fitted beside the line, over G. */
  readonly signal: Complex;
  /** The fitted curve over the whole record, complex. */
  readonly curve: Complex;
  readonly centre: number;
}

/** Samples of s per standard deviation of the window in the fit: s has no detail that more would show. */
const PER_WINDOW = 32;

/**
 * Step 1: the period of the highest peak of mean |Ψ| within ±`within` of the wanted one, or that one.
 *
 * @throws SignalError SIGNAL-02 for a record too short for the period
 */
export function peakNear(series: Series, wanted: number, options: CombinedOptions): number {
  const { within = 0.08 } = options;
  const { sigma = 10 } = options;
  // A peak is 1/σ wide; six points or more on each such width make its parabola.
  const half = Math.max(8, Math.ceil(6 * within * sigma));
  const periods = Array.from(
    { length: 2 * half + 1 },
    (_, k) => wanted * (1 + within) ** ((k - half) / half),
  );
  const every = stride(series, wanted, options, 8);
  const peaks = peakPeriods(ntft(series, { ...kernelOf(options), periods, every }));
  const highest = peaks.reduce((best, peak) => (peak.amplitude > best.amplitude ? peak : best), {
    period: wanted,
    amplitude: 0,
  });
  return highest.period;
}

/** Step 2: the time from each end where the transform is not believed. */
export function cutOf(series: Series, period: number, options: CombinedOptions): number {
  const { window, mu } = kernelAt(period, kernelOf(options));
  const wanted = ((options.c ?? CONE) * window.sigma) / mu;
  return Math.max(0, Math.min(wanted, spanOf(series) / 2 - 0.75 * Math.abs(period)));
}

/** s at every sample: 2Ψ of a real series, Ψ of a complex one. */
export function analytic(series: Series, period: number, options: CombinedOptions): Complex {
  return doubled(series, ntftLine(series, period, kernelOf(options)));
}

export function doubled(series: Series, { re, im }: Complex): Complex {
  if (series.im !== undefined) return { re, im };
  return { re: re.map((x) => 2 * x), im: im.map((x) => 2 * x) };
}

/** Steps 3 to 5. */
export function fitMiddle(
  series: Series,
  signal: Complex,
  period: number,
  cut: number,
  options: CombinedOptions,
): MiddleFit {
  const { damping = "free", degree = 0, beside = [] } = options.fit ?? {};
  const middle = middleOf(series, signal, cut, stride(series, period, options, PER_WINDOW));
  const start = straightLines(middle, period);
  const centre = series.start + spanOf(series) / 2;
  const { lines } = dampedLines(middle, {
    lines: [
      { period: 1 / start.frequency, startDamping: start.damping, damping, degree },
      ...beside.map((other) => ({ period: other, damping: 0 as const })),
    ],
    centre,
    search: false,
  });
  const [own, ...others] = lines;
  if (own === undefined) throw new Error("a fit of one line at least has a line");
  const gain = dampingFactor(
    { frequency: own.frequency.value, damping: own.damping.value },
    period,
    kernelOf(options),
  );
  const clean = others.reduce(
    (left, line) => subtract(left, curveOf(series, line, centre)),
    signal,
  );
  const line = throughGain(own, gain);
  return { line, signal: over(clean, gain), curve: curveOf(series, line, centre), centre };
}

/** Step 6, the complex v: its real part for a real series. */
export function blend(
  series: Series,
  { signal, curve }: Pick<MiddleFit, "signal" | "curve">,
  period: number,
  cut: number,
): Complex {
  const last = series.re.length - 1;
  const rise = Math.abs(period) / 2;
  const weight = Float64Array.from(series.re, (_, n) => {
    const inside = (Math.min(n, last - n) * series.step - cut) / rise;
    return 0.5 * (1 + Math.sin(Math.PI * Math.max(-0.5, Math.min(0.5, inside))));
  });
  const mixed = (a: Float64Array, b: Float64Array) =>
    a.map((x, n) => {
      const g = weight[n] as number;
      return g * x + (1 - g) * (b[n] as number);
    });
  return { re: mixed(signal.re, curve.re), im: mixed(signal.im, curve.im) };
}

function kernelOf({ sigma, kernel, window }: CombinedOptions): KernelOptions {
  return {
    ...(sigma !== undefined && { sigma }),
    ...(kernel !== undefined && { kernel }),
    ...(window !== undefined && { window }),
  };
}

/**
 * Samples to step over so that `count` of them, or all there are, fall on a standard deviation of the window, and
 * four at least on a period.
 */
function stride(series: Series, period: number, options: CombinedOptions, count: number): number {
  const { mu, window } = kernelAt(period, kernelOf(options));
  const longest = Math.min(window.sigma / (mu * count), Math.abs(period) / 4);
  return Math.max(1, Math.floor(longest / series.step));
}

/** The believed part of s as a complex series. */
function middleOf(series: Series, signal: Complex, cut: number, every: number): Series {
  const last = series.re.length - 1;
  // Cuts that are whole samples but for rounding keep their sample.
  const first = Math.ceil(cut / series.step - 1e-9);
  const count = Math.floor((last - 2 * first) / every) + 1;
  const take = (part: Float64Array) =>
    Float64Array.from({ length: count }, (_, n) => part[first + n * every] ?? 0);
  return {
    ...{ name: series.name, unit: series.unit, timeUnit: series.timeUnit },
    start: series.start + first * series.step,
    step: series.step * every,
    ...{ re: take(signal.re), im: take(signal.im) },
  };
}

/** Step 3: slopes of phase and of log|s|, as frequency and damping. */
function straightLines({ re, im, step }: Series, period: number) {
  const phase = unwrapped(re.map((x, n) => Math.atan2(im?.[n] ?? 0, x)));
  const logs = re.map((x, n) => Math.log(Math.hypot(x, im?.[n] ?? 0) || Number.MIN_VALUE));
  const frequency = slope(phase) / (2 * Math.PI * step);
  // Where noise makes the phase run backwards, the period itself is the better start.
  const astray = !(frequency * period > 0.5 && frequency * period < 2);
  return { frequency: astray ? 1 / period : frequency, damping: -slope(logs) / step };
}

/** Per sample, of the straight line nearest to all. */
function slope(values: Float64Array): number {
  const middle = (values.length - 1) / 2;
  let [product, square] = [0, 0];
  values.forEach((value, n) => {
    product += (n - middle) * value;
    square += (n - middle) ** 2;
  });
  return square === 0 ? 0 : product / square;
}

/** C(u)·e^{(−α+2πif)u} at the times of the series. */
function curveOf(series: Series, line: DampedLine, centre: number): Complex {
  const [re, im] = [new Float64Array(series.re.length), new Float64Array(series.re.length)];
  for (let n = 0; n < re.length; n++) {
    const u = series.start + n * series.step - centre;
    const size = Math.exp(-line.damping.value * u);
    const angle = 2 * Math.PI * line.frequency.value * u;
    let [a, b] = [0, 0];
    for (let k = line.coefficients.length - 1; k >= 0; k--) {
      a = a * u + (line.coefficients[k]?.re ?? 0);
      b = b * u + (line.coefficients[k]?.im ?? 0);
    }
    re[n] = size * (a * Math.cos(angle) - b * Math.sin(angle));
    im[n] = size * (a * Math.sin(angle) + b * Math.cos(angle));
  }
  return { re, im };
}

interface Gain {
  readonly re: number;
  readonly im: number;
}

/** The line as it was before the kernel multiplied it by G. */
function throughGain(line: DampedLine, gain: Gain): DampedLine {
  const size = Math.hypot(gain.re, gain.im);
  const turn = Math.atan2(gain.im, gain.re);
  const { amplitude, phase } = line;
  const moved = Math.atan2(Math.sin(phase.value - turn), Math.cos(phase.value - turn));
  return {
    ...line,
    amplitude: {
      value: amplitude.value / size,
      sd: amplitude.sd / size,
      interval: [amplitude.interval[0] / size, amplitude.interval[1] / size],
    },
    phase: {
      ...{ value: moved, sd: phase.sd },
      interval: [phase.interval[0] + moved - phase.value, phase.interval[1] + moved - phase.value],
    },
    coefficients: line.coefficients.map(({ re, im }) => ({
      re: (re * gain.re + im * gain.im) / size ** 2,
      im: (im * gain.re - re * gain.im) / size ** 2,
    })),
  };
}

function over({ re, im }: Complex, gain: Gain): Complex {
  const square = gain.re ** 2 + gain.im ** 2;
  return {
    re: re.map((x, n) => (x * gain.re + (im[n] as number) * gain.im) / square),
    im: im.map((y, n) => (y * gain.re - (re[n] as number) * gain.im) / square),
  };
}

function subtract(a: Complex, b: Complex): Complex {
  return {
    re: a.re.map((x, n) => x - (b.re[n] as number)),
    im: a.im.map((x, n) => x - (b.im[n] as number)),
  };
}
