/** @file The discrete Fourier transform of any length, in double precision. */

import FFT from "fft.js";

/** A complex list in two parts. */
export interface ComplexValues {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

const plans = new Map<number, FFT>();

/** Transforms of a power of two ≥ 2, on interleaved real and imaginary parts. */
export function planOf(size: number): FFT {
  let plan = plans.get(size);
  if (plan === undefined) {
    plan = new FFT(size);
    plans.set(size, plan);
  }
  return plan;
}

/** The least power of two ≥ `size`, at least 2. */
export function powerOfTwo(size: number): number {
  let power = 2;
  while (power < size) power *= 2;
  return power;
}

/** `X_k = Σ x_n e^{−2πi kn/N}`, k = 0 … N − 1, not scaled. */
export function dft(re: Float64Array, im?: Float64Array): ComplexValues {
  const size = re.length;
  if (size <= 1) return { re: re.slice(), im: im?.slice() ?? new Float64Array(size) };
  if (powerOfTwo(size) !== size) return chirp(re, im);
  return apart(transformed(interleaved(re, im, size)), size);
}

/** `x_n = (1/N) Σ X_k e^{2πi kn/N}`. */
export function inverseDft({ re, im }: ComplexValues): ComplexValues {
  // The transform of swapped parts is the inverse with swapped parts.
  const swapped = dft(im, re);
  const scale = 1 / Math.max(1, re.length);
  return { re: swapped.im.map((x) => x * scale), im: swapped.re.map((x) => x * scale) };
}

/** Frequencies of the bins in cycles per time unit, the upper half negative. */
export function dftFrequencies(size: number, step: number): Float64Array {
  return Float64Array.from(
    { length: size },
    (_, k) => (k <= (size - 1) / 2 || 2 * k === size ? k : k - size) / (size * step),
  );
}

/**
 * Bluestein: kn = (k² + n² − (k − n)²)/2 makes the transform a convolution with a chirp, which has a
 * power of two as its length.
 */
function chirp(re: Float64Array, im: Float64Array | undefined): ComplexValues {
  const size = re.length;
  const padded = powerOfTwo(2 * size - 1);
  const cos = new Float64Array(size);
  const sin = new Float64Array(size);
  for (let n = 0; n < size; n++) {
    // n² mod 2N: the angle is reduced before it is rounded.
    const angle = (Math.PI * ((n * n) % (2 * size))) / size;
    cos[n] = Math.cos(angle);
    sin[n] = Math.sin(angle);
  }
  const data = new Float64Array(2 * padded);
  const kernel = new Float64Array(2 * padded);
  for (let n = 0; n < size; n++) {
    const [x, y, c, s] = [re[n] ?? 0, im?.[n] ?? 0, cos[n] ?? 0, sin[n] ?? 0];
    data[2 * n] = x * c + y * s;
    data[2 * n + 1] = y * c - x * s;
    for (const at of n === 0 ? [0] : [n, padded - n]) {
      kernel[2 * at] = c;
      kernel[2 * at + 1] = s;
    }
  }
  const product = multiplied(transformed(data), transformed(kernel));
  const sum = new Float64Array(2 * padded);
  planOf(padded).inverseTransform(sum, product);
  const out = { re: new Float64Array(size), im: new Float64Array(size) };
  for (let k = 0; k < size; k++) {
    const [x, y, c, s] = [sum[2 * k] ?? 0, sum[2 * k + 1] ?? 0, cos[k] ?? 0, sin[k] ?? 0];
    out.re[k] = x * c + y * s;
    out.im[k] = y * c - x * s;
  }
  return out;
}

/** Real and imaginary parts side by side, zeros behind. */
export function interleaved(
  re: Float64Array,
  im: Float64Array | undefined,
  size: number,
): Float64Array {
  const data = new Float64Array(2 * size);
  for (let n = 0; n < re.length; n++) {
    data[2 * n] = re[n] ?? 0;
    if (im !== undefined) data[2 * n + 1] = im[n] ?? 0;
  }
  return data;
}

/** The transform of interleaved data whose length is a power of two. */
export function transformed(data: Float64Array): Float64Array {
  const out = new Float64Array(data.length);
  planOf(data.length / 2).transform(out, data);
  return out;
}

/** The product of two interleaved lists, in the first one. */
export function multiplied(a: Float64Array, b: Float64Array): Float64Array {
  for (let n = 0; n < a.length; n += 2) {
    const [x, y, u, v] = [a[n] ?? 0, a[n + 1] ?? 0, b[n] ?? 0, b[n + 1] ?? 0];
    a[n] = x * u - y * v;
    a[n + 1] = x * v + y * u;
  }
  return a;
}

function apart(data: Float64Array, size: number): ComplexValues {
  const out = { re: new Float64Array(size), im: new Float64Array(size) };
  for (let n = 0; n < size; n++) {
    out.re[n] = data[2 * n] ?? 0;
    out.im[n] = data[2 * n + 1] ?? 0;
  }
  return out;
}
