/** @file Red noise: first-order autoregression fitted and drawn, and surrogates with the spectrum of a record. */

import { SignalError } from "../core/errors.ts";
import { dft, inverseDft } from "./dft.ts";
import { runningMean } from "./filters.ts";
import type { Random } from "./random.ts";
import { type Series, withValues } from "./series.ts";

/** `x_n = φ x_{n−1} + e_n`. */
export interface RedNoise {
  /** Standard deviation of x (not of e), in the unit of the series; of a complex x √⟨|x|²⟩. */
  readonly sd: number;
  /** Autocorrelation at lag one; its real part for complex noise. */
  readonly phi: number;
  /** Imaginary part for complex noise whose spectrum leans to one sense of rotation; 0 when absent. */
  readonly phiIm?: number;
}

/**
 * Fits AR(1) noise to a series by its moments: sd, and φ = Σ x_{n+1} x̄_n / Σ |x_n|² over pairs of observed
 * neighbours, both after removing the mean, or a running mean where lines and trend still stand in it.
 *
 * @param options.without - length of a running mean to remove first, in time units: 10 years for monthly
 *   residuals of length of day
 * @throws SignalError for fewer than three observed samples
 */
export function fitRedNoise(series: Series, options: { readonly without?: number } = {}): RedNoise {
  const observed = (n: number): boolean => series.observed?.[n] !== 0;
  const level =
    options.without === undefined ? meanOf(series) : runningMean(series, options.without);
  const at = (n: number): readonly [number, number] => [
    (series.re[n] ?? 0) - (level.re[n] ?? 0),
    (series.im?.[n] ?? 0) - (level.im?.[n] ?? 0),
  ];
  let [count, power, pairs, re, im] = [0, 0, 0, 0, 0];
  for (let n = 0; n < series.re.length; n++) {
    if (!observed(n)) continue;
    const [x, y] = at(n);
    count++;
    power += x * x + y * y;
    if (n === 0 || !observed(n - 1)) continue;
    const [u, v] = at(n - 1);
    pairs++;
    re += x * u + y * v;
    im += y * u - x * v;
  }
  if (count < 3 || pairs === 0)
    throw new SignalError("SIGNAL-01", `noise of ${series.name}: ${count} samples are too few.`, [
      ["fix", "give at least three samples side by side"],
    ]);
  const variance = power / count;
  if (variance === 0) return { sd: 0, phi: 0 };
  const phi = re / pairs / variance;
  return {
    sd: Math.sqrt(variance),
    phi,
    ...(series.im !== undefined && { phiIm: im / pairs / variance }),
  };
}

function meanOf(series: Series): Pick<Series, "re" | "im"> {
  const mean = (part: Float64Array): Float64Array => {
    let [sum, count] = [0, 0];
    for (let n = 0; n < part.length; n++) {
      if (series.observed?.[n] === 0) continue;
      sum += part[n] ?? 0;
      count++;
    }
    return new Float64Array(part.length).fill(sum / Math.max(1, count));
  };
  return { re: mean(series.re), ...(series.im !== undefined && { im: mean(series.im) }) };
}

/**
 * AR(1) noise on the times of a series; complex where the series is. Stationary from the first sample on.
 *
 * @throws SignalError when |φ| is not below 1
 */
export function redNoise(like: Series, { sd, phi, phiIm = 0 }: RedNoise, random: Random): Series {
  const size = Math.hypot(phi, phiIm);
  if (!(size < 1))
    throw new SignalError("SIGNAL-01", `noise for ${like.name}: |φ| = ${size} never settles.`, [
      ["fix", "remove the trend first, or give φ below 1"],
    ]);
  const complex = like.im !== undefined;
  const each = complex ? sd / Math.SQRT2 : sd;
  const innovation = each * Math.sqrt(1 - size * size);
  const count = like.re.length;
  const [re, im] = [new Float64Array(count), new Float64Array(complex ? count : 0)];
  let [x, y] = [each * random.gaussian(), complex ? each * random.gaussian() : 0];
  for (let n = 0; n < count; n++) {
    re[n] = x;
    if (complex) im[n] = y;
    const [u, v] = [x, y];
    x = phi * u - phiIm * v + innovation * random.gaussian();
    if (complex) y = phi * v + phiIm * u + innovation * random.gaussian();
  }
  return masked(withValues(like, re, complex ? im : undefined));
}

/**
 * A series with the amplitude spectrum of another and random phases (Theiler et al. 1992): what any Gaussian
 * process with this spectrum could have been. The mean stays.
 *
 * @throws SignalError for a series with gaps
 */
export function phaseRandomised(series: Series, random: Random): Series {
  if (series.observed?.includes(0) === true)
    throw new SignalError("SIGNAL-01", `surrogates of ${series.name}: the series has gaps.`, [
      ["fix", "take a stretch without gaps, or red-noise surrogates"],
    ]);
  const spectrum = dft(series.re, series.im);
  const count = series.re.length;
  const turn = (k: number, angle: number): void => {
    const [x, y, c, s] = [
      spectrum.re[k] ?? 0,
      spectrum.im[k] ?? 0,
      Math.cos(angle),
      Math.sin(angle),
    ];
    spectrum.re[k] = x * c - y * s;
    spectrum.im[k] = x * s + y * c;
  };
  for (let k = 1; k < count; k++) {
    const mirror = count - k;
    if (series.im !== undefined) turn(k, 2 * Math.PI * random.uniform());
    else if (k < mirror) {
      const angle = 2 * Math.PI * random.uniform();
      turn(k, angle);
      turn(mirror, -angle);
    } else if (k === mirror && random.uniform() < 0.5) turn(k, Math.PI);
  }
  const { re, im } = inverseDft(spectrum);
  return withValues(series, re, series.im === undefined ? undefined : im);
}

function masked(series: Series): Series {
  const { observed, re, im } = series;
  if (observed === undefined) return series;
  const zeroed = (part: Float64Array): Float64Array =>
    part.map((value, n) => (observed[n] === 0 ? 0 : value));
  return withValues(series, zeroed(re), im === undefined ? undefined : zeroed(im));
}
