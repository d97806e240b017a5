/**
 * @file Linear algebra of small dense matrices, which stand on the last two axes; leading axes are a batch.
 *
 * The onnx engine writes systems and factors out column by column, up to 128 columns.
 */

import { ShapeError } from "../core/errors.ts";
import { sameDims, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, scale, sub } from "../ops/arithmetic.ts";
import { fullLike } from "../ops/creation.ts";
import { exp } from "../ops/exponential.ts";
import { reshape, transpose } from "../ops/layout.ts";
import * as l from "../ops/linalg.ts";
import { slice } from "../ops/pieces.ts";
import { sum } from "../ops/sum.ts";

/** The last two axes exchanged. @throws ShapeError for fewer than two axes */
export function matrixTranspose(a: Tensor): Tensor {
  if (a.rank < 2)
    throw new ShapeError("SHAPE-01", `matrixTranspose: ${showAval(a.aval)} is no matrix`);
  const order = a.dims.map((_, i) => i);
  return transpose(a, [...order.slice(0, -2), a.rank - 1, a.rank - 2]);
}

/** `f` on the right side as matrices: one that lacks the last axis is a vector per matrix. */
function onColumns(a: Tensor, b: Tensor, f: (b: Tensor) => Tensor): Tensor {
  if (b.rank !== a.rank - 1) return f(b);
  const x = f(reshape(b, [...b.dims, 1], [...b.names, null]));
  return reshape(x, x.dims.slice(0, -1), x.names.slice(0, -1));
}

/**
 * X of `A X = B` for square A.
 *
 * @param b - matrices `[…, n, k]`, or vectors `[…, n]` with one axis less than A
 * @returns NaN or large numbers without meaning where A is singular
 */
export function solve(a: Tensor, b: Tensor): Tensor {
  return onColumns(a, b, (columns) => l.solve(a, columns));
}

export interface TriangularOptions {
  /** Which triangle of A is read; the lower one where absent. */
  readonly lower?: boolean;
  /** Solve with Aᵀ. */
  readonly transposed?: boolean;
  /** Take ones for the diagonal. */
  readonly unitDiagonal?: boolean;
  /** `A X = B` ("left", where absent) or `X A = B`. */
  readonly side?: "left" | "right";
}

/** X of `A X = B` for triangular A; forms as for `solve`. */
export function triangularSolve(a: Tensor, b: Tensor, options: TriangularOptions = {}): Tensor {
  const { lower = true, transposed = false, unitDiagonal = false, side = "left" } = options;
  if (side === "left")
    return onColumns(a, b, (columns) =>
      l.triangularSolve(a, columns, { lower, transposed, unitDiagonal }),
    );
  // X A = B is Aᵀ Xᵀ = Bᵀ.
  const flipped = { lower, transposed: !transposed, unitDiagonal };
  return matrixTranspose(l.triangularSolve(a, matrixTranspose(b), flipped));
}

/**
 * Lower triangular L with `L Lᵀ = A`, for symmetric positive definite A. What is factored is ½ (A + Aᵀ),
 * so that the gradient is symmetric.
 *
 * @returns NaN in every element of a matrix that is not positive definite
 */
export function cholesky(a: Tensor): Tensor {
  const plain = reshape(a, a.dims);
  return reshape(l.cholesky(scale(add(plain, matrixTranspose(plain)), 0.5)), a.dims, a.names);
}

/** X of `A X = B` from the factor that `cholesky` gives for A. */
export function choleskySolve(factor: Tensor, b: Tensor): Tensor {
  const half = triangularSolve(reshape(factor, factor.dims), b);
  return triangularSolve(factor, half, { transposed: true });
}

/** The inverse; prefer `solve` where it is multiplied by something. */
export function inverse(a: Tensor): Tensor {
  const x = l.solve(a, l.diagonalOf(fullLike({ ...a.aval, names: a.dims.map(() => null) }, 1)));
  const [row = null, column = null] = a.names.slice(-2);
  return reshape(x, a.dims, [...a.names.slice(0, -2), column, row]);
}

/** The determinant as its sign and the logarithm of its size: 0 and −∞ where an exact zero shows that A is singular. */
export interface SignAndLog {
  readonly sign: Tensor;
  readonly log: Tensor;
}

/** The determinant where it may leave the range of numbers. The derivative of `log` is `tr(A⁻¹ dA)`. */
export function slogdet(a: Tensor): SignAndLog {
  const [sign, log] = l.slogdet(a);
  return { sign, log };
}

/**
 * The determinant.
 *
 * Up to 3 × 3 by its formula, with a derivative everywhere; above by `slogdet`, whose derivative does not
 * exist where A is singular.
 */
export function det(a: Tensor): Tensor {
  const n = a.dims[a.rank - 1] ?? 0;
  if (n === 0 || n > 3 || !sameDims(a.dims.slice(-2), [n, n])) {
    const { sign, log } = slogdet(a);
    return mul(sign, exp(log));
  }
  return minor(a, [0, 1, 2].slice(0, n), [0, 1, 2].slice(0, n));
}

/** The determinant of some rows and columns, developed by the first of the rows. */
function minor(a: Tensor, rows: readonly number[], columns: readonly number[]): Tensor {
  const [row = 0, ...below] = rows;
  const element = (column: number) => {
    const lead = a.dims.slice(0, -2);
    const start = [...lead.map(() => 0), row, column];
    const one = slice(a, start, [...lead, row + 1, column + 1]);
    return reshape(one, lead, a.names.slice(0, -2));
  };
  const terms = columns.map((column) => {
    const others = columns.filter((other) => other !== column);
    return below.length === 0 ? element(column) : mul(element(column), minor(a, below, others));
  });
  return terms.reduce((total, term, i) => (i % 2 === 0 ? add(total, term) : sub(total, term)));
}

/** The sum of the diagonal. */
export function trace(a: Tensor): Tensor {
  return sum(l.diagonalOf(a), [a.rank - 2, a.rank - 1]);
}

/** The n × n identity in the dtype and batch of A. */
export function identityLike(a: Tensor): Tensor {
  return l.diagonalOf(fullLike(a, 1));
}

/** The lower (or upper) triangle, zeros elsewhere; without the diagonal when `strict`. */
export function triangle(a: Tensor, part: "lower" | "upper", strict = false): Tensor {
  return l.triangleOf(a, part === "lower", strict);
}
