/**
 * @file Linear algebra of small matrices as tensor programs, column by column, for engines without a form
 * of their own. Operands are `[batch, row, column]`; each step works on the block that is left.
 */

import { EngineError } from "../core/errors.ts";
import { aval, dimOf, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul, neg, sub } from "./arithmetic.ts";
import { contract, labels } from "./contract.ts";
import { broadcast, fullLike } from "./creation.ts";
import { log, sqrt } from "./exponential.ts";
import { reduceMax } from "./extremes.ts";
import { reshape } from "./layout.ts";
import type { Triangle } from "./linalg.host.ts";
import { convert, equal, greaterEqual, less, select } from "./logic.ts";
import { abs, sign } from "./magnitude.ts";
import { concatenate, pad, slice } from "./pieces.ts";
import { sum } from "./sum.ts";

/** More columns than this would be some thousands of nodes. */
export const MOST_COLUMNS = 128;

/** @throws EngineError when the matrix is too large to be written out column by column */
function checkSize(name: string, a: Tensor): number {
  const n = dimOf(a.aval, 2);
  if (n <= MOST_COLUMNS) return n;
  throw new EngineError(
    "ENGINE-02",
    `${name}: ${n} columns are more than the ${MOST_COLUMNS} that this engine writes out one by one.`,
    [
      ["operand", showAval(a.aval)],
      ["fix", "split the problem into blocks, or run it on the reference engine"],
    ],
  );
}

/** Rows and columns of a block, the ends not included. */
function block(
  x: Tensor,
  [top, bottom]: readonly [number, number],
  [left, right]: readonly [number, number],
): Tensor {
  return slice(x, [0, top, left], [dimOf(x.aval, 0), bottom, right]);
}

/** `[batch, rows, 1] · [batch, 1, columns]` */
function outer(column: Tensor, row: Tensor): Tensor {
  const [batch = 0, rows = 0] = column.dims;
  const columns = dimOf(row.aval, 2);
  const lists = [reshape(column, [batch, rows]), reshape(row, [batch, columns])] as const;
  return contract(...lists, labels("b i, b j -> b i j"));
}

/** A number per matrix, `[batch, 1]`, for every element of `[batch, rows, columns]`. */
function spread(x: Tensor, rows: number, columns: number): Tensor {
  const batch = dimOf(x.aval, 0);
  const dims = [batch, rows, columns];
  return broadcast(reshape(x, [batch]), { dims, axes: [0], names: [null, null, null] });
}

/** x where `test`, `other` elsewhere. */
function orElse(test: Tensor, x: Tensor, other: number): Tensor {
  return select(test, x, fullLike(x, other));
}

/** x > 0; not where x is NaN. */
function positive(x: Tensor): Tensor {
  return less(fullLike(x, 0), x);
}

/** Substitution: each row, once known, is taken out of those that are left. */
export function solveTriangle(a: Tensor, b: Tensor, t: Triangle): Tensor {
  const n = checkSize("triangularSolve", a);
  const columns = dimOf(b.aval, 2);
  const batch = dimOf(b.aval, 0);
  const forward = t.lower !== t.transposed;
  const rows: Tensor[] = [];
  let rest = b;
  for (let step = 0; step < n; step++) {
    const j = forward ? step : n - 1 - step;
    const left = n - 1 - step;
    const at = forward ? 0 : left; // where row j stands in what is left
    const own = block(rest, [at, at + 1], [0, columns]);
    const pivot = spread(block(a, [j, j + 1], [j, j + 1]), 1, columns);
    const row = t.unitDiagonal ? own : div(own, pivot);
    rows.push(row);
    if (left === 0) break;
    const others = forward ? ([j + 1, n] as const) : ([0, j] as const);
    const column = t.transposed
      ? reshape(block(a, [j, j + 1], others), [batch, left, 1])
      : block(a, others, [j, j + 1]);
    const remaining = block(rest, forward ? [1, left + 1] : [0, left], [0, columns]);
    rest = sub(remaining, outer(column, row));
  }
  return rows.length === 0 ? b : concatenate(forward ? rows : rows.reverse(), 1);
}

/** `L Lᵀ = A`; a pivot that is not positive becomes NaN, and with it all that follows. */
export function choleskyColumns(a: Tensor): Tensor {
  const n = checkSize("cholesky", a);
  const columns: Tensor[] = [];
  let rest = a;
  for (let j = 0; j < n; j++) {
    const left = n - j;
    const head = block(rest, [0, 1], [0, 1]);
    const pivot = sqrt(orElse(positive(head), head, NaN));
    if (left === 1) {
      columns.push(pad(pivot, [0, j, 0], [0, 0, 0]));
      break;
    }
    const below = div(block(rest, [1, left], [0, 1]), spread(pivot, left - 1, 1));
    columns.push(pad(concatenate([pivot, below], 1), [0, j, 0], [0, 0, 0]));
    const row = reshape(below, [dimOf(a.aval, 0), 1, left - 1]);
    rest = sub(block(rest, [1, left], [1, left]), outer(below, row));
  }
  return columns.length === 0 ? a : concatenate(columns, 2);
}

