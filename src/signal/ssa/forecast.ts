/** @file What a group of triples says about the time after the record, and about its periods. */

import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { SignalError } from "../../core/errors.ts";
import { type Series, timeAt } from "../series.ts";
import type { Decomposition } from "./ssa.ts";
import { addScaled, dot, scale, slice, type Vector, zeros } from "./vectors.ts";

/**
 * The linear recurrence that the records of a group obey, `x_n = Σ_k R_k x_{n−L+1+k}`, k = 0 … L − 2:
 * R = Σ π_i Ū_i^∇ / (1 − ν²), π_i the last entry of U_i, U^∇ the others, ν² = Σ |π_i|².
 *
 * @throws SignalError when the last entries carry all there is (ν² ≥ 1): nothing can be foretold
 */
export function recurrence(decomposition: Decomposition, indices: readonly number[]): Vector {
  const { window, series } = decomposition;
  const sum = zeros(window - 1, series.im !== undefined);
  let verticality = 0;
  for (const vector of chosen(decomposition, indices)) {
    const [x, y] = [vector.re[window - 1] ?? 0, vector.im?.[window - 1] ?? 0];
    verticality += x * x + y * y;
    const { re, im } = slice(vector, 0, window - 1);
    addScaled(sum, { re, ...(im !== undefined && { im: im.map((value) => -value) }) }, x, y);
  }
  if (!(verticality < 1 - 1e-9))
    throw wrong(series, `ν² = ${verticality} of 1, no recurrence`, "choose fewer triples");
  scale(sum, 1 / (1 - verticality));
  return sum;
}

/**
 * The samples after the record by the recurrence of a group, started from its reconstruction. Errors grow with
 * each sample, and a pole outside the unit circle makes them explode: see `espritLines`.
 *
 * @param steps - samples
 */
export function forecast(
  decomposition: Decomposition,
  indices: readonly number[],
  steps: number,
): Series {
  const { series, window } = decomposition;
  if (!(Number.isInteger(steps) && steps >= 1))
    throw wrong(series, `${steps} samples ahead`, "give a whole number from 1 on");
  const coefficients = recurrence(decomposition, indices);
  const past = decomposition.reconstruct(indices);
  const count = past.re.length;
  const whole = zeros(count + steps, past.im !== undefined);
  whole.re.set(past.re);
  if (past.im !== undefined) whole.im?.set(past.im);
  for (let n = count; n < count + steps; n++) {
    let [re, im] = [0, 0];
    for (let k = 0; k < window - 1; k++) {
      const at = n - window + 1 + k;
      const [a, b] = [coefficients.re[k] ?? 0, coefficients.im?.[k] ?? 0];
      const [x, y] = [whole.re[at] ?? 0, whole.im?.[at] ?? 0];
      re += a * x - b * y;
      im += a * y + b * x;
    }
    whole.re[n] = re;
    if (whole.im !== undefined) whole.im[n] = im;
  }
  const { re, im } = slice(whole, count, count + steps);
  const { name, unit, timeUnit, step } = series;
  const start = timeAt(series, count);
  return { name, unit, timeUnit, start, step, re, ...(im !== undefined && { im }) };
}

/** A line that a group of triples consists of. */
export interface SsaLine {
  /** In time units; above 0 for a real record, signed for a complex one, Infinity for what does not turn. */
  readonly period: number;
  /** Of the amplitude, per time unit: e^{−damping·t}. Below 0 where it grows. */
  readonly damping: number;
}

/**
 * Periods and dampings by ESPRIT (Roy and Kailath): the space of the vectors is the same one sample later but
 * for a rotation Φ, U_{below} = U_{above} Φ, whose eigenvalues are e^{(−α + 2πi/P)Δ}.
 *
 * @returns longest period first; the two senses of a line of a real record are one
 * @throws SignalError as `recurrence`
 */
export function espritLines(decomposition: Decomposition, indices: readonly number[]): SsaLine[] {
  const { series } = decomposition;
  const lines = poles(decomposition, indices).flatMap(([re, im]): SsaLine[] => {
    if (series.im === undefined && im < 0) return [];
    const angle = Math.atan2(im, re);
    const damping = -Math.log(Math.hypot(re, im)) / series.step;
    return [{ period: (2 * Math.PI * series.step) / angle, damping }];
  });
  return lines.sort((a, b) => Math.abs(b.period) - Math.abs(a.period));
}

