/**
 * @file From the transform back to the signal, whole or of a band of periods.
 *
 * Along frequency: f(t) = (1/C) ∫ Ψ(t, ω) dω/μ. By the double integral of Liu and Hsu, from ψ̂(ω, ω) = 1:
 * f(t) = (1/2π) ∬ Ψ(τ, ω) e^{iω(t − τ)} dτ dω. Of a real signal, twice the real part over ω > 0.
 */

import { SignalError } from "../core/errors.ts";
import { emptyRow } from "./edge.ts";
import type { Complex } from "./fourier.ts";
import type { TimeFrequencyMap } from "./ntft.ts";
import type { Series } from "./series.ts";
import { type NormalWindow, normalWindow } from "./windows.ts";

export interface InverseOptions {
  /** Shortest and longest |period| to restore, in the time unit of the series; all of the map when absent. */
  readonly band?: readonly [shortest: number, longest: number];
  /**
   * `frequency` (default) needs one time alone. `double` needs the transform beyond the ends of the signal
   * (`withZeros`), and periods whose frequencies stand closer than 1/duration.
   */
  readonly method?: "frequency" | "double";
}

/**
 * The signal that the map's periods hold, at the times of the map, in the unit of the series.
 *
 * A complex signal needs periods of both signs.
 *
 * @throws SignalError for a band without periods, and for a kernel with a scale of its own
 */
export function invert(map: TimeFrequencyMap, options: InverseOptions = {}): Series {
  const { method = "frequency" } = options;
  const out = emptyRow(map.times.length);
  const weights = method === "frequency" ? alongFrequency(map, options) : byDouble(map, options);
  weights.forEach((weight, at) => {
    const [re, im] = [map.re[at], map.im[at]];
    if (weight === 0 || re === undefined || im === undefined) return;
    if (method === "frequency") addRow(out, { re, im }, weight);
    else addWave(out, map, at, weight);
  });
  const { im: _, observed: __, ...facts } = map.series;
  const step = map.series.step * map.every;
  if (map.series.im !== undefined) return { ...facts, step, ...out };
  return { ...facts, step, re: out.re.map((value) => 2 * value) };
}

/** The record between zeros, which is what the transform takes it to lie in. */
export function withZeros(series: Series, samples: number): Series {
  const padded = (part: Float64Array): Float64Array => {
    const out = new Float64Array(part.length + 2 * samples);
    out.set(part, samples);
    return out;
  };
  const { re, im, observed: _, ...facts } = series;
  const start = series.start - samples * series.step;
  return { ...facts, start, re: padded(re), ...(im !== undefined && { im: padded(im) }) };
}

/**
 * C of the wavelet kernel, ∫ ŵ(y − 1) dy/y: 0.2532487 at σ = 10, about √(2π)/σ·(1 + 1/σ²).
 *
 * The tail towards y = 0 is logarithmic and harmless; it is cut at 1e−3.
 */
export function admissibility(window: NormalWindow): number {
  const end = Number.isFinite(window.band) ? 1 + window.band : 1 + 400 / window.sigma;
  const [low, high] = [Math.log(1e-3), Math.log(end)];
  const pieces = 1 << 15;
  const h = (high - low) / pieces;
  let sum = 0;
  for (let n = 0; n <= pieces; n++) {
    const value = window.transform(Math.exp(low + n * h) - 1);
    sum += value * (n === 0 || n === pieces ? 1 : n % 2 === 1 ? 4 : 2);
  }
  return (sum * h) / 3;
}