/**
 * Householder's reflections take `[A | B]`, n × (n + k), to `[R | Qᵀ B]` with R upper triangular. Unlike
 * elimination they need no pivot, which would be chosen at run time.
 *
 * @returns row j from column j on; n − 1 reflections were made, or some diagonal element is 0
 */
function reflected(ab: Tensor, n: number): readonly Tensor[] {
  const rows: Tensor[] = [];
  let rest = ab;
  for (let j = 0; j < n - 1; j++) {
    const [batch = 0, height = 0, width = 0] = rest.dims;
    const column = reshape(block(rest, [0, height], [0, 1]), [batch, height]);
    const largest = reduceMax(abs(column), [1]);
    const scale = orElse(positive(largest), largest, 1); // so that squares neither overflow nor vanish
    const list = { ...column.aval, axes: [0] };
    const u = div(column, broadcast(scale, list));
    const norm = sqrt(sum(mul(u, u), [1]));
    const head = reshape(slice(u, [0, 0], [batch, 1]), [batch]);
    const away = select(greaterEqual(head, fullLike(head, 0)), norm, neg(norm));
    // v = u ± ‖u‖ e₁, with the sign that does not cancel; rest − (2 / v·v) v (vᵀ rest)
    const v = sub(u, neg(pad(reshape(away, [batch, 1]), [0, 0], [0, height - 1])));
    const square = sum(mul(v, v), [1]);
    const shares = contract(v, rest, labels("b i, b i j -> b j"));
    const twice = div(fullLike(square, 2), orElse(positive(square), square, 1));
    const row = mul(shares, broadcast(twice, { ...shares.aval, axes: [0] }));
    const next = sub(rest, contract(v, row, labels("b i, b j -> b i j")));
    rows.push(block(next, [0, 1], [0, width]));
    rest = block(next, [1, height], [1, width]);
  }
  return [...rows, rest];
}

/**
 * The largest number of each row of A, or 1, as `[batch, n]`. Reflections mix rows, so that rows of very
 * different size would lose the small ones; divided by their largest number, they are alike.
 */
function sizesOfRows(a: Tensor): Tensor {
  const largest = reduceMax(abs(a), [2]);
  return orElse(positive(largest), largest, 1);
}

function overRows(x: Tensor, sizes: Tensor): Tensor {
  return div(x, broadcast(sizes, { ...x.aval, axes: [0, 1] }));
}

/** `A X = B`; all NaN where an element of the diagonal of R is 0 or NaN. */
export function solveByReflections(a: Tensor, b: Tensor): Tensor {
  const n = checkSize("solve", a);
  const [batch = 0, , columns = 0] = b.dims;
  if (n === 0) return b;
  const rows = reflected(overRows(concatenate([a, b], 2), sizesOfRows(a)), n);
  const triangle = rows.map((row, j) => pad(block(row, [0, 1], [0, n - j]), [0, 0, j], [0, 0, 0]));
  const right = rows.map((row, j) => block(row, [0, 1], [n - j, n - j + columns]));
  const upper = { lower: false, transposed: false, unitDiagonal: false };
  const x = solveTriangle(concatenate(triangle, 1), concatenate(right, 1), upper);
  const pivots = sum(convert(positive(abs(diagonal(rows))), x.dtype), [1]);
  const regular = equal(pivots, fullLike(pivots, n));
  return orElse(spread(reshape(regular, [batch, 1]), n, columns), x, NaN);
}

/** The first elements of the rows, `[batch, n]`. */
function diagonal(rows: readonly Tensor[]): Tensor {
  const heads = rows.map((row) => {
    const batch = dimOf(row.aval, 0);
    return reshape(block(row, [0, 1], [0, 1]), [batch, 1]);
  });
  return concatenate(heads, 1);
}

/** Sign and logarithm of the size of the determinant, `[batch]` each. Each reflection turns the sign. */
export function slogdetByReflections(a: Tensor): readonly [sign: Tensor, log: Tensor] {
  const n = checkSize("slogdet", a);
  const form = aval(a.dtype, [dimOf(a.aval, 0)]);
  if (n === 0) return [fullLike(form, 1), fullLike(form, 0)];
  const sizes = sizesOfRows(a);
  const pivots = diagonal(reflected(overRows(a, sizes), n));
  const signs = Array.from({ length: n }, (_, j) =>
    reshape(sign(slice(pivots, [0, j], [dimOf(form, 0), j + 1])), form.dims),
  );
  const product = signs.reduce(mul);
  const logs = add(log(abs(pivots)), log(sizes));
  return [n % 2 === 1 ? product : neg(product), sum(logs, [1])];
}
