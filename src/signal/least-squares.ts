/** @file Linear least squares on terms of one record, real or complex, factored once for many records. */

import { CholeskyDecomposition, Matrix } from "ml-matrix";
import type { ComplexValues } from "./dft.ts";

/** One column. */
export interface Column {
  readonly re: Float64Array;
  /** Absent of a real column. */
  readonly im?: Float64Array;
}

/** What stands to be fitted; real when `im` is absent. */
export type Target = Column;

/** Rounds that win back the digits which normal equations lose. */
const REFINEMENTS = 2;
/** Share of a column that is its own; below, rounding decides its coefficient. */
const OWN = 1e-13;

/**
 * Minimises Σ w_n |y_n − Σ_k c_k a_k(n)|² + ridge Σ |c_k|² by the normal equations (AᴴWA + ridge) c = AᴴWy,
 * Cholesky, and refinement with the residuals.
 *
 * @param weights - of the samples; those with 0 do not count
 * @param dependent - the error for a column that is a sum of those before it
 * @returns the coefficients c, by column; imaginary parts are 0 for real columns and target
 */
export function leastSquares<C extends Column>(
  columns: readonly C[],
  weights: Float64Array,
  ridge: number,
  dependent: (column: C) => Error,
): (target: Target) => ComplexValues {
  const count = columns.length;
  const complex = columns.some(({ im }) => im !== undefined);
  const gram = normalMatrix(columns, weights, ridge, complex);
  const factored = new CholeskyDecomposition(gram);
  const lower = factored.lowerTriangularMatrix;
  for (let k = 0; k < gram.rows; k++) {
    const column = columns[k % count];
    if (column !== undefined && !(lower.get(k, k) ** 2 > OWN * gram.get(k, k)))
      throw dependent(column);
  }
  const weighted = (target: Target): Column => ({
    re: target.re.map((y, n) => y * (weights[n] ?? 0)),
    ...(target.im !== undefined && { im: target.im.map((y, n) => y * (weights[n] ?? 0)) }),
  });
  /** (AᴴWA + ridge)⁻¹ of what columns see in a target, less what the ridge holds back. */
  const solve = (target: Target, held: ComplexValues): ComplexValues => {
    const seen = columns.map((column) => inner(column, weighted(target)));
    const side = (part: 0 | 1): number[] =>
      seen.map((both, k) => both[part] - ridge * ((part === 0 ? held.re[k] : held.im[k]) ?? 0));
    if (complex) {
      const solved = factored.solve(Matrix.columnVector([...side(0), ...side(1)])).to1DArray();
      return {
        re: Float64Array.from(solved.slice(0, count)),
        im: Float64Array.from(solved.slice(count)),
      };
    }
    const part = (values: number[]): Float64Array =>
      Float64Array.from(factored.solve(Matrix.columnVector(values)).to1DArray());
    const im = target.im === undefined ? new Float64Array(count) : part(side(1));
    return { re: part(side(0)), im };
  };
  return (target) => {
    const none = { re: new Float64Array(count), im: new Float64Array(count) };
    if (count === 0) return none;
    let best = solve(target, none);
    for (let round = 0; round < REFINEMENTS; round++) {
      const more = solve(residual(columns, target, best), best);
      best = {
        re: best.re.map((x, k) => x + (more.re[k] ?? 0)),
        im: best.im.map((x, k) => x + (more.im[k] ?? 0)),
      };
    }
    return best;
  };
}

/** AᴴWA + ridge; of complex columns as real numbers, [Re −Im; Im Re]. */
function normalMatrix(
  columns: readonly Column[],
  weights: Float64Array,
  ridge: number,
  complex: boolean,
): Matrix {
  const count = columns.length;
  const size = complex ? 2 * count : count;
  const gram = Matrix.zeros(size, size);
  columns.forEach((left, j) => {
    const weighted: Column = {
      re: left.re.map((x, n) => x * (weights[n] ?? 0)),
      ...(left.im !== undefined && { im: left.im.map((x, n) => x * (weights[n] ?? 0)) }),
    };
    for (let k = j; k < count; k++) {
      const right = columns[k];
      if (right === undefined) continue;
      const [re, im] = inner(weighted, right);
      const at = re + (j === k ? ridge : 0);
      gram.set(j, k, at).set(k, j, at);
      if (!complex) continue;
      gram.set(count + j, count + k, at).set(count + k, count + j, at);
      gram.set(count + j, k, im).set(k, count + j, im);
      gram.set(j, count + k, -im).set(count + k, j, -im);
    }
  });
  return gram;
}

/** Σ ā_n b_n. */
function inner(a: Column, b: Column): readonly [re: number, im: number] {
  let [re, im] = [0, 0];
  for (let n = 0; n < a.re.length; n++) {
    const [x, u] = [a.re[n] ?? 0, b.re[n] ?? 0];
    re += x * u;
    const [y, v] = [a.im?.[n] ?? 0, b.im?.[n] ?? 0];
    re += y * v;
    im += x * v - y * u;
  }
  return [re, im];
}

function residual(columns: readonly Column[], target: Target, fitted: ComplexValues): Target {
  const re = target.re.slice();
  const complex = target.im !== undefined || columns.some(({ im }) => im !== undefined);
  const im = target.im?.slice() ?? new Float64Array(re.length);
  columns.forEach((column, k) => {
    const [a, b] = [fitted.re[k] ?? 0, fitted.im[k] ?? 0];
    for (let n = 0; n < re.length; n++) {
      const [x, y] = [column.re[n] ?? 0, column.im?.[n] ?? 0];
      re[n] = (re[n] ?? 0) - a * x + b * y;
      im[n] = (im[n] ?? 0) - a * y - b * x;
    }
  });
  return complex ? { re, im } : { re };
}
