/** @file The largest eigenvalues of a Hermitian operator that is only known by its products. */

import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { random } from "../random.ts";
import { addScaled, dot, norm, scale, type Vector, zeros } from "./vectors.ts";

export interface EigenPairs {
  /** In falling order. */
  readonly values: Float64Array;
  /** Of length 1, orthogonal; the largest entry of each is real and above 0. */
  readonly vectors: readonly Vector[];
}

/** Residuals, as shares of the largest eigenvalue, from which on pairs count as found. */
const TOLERANCE = 1e-13;
/** Share of the largest eigenvalue below which what is left of a new direction is rounding. */
const NOTHING = 1e-14;
const GROWTH = 1.3;

/**
 * Lanczos with full reorthogonalisation: `A Q = Q T + β q eᵀ`, T tridiagonal; a pair (θ, s) of T gives
 * (θ, Q s) with the residual β |s_last|. A space that closes early goes on with a random direction, so
 * eigenvalues that stand several times are found so often.
 *
 * @param size - of the vectors
 * @param count - of pairs asked for, at most `size`
 */
export function leadingPairs(
  apply: (vector: Vector) => Vector,
  size: number,
  count: number,
  complex: boolean,
): EigenPairs {
  const draw = random(0);
  const fresh = (basis: readonly Vector[]): Vector => {
    const vector = zeros(size, complex);
    for (const part of vector.im === undefined ? [vector.re] : [vector.re, vector.im]) {
      for (let n = 0; n < size; n++) part[n] = draw.gaussian();
    }
    orthogonalise(vector, basis);
    scale(vector, 1 / norm(vector));
    return vector;
  };
  const basis: Vector[] = [];
  const diagonal: number[] = [];
  const beside: number[] = [];
  let next = fresh(basis);
  let [largest, begun, exhausted] = [0, true, false];
  let check = Math.min(size, 2 * count + 10);
  for (;;) {
    basis.push(next);
    const image = apply(next);
    const own = dot(next, image)[0];
    diagonal.push(own);
    orthogonalise(image, basis);
    const rest = norm(image);
    largest = Math.max(largest, Math.abs(own), rest);
    const closed = rest <= NOTHING * largest;
    // A random direction that goes to nothing at once: there is nothing else left.
    exhausted ||= begun && closed && Math.abs(own) <= NOTHING * largest;
    if (basis.length >= (exhausted ? count : check) || basis.length === size) {
      const pairs = tridiagonal(diagonal, beside);
      const allowed = TOLERANCE * Math.abs(pairs[0]?.value ?? 0);
      const residuals = pairs.slice(0, count).map(({ vector }) => rest * (vector.at(-1) ?? 0));
      const found = !closed && residuals.every((residual) => Math.abs(residual) <= allowed);
      if (found || exhausted || basis.length === size)
        return assemble(pairs, basis, count, complex);
      check = Math.min(size, Math.ceil(GROWTH * check));
    }
    beside.push(closed ? 0 : rest);
    begun = closed;
    if (closed) next = fresh(basis);
    else {
      scale(image, 1 / rest);
      next = image;
    }
  }
}

/** Takes away what lies in the basis; twice, as once leaves rounding behind (Kahan and Parlett). */
function orthogonalise(vector: Vector, basis: readonly Vector[]): void {
  for (let round = 0; round < 2; round++) {
    for (const one of basis) {
      const [re, im] = dot(one, vector);
      addScaled(vector, one, -re, -im);
    }
  }
}

interface SmallPair {
  readonly value: number;
  readonly vector: readonly number[];
}

function tridiagonal(diagonal: readonly number[], beside: readonly number[]): SmallPair[] {
  const size = diagonal.length;
  const matrix = Matrix.zeros(size, size);
  diagonal.forEach((value, k) => {
    matrix.set(k, k, value);
    const next = beside[k];
    if (k + 1 < size && next !== undefined) matrix.set(k, k + 1, next).set(k + 1, k, next);
  });
  return symmetricPairs(matrix);
}

/** All pairs of a real symmetric matrix, in falling order. */
export function symmetricPairs(matrix: Matrix): SmallPair[] {
  const solved = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  const vectors = solved.eigenvectorMatrix;
  return solved.realEigenvalues
    .map((value, k) => ({ value, vector: vectors.getColumn(k) }))
    .sort((a, b) => b.value - a.value);
}

function assemble(
  pairs: readonly SmallPair[],
  basis: readonly Vector[],
  count: number,
  complex: boolean,
): EigenPairs {
  const taken = pairs.slice(0, count);
  const size = basis[0]?.re.length ?? 0;
  return {
    values: Float64Array.from(taken, ({ value }) => value),
    vectors: taken.map(({ vector }) => {
      const whole = zeros(size, complex);
      basis.forEach((one, k) => {
        addScaled(whole, one, vector[k] ?? 0);
      });
      scale(whole, 1 / norm(whole));
      return turned(whole);
    }),
  };
}

/** Eigenvectors are free in sign or phase: the largest entry shall be real and above 0. */
export function turned(vector: Vector): Vector {
  const { re, im } = vector;
  let [at, most] = [0, -1];
  for (let n = 0; n < re.length; n++) {
    const size = (re[n] ?? 0) ** 2 + (im?.[n] ?? 0) ** 2;
    // A little more than before: which of two alike comes first is not left to rounding.
    if (size > most * (1 + 1e-9)) [at, most] = [n, size];
  }
  const [x, y] = [re[at] ?? 0, im?.[at] ?? 0];
  const length = Math.hypot(x, y) || 1;
  const out = zeros(re.length, im !== undefined);
  addScaled(out, vector, x / length, -y / length);
  return out;
}