/** dω/μ over C: dω/|ω| for the wavelet, dω for the Gabor kernel, whose C is ∫ ŵ = 2πw(0). */
function alongFrequency(map: TimeFrequencyMap, { band }: InverseOptions): Float64Array {
  const window = normalWindow(map.window, map.sigma);
  if (map.kernel === "wavelet") {
    const constant = admissibility(window);
    return weightsOf(map, band, Math.log).map((weight) => weight / constant);
  }
  if (map.kernel === "gabor") {
    const constant = 2 * Math.PI * window.density(0);
    return weightsOf(map, band, (omega) => omega).map((weight) => weight / constant);
  }
  throw new SignalError(
    "SIGNAL-01",
    `inverse of ${map.series.name}: a kernel with a scale of its own has no constant along frequency.`,
    [["fix", 'say method: "double", or take the wavelet or the gabor kernel']],
  );
}

function byDouble(map: TimeFrequencyMap, { band }: InverseOptions): Float64Array {
  return weightsOf(map, band, (omega) => omega).map((weight) => weight / (2 * Math.PI));
}

/**
 * Trapezoids over x(|ω|), on each side of zero by itself; those that the band cuts count in part, with Ψ linear
 * in x between two periods.
 */
function weightsOf(
  { periods, series }: TimeFrequencyMap,
  band: InverseOptions["band"],
  place: (omega: number) => number,
): Float64Array {
  const [shortest, longest] = band ?? [0, Number.POSITIVE_INFINITY];
  const bounds = [place((2 * Math.PI) / longest), place((2 * Math.PI) / shortest)] as const;
  const weights = new Float64Array(periods.length);
  const places = periods.map((period) => place((2 * Math.PI) / Math.abs(period)));
  for (const side of [1, -1]) {
    const rows = periods
      .map((_, at) => at)
      .filter((at) => Math.sign(periods[at] ?? 0) === side)
      .sort((a, b) => (places[a] ?? 0) - (places[b] ?? 0));
    rows.slice(1).forEach((upper, at) => {
      const lower = rows[at] ?? upper;
      const [from, to] = [places[lower] ?? 0, places[upper] ?? 0];
      const [low, high] = [Math.max(from, bounds[0]), Math.min(to, bounds[1])];
      if (!(high > low)) return;
      // ∫ of the two linear hats from low to high.
      const share = ((low + high) / 2 - from) / (to - from);
      weights[lower] = (weights[lower] ?? 0) + (high - low) * (1 - share);
      weights[upper] = (weights[upper] ?? 0) + (high - low) * share;
    });
  }
  if (weights.some((weight) => weight > 0)) return weights;
  throw new SignalError(
    "SIGNAL-01",
    `inverse of ${series.name}: no two periods of the map lie around ${shortest} to ${longest} ${series.timeUnit}.`,
    [["fix", `the map's run from ${periods[0]} to ${periods.at(-1)}; give a band within them`]],
  );
}

function addRow(out: Complex, { re, im }: Complex, weight: number): void {
  for (let n = 0; n < re.length; n++) {
    out.re[n] = (out.re[n] ?? 0) + weight * (re[n] ?? 0);
    out.im[n] = (out.im[n] ?? 0) + weight * (im[n] ?? 0);
  }
}

/** weight · e^{iωt} ∫ Ψ(τ, ω) e^{−iωτ} dτ */
function addWave(out: Complex, map: TimeFrequencyMap, at: number, weight: number): void {
  const step = map.series.step * map.every;
  const turn = ((2 * Math.PI) / (map.periods[at] ?? 1)) * step;
  const { length } = map.times;
  let [x, y] = [0, 0];
  for (let n = 0; n < length; n++) {
    const [c, s] = [Math.cos(turn * n), Math.sin(turn * n)];
    const [re, im] = [map.re[at]?.[n] ?? 0, map.im[at]?.[n] ?? 0];
    x += step * (re * c + im * s);
    y += step * (im * c - re * s);
  }
  for (let n = 0; n < length; n++) {
    const [c, s] = [Math.cos(turn * n), Math.sin(turn * n)];
    out.re[n] = (out.re[n] ?? 0) + weight * (x * c - y * s);
    out.im[n] = (out.im[n] ?? 0) + weight * (x * s + y * c);
  }
}