function poles(
  decomposition: Decomposition,
  indices: readonly number[],
): (readonly [re: number, im: number])[] {
  const { window, series } = decomposition;
  const vectors = chosen(decomposition, indices);
  const count = vectors.length;
  const above = vectors.map((vector) => slice(vector, 0, window - 1));
  const below = vectors.map((vector) => slice(vector, 1, window));
  const last = vectors.map(({ re, im }) => [re[window - 1] ?? 0, im?.[window - 1] ?? 0] as const);
  const verticality = last.reduce((sum, [x, y]) => sum + x * x + y * y, 0);
  if (!(verticality < 1 - 1e-9))
    throw wrong(series, `ν² = ${verticality} of 1, no rotation`, "choose fewer triples");
  // Φ = (AᴴA)⁻¹ AᴴB, and AᴴA = 1 − π̄πᵀ has the inverse 1 + π̄πᵀ/(1 − ν²).
  const seen = above.map((a) => below.map((b) => dot(a, b)));
  const [re, im] = [Matrix.zeros(count, count), Matrix.zeros(count, count)];
  for (let j = 0; j < count; j++) {
    let [sumRe, sumIm] = [0, 0];
    last.forEach(([x, y], i) => {
      const [u, v] = seen[i]?.[j] ?? [0, 0];
      sumRe += (x * u - y * v) / (1 - verticality);
      sumIm += (x * v + y * u) / (1 - verticality);
    });
    last.forEach(([x, y], i) => {
      const [u, v] = seen[i]?.[j] ?? [0, 0];
      re.set(i, j, u + x * sumRe + y * sumIm);
      im.set(i, j, v + x * sumIm - y * sumRe);
    });
  }
  return series.im === undefined ? realPoles(re) : complexPoles(re, im);
}

function realPoles(matrix: Matrix): (readonly [number, number])[] {
  const { realEigenvalues, imaginaryEigenvalues } = new EigenvalueDecomposition(matrix);
  return realEigenvalues.map((re, k) => [re, imaginaryEigenvalues[k] ?? 0] as const);
}

/**
 * The real matrix [Re −Im; Im Re] has the eigenvalues wanted and their conjugates. Its vector (p; q) belongs to
 * a wanted one where q = −ip, to a conjugate where q = ip.
 */
function complexPoles(re: Matrix, im: Matrix): (readonly [number, number])[] {
  const count = re.rows;
  const whole = Matrix.zeros(2 * count, 2 * count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      whole.set(i, j, re.get(i, j)).set(count + i, count + j, re.get(i, j));
      whole.set(count + i, j, im.get(i, j)).set(i, count + j, -im.get(i, j));
    }
  }
  const solved = new EigenvalueDecomposition(whole);
  const { realEigenvalues, imaginaryEigenvalues, eigenvectorMatrix: columns } = solved;
  const scored = realEigenvalues.map((value, k) => {
    const turn = imaginaryEigenvalues[k] ?? 0;
    // Of a pair of conjugates the columns k and k + 1 are the real and imaginary part of one vector.
    const [a, b, sign] = turn > 0 ? [k, k + 1, 1] : turn < 0 ? [k - 1, k, -1] : [k, -1, 0];
    let [own, all] = [0, 0];
    for (let i = 0; i < count; i++) {
      const [p, q] = [columns.get(i, a), columns.get(count + i, a)];
      const [r, s] = b < 0 ? [0, 0] : [sign * columns.get(i, b), sign * columns.get(count + i, b)];
      // |p + iq|² of complex p = p + ir and q = q + is.
      own += (p - s) ** 2 + (r + q) ** 2;
      all += p * p + q * q + r * r + s * s;
    }
    return { pole: [value, turn] as const, score: own / (all || 1) };
  });
  return scored
    .sort((a, b) => b.score - a.score)
    .slice(0, count)
    .map(({ pole }) => pole);
}

function chosen({ series, vectors }: Decomposition, indices: readonly number[]): Vector[] {
  const unique = [...new Set(indices)];
  if (unique.length === 0) throw wrong(series, "no triples chosen", "give at least one");
  return unique.map((index) => {
    const vector = vectors[index];
    if (vector !== undefined) return vector;
    throw wrong(
      series,
      `triple ${index} was not computed`,
      `choose from 0 to ${vectors.length - 1}`,
    );
  });
}

function wrong({ name }: Series, what: string, fix: string): SignalError {
  return new SignalError("SIGNAL-01", `ssa of ${name}: ${what}.`, [["fix", fix]]);
}
