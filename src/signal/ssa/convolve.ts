/** @file Products with Hankel and Toeplitz matrices by Fourier transforms: N log N instead of L·K. */

import { interleaved, multiplied, planOf, powerOfTwo, transformed } from "../dft.ts";
import type { Vector } from "./vectors.ts";

/** The trajectory matrix `X_ij = x_{i+j}` of a record, L rows and K = N − L + 1 columns. */
export interface Hankel {
  /** `(uᴴX)_j = Σ_i ū_i x_{i+j}`, for u of L entries: K of them. */
  correlate(u: Vector): Vector;
  /** `X Xᴴ u`. */
  square(u: Vector): Vector;
}

/** @param window - L, from 1 to the length of the record */
export function hankel(x: Vector, window: number): Hankel {
  const count = x.re.length;
  const complex = x.im !== undefined;
  // i + j never passes N − 1, so nothing comes around a circle of N.
  const size = powerOfTwo(count);
  const spectrum = transformed(interleaved(x.re, x.im, size));
  /** Σ_m x_{n+m} w̄_m for n < keep. */
  const correlated = (w: Vector, keep: number): Vector => {
    const data = transformed(interleaved(w.re, w.im, size));
    for (let k = 1; k < data.length; k += 2) data[k] = -(data[k] ?? 0);
    return leading(multiplied(data, spectrum), keep, complex);
  };
  const columns = count - window + 1;
  return {
    correlate: (u) => correlated(u, columns),
    // uᴴX is the conjugate of Xᴴu, and correlating conjugates once more.
    square: (u) => correlated(correlated(u, columns), window),
  };
}

/** A Hermitian Toeplitz matrix `C_ij = c_{i−j}` by its first column, as a map of vectors. */
export function toeplitz(column: Vector): (u: Vector) => Vector {
  const count = column.re.length;
  const size = powerOfTwo(2 * count - 1);
  const circle = interleaved(column.re, column.im, size);
  for (let d = 1; d < count; d++) {
    circle[2 * (size - d)] = column.re[d] ?? 0;
    circle[2 * (size - d) + 1] = -(column.im?.[d] ?? 0);
  }
  const spectrum = transformed(circle);
  return (u) =>
    leading(
      multiplied(transformed(interleaved(u.re, u.im, size)), spectrum),
      count,
      column.im !== undefined,
    );
}

/** `Σ_i a_i b_{n−i}`, n = 0 … |a| + |b| − 2. */
export function convolve(a: Vector, b: Vector): Vector {
  const count = a.re.length + b.re.length - 1;
  const size = powerOfTwo(count);
  const product = multiplied(
    transformed(interleaved(a.re, a.im, size)),
    transformed(interleaved(b.re, b.im, size)),
  );
  return leading(product, count, a.im !== undefined || b.im !== undefined);
}

/** Lag covariances `c_d = Σ_n x_{n+d} x̄_n / (N − d)`, d = 0 … count − 1. */
export function lagCovariances(x: Vector, count: number): Vector {
  const length = x.re.length;
  const size = powerOfTwo(length + count);
  const power = transformed(interleaved(x.re, x.im, size));
  for (let k = 0; k < power.length; k += 2) {
    power[k] = (power[k] ?? 0) ** 2 + (power[k + 1] ?? 0) ** 2;
    power[k + 1] = 0;
  }
  const sums = leading(power, count, x.im !== undefined);
  const mean = (part: Float64Array): Float64Array => part.map((sum, d) => sum / (length - d));
  return { re: mean(sums.re), ...(sums.im !== undefined && { im: mean(sums.im) }) };
}

/** The first entries of what a spectrum belongs to. */
function leading(spectrum: Float64Array, keep: number, complex: boolean): Vector {
  const whole = new Float64Array(spectrum.length);
  planOf(spectrum.length / 2).inverseTransform(whole, spectrum);
  const re = new Float64Array(keep);
  for (let n = 0; n < keep; n++) re[n] = whole[2 * n] ?? 0;
  if (!complex) return { re };
  const im = new Float64Array(keep);
  for (let n = 0; n < keep; n++) im[n] = whole[2 * n + 1] ?? 0;
  return { re, im };
}
