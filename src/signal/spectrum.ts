/** @file Power of a record by frequency, and what red noise would have there. */

import { dft, dftFrequencies } from "./dft.ts";
import type { RedNoise } from "./noise.ts";
import { refuseGaps } from "./ntft.ts";
import type { Series } from "./series.ts";

export interface Spectrum {
  /** Cycles per time unit, rising, without 0; of a complex series both senses, below 0 retrograde. */
  readonly frequencies: Float64Array;
  /**
   * Density in unit² · time unit: its sum over all frequencies times their distance is the variance (of a real
   * series both senses are one).
   */
  readonly power: Float64Array;
}

/**
 * The periodogram of the record without its mean: `Δ|X|²/N`, twice that for a real series.
 *
 * @throws SignalError for gaps
 */
export function periodogram(series: Series): Spectrum {
  refuseGaps("spectrum", series);
  const { re, im, step } = series;
  const count = re.length;
  const centred = (part: Float64Array): Float64Array => {
    const mean = part.reduce((sum, x) => sum + x, 0) / count;
    return part.map((x) => x - mean);
  };
  const bins = dft(centred(re), im === undefined ? undefined : centred(im));
  const places = dftFrequencies(count, step);
  const kept = [...places.keys()]
    .filter((k) => (im === undefined ? k > 0 && 2 * k <= count : places[k] !== 0))
    .sort((a, b) => frequencyOf(places, a, im) - frequencyOf(places, b, im));
  return {
    frequencies: Float64Array.from(kept, (k) => frequencyOf(places, k, im)),
    power: Float64Array.from(kept, (k) => {
      // The bin at half the sampling rate stands for itself alone.
      const senses = im === undefined && 2 * k !== count ? 2 : 1;
      return (senses * step * ((bins.re[k] ?? 0) ** 2 + (bins.im[k] ?? 0) ** 2)) / count;
    }),
  };
}

function frequencyOf(places: Float64Array, k: number, im: Float64Array | undefined): number {
  const frequency = places[k] ?? 0;
  return im === undefined ? Math.abs(frequency) : frequency;
}

/**
 * The density of AR(1) noise, `sd²(1 − |φ|²)Δ / |1 − φ e^{−2πifΔ}|²`, twice that for a real series.
 *
 * @param frequencies - cycles per time unit
 */
export function redSpectrum(
  { step, im }: Pick<Series, "step" | "im">,
  { sd, phi, phiIm = 0 }: RedNoise,
  frequencies: Float64Array,
): Float64Array {
  const senses = im === undefined ? 2 : 1;
  const square = phi * phi + phiIm * phiIm;
  return frequencies.map((frequency) => {
    const angle = 2 * Math.PI * frequency * step;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const distance = 1 - 2 * (phi * c + phiIm * s) + square;
    return (senses * sd * sd * (1 - square) * step) / distance;
  });
}

/**
 * By which factor a bin of the periodogram exceeds the noise's density with a chance of `1 − level`: χ² with two
 * degrees of freedom over its mean, −ln(1 − level). 3.00 for 95 %.
 */
export function excessOf(level: number): number {
  return -Math.log(1 - level);
}
