/**
 * @file The discrete Fourier transform of complex numbers in double precision, of any length.
 *
 * Powers of two are left to fft.js. Lengths with small prime factors are put together from shorter ones; all others
 * go through a convolution with a chirp (Bluestein 1970).
 */

import FFT from "fft.js";
import { SignalError } from "../core/errors.ts";

/** Complex numbers in two lists. */
export interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** Transforms of one length. Arrays are re, im, re, im …, and those of input and output must differ. */
export interface FourierPlan {
  readonly length: number;
  /** out_k = Σ_n in_n e^{−2πikn/length} */
  forward(out: Float64Array, data: Float64Array): void;
}

/** Prime factors that are taken apart; above, the sum over one costs more than a chirp. */
const MOST_PRIME = 13;
const MOST_PLANS = 64;
const plans = new Map<number, FourierPlan>();

/** The plan of a length; the last few are kept. @throws SignalError for a length that is no positive integer */
export function fourierPlan(length: number): FourierPlan {
  const known = plans.get(length);
  if (known !== undefined) return known;
  if (!Number.isSafeInteger(length) || length < 1)
    throw new SignalError("SIGNAL-01", `fourier: length ${length} is no length of a record.`, [
      ["fix", "give one sample at least"],
    ]);
  const plan = planOf(length);
  if (plans.size >= MOST_PLANS)
    for (const oldest of [...plans.keys()].slice(0, 1)) plans.delete(oldest);
  plans.set(length, plan);
  return plan;
}

function planOf(length: number): FourierPlan {
  if (length === 1) return { length, forward: (out, data) => out.set(data.subarray(0, 2)) };
  if (powerOfTwoIn(length) === length) {
    const fft = new FFT(length);
    return { length, forward: (out, data) => fft.transform(out, data) };
  }
  for (let prime = 3; prime <= MOST_PRIME; prime += 2)
    if (length % prime === 0) return mixedPlan(prime, length / prime);
  return chirpPlan(length);
}

/** The largest power of two that divides it. */
export function powerOfTwoIn(length: number): number {
  let power = 1;
  while (length % (2 * power) === 0) power *= 2;
  return power;
}

/** The least power of two that is not below it. */
export function powerOfTwoAbove(least: number): number {
  let power = 1;
  while (power < least) power *= 2;
  return power;
}

/**
 * A length not below `least` that is a multiple of `factor` and quick to transform: the factor, with a three where
 * it has no odd one of its own, and a power of two. Few lengths, since the record is transformed once for each.
 */
export function goodLength(least: number, factor = 1): number {
  const odds = powerOfTwoIn(factor) === factor ? [1, 3] : [1];
  return factor * Math.min(...odds.map((odd) => odd * powerOfTwoAbove(least / factor / odd)));
}

/** X_{k + rest·j} = Σ_r e^{−2πirj/prime} e^{−2πirk/length} Y_r[k], where Y_r transforms each prime-th sample from r on. */
function mixedPlan(prime: number, rest: number): FourierPlan {
  const length = prime * rest;
  const part = fourierPlan(rest);
  const turns = rootsOfUnity(length);
  const roots = rootsOfUnity(prime);
  const [samples, spectrum] = [new Float64Array(2 * rest), new Float64Array(2 * rest)];
  return {
    length,
    forward(out, data) {
      for (let r = 0; r < prime; r++) {
        for (let n = 0, at = 2 * r; n < 2 * rest; n += 2, at += 2 * prime) {
          samples[n] = data[at] ?? 0;
          samples[n + 1] = data[at + 1] ?? 0;
        }
        part.forward(spectrum, samples);
        for (let k = 0, turn = 0; k < 2 * rest; k += 2, turn += 2 * r) {
          const c = turns[turn] ?? 0;
          const s = turns[turn + 1] ?? 0;
          const re = spectrum[k] ?? 0;
          const im = spectrum[k + 1] ?? 0;
          spectrum[k] = re * c - im * s;
          spectrum[k + 1] = re * s + im * c;
        }
        for (let j = 0; j < prime; j++) {
          const root = 2 * ((r * j) % prime);
          addTurned(out, 2 * rest * j, spectrum, roots[root] ?? 0, roots[root + 1] ?? 0, r === 0);
        }
      }
    },
  };
}

/** Adds all values times c + is from a place on; the first to come is not added to what was there before. */
function addTurned(
  out: Float64Array,
  start: number,
  values: Float64Array,
  c: number,
  s: number,
  first: boolean,
): void {
  if (first) {
    out.set(values, start);
    return;
  }
  for (let k = 0, at = start; k < values.length; k += 2, at += 2) {
    const re = values[k] ?? 0;
    const im = values[k + 1] ?? 0;
    out[at] = (out[at] ?? 0) + re * c - im * s;
    out[at + 1] = (out[at + 1] ?? 0) + re * s + im * c;
  }
}

/** With kn = (k² + n² − (k − n)²)/2 the sum is a convolution with the chirp e^{πin²/length}. */
function chirpPlan(length: number): FourierPlan {
  const padded = fourierPlan(powerOfTwoAbove(2 * length - 1));
  const size = 2 * padded.length;
  const chirp = new Float64Array(2 * length);
  const kernel = new Float64Array(size);
  for (let n = 0; n < length; n++) {
    // The square is taken modulo the period first: angles of millions of turns would lose their digits.
    const angle = (Math.PI * ((n * n) % (2 * length))) / length;
    chirp[2 * n] = Math.cos(angle);
    chirp[2 * n + 1] = Math.sin(angle);
    for (const at of n === 0 ? [0] : [n, padded.length - n])
      kernel.set(chirp.subarray(2 * n, 2 * n + 2), 2 * at);
  }
  const filter = new Float64Array(size);
  padded.forward(filter, kernel);
  const [samples, spectrum] = [new Float64Array(size), new Float64Array(size)];
  return {
    length,
    forward(out, data) {
      samples.fill(0);
      for (let n = 0; n < length; n++) timesConjugate(samples, data, chirp, n, 1);
      padded.forward(spectrum, samples);
      // Back by the forward transform of the conjugate.
      for (let k = 0; k < padded.length; k++) conjugateProduct(spectrum, filter, k);
      padded.forward(samples, spectrum);
      for (let k = 0; k < length; k++) {
        samples[2 * k + 1] = -(samples[2 * k + 1] ?? 0);
        timesConjugate(out, samples, chirp, k, 1 / padded.length);
      }
    },
  };
}

/** out_n = factor · data_n · conj(turn_n) */
function timesConjugate(
  out: Float64Array,
  data: Float64Array,
  turn: Float64Array,
  n: number,
  factor: number,
): void {
  const re = data[2 * n] ?? 0;
  const im = data[2 * n + 1] ?? 0;
  const c = turn[2 * n] ?? 0;
  const s = turn[2 * n + 1] ?? 0;
  out[2 * n] = factor * (re * c + im * s);
  out[2 * n + 1] = factor * (im * c - re * s);
}

/** a_k = conj(a_k b_k) */
function conjugateProduct(a: Float64Array, b: Float64Array, k: number): void {
  const re = a[2 * k] ?? 0;
  const im = a[2 * k + 1] ?? 0;
  const c = b[2 * k] ?? 0;
  const s = b[2 * k + 1] ?? 0;
  a[2 * k] = re * c - im * s;
  a[2 * k + 1] = -(re * s + im * c);
}

/** e^{−2πik/length}, k = 0 … length − 1, as re, im, re, im … */
export function rootsOfUnity(length: number): Float64Array {
  const roots = new Float64Array(2 * length);
  for (let k = 0; k < length; k++) {
    roots[2 * k] = Math.cos((2 * Math.PI * k) / length);
    roots[2 * k + 1] = -Math.sin((2 * Math.PI * k) / length);
  }
  return roots;
}

/** Real or complex samples as re, im, re, im …, with zeros behind up to `length` of them. */
export function interleaved(
  re: Float64Array,
  im?: Float64Array,
  length: number = re.length,
): Float64Array {
  const out = new Float64Array(2 * length);
  for (let n = 0; n < re.length; n++) {
    out[2 * n] = re[n] ?? 0;
    if (im !== undefined) out[2 * n + 1] = im[n] ?? 0;
  }
  return out;
}

/** X_k = Σ_n x_n e^{−2πikn/N}, k = 0 … N − 1. @throws SignalError for an empty record */
export function fourier(re: Float64Array, im?: Float64Array): Complex {
  const plan = fourierPlan(re.length);
  const out = new Float64Array(2 * re.length);
  plan.forward(out, interleaved(re, im));
  return { re: out.filter((_, at) => at % 2 === 0), im: out.filter((_, at) => at % 2 === 1) };
}

/** x_n = (1/N) Σ_k X_k e^{2πikn/N}. @throws SignalError for an empty spectrum */
export function inverseFourier(re: Float64Array, im: Float64Array): Complex {
  // The transform of the swapped parts is the swapped inverse.
  const swapped = fourier(im, re);
  const scaled = (part: Float64Array) => part.map((value) => value / re.length);
  return { re: scaled(swapped.im), im: scaled(swapped.re) };
}
