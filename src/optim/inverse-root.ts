/** @file Inverse roots of symmetric matrices by coupled Newton iterations: products only, so every engine has them. */

import type { Tensor } from "../core/tensor.ts";
import { abs, and, einsum, linalg, maximum, scalar, where, whileLoop } from "../numpy/index.ts";
import { fullLike } from "../ops/creation.ts";
import { reshape } from "../ops/layout.ts";

/** Where rounding keeps the error from falling, the loop ends long before. */
const MOST_ROUNDS = 100;

/**
 * `(A + ε ‖A‖ I)^(−1/p)` for each symmetric positive semidefinite matrix, ‖·‖ the Frobenius norm.
 *
 * Coupled Newton (Guo and Higham 2006; Anil et al., arXiv:2002.09018): with `z = (1 + p) / (2 ‖A‖)`, from
 * `X = z^(1/p) I` and `M = z A`, each round takes `T = ((p + 1) I − M) / p`, `X ← X T`, `M ← T^p M`, until M is as near to
 * I as rounding lets it come: when the largest error of any matrix no longer falls.
 *
 * @param a - `[stack, n, n]`
 * @param p - 2 or 4
 * @param epsilon - bounds the condition number; single precision bears about 1e-6
 */
export function inverseRoot(a: Tensor, p: 2 | 4, epsilon: number): Tensor {
  const plain = reshape(a, a.dims);
  const identity = linalg.identityLike(plain);
  const norm = maximum(plain.square().sum([1, 2], { keepDims: true }).sqrt(), 1e-30);
  const damped = plain.add(identity.mul(norm.mul(epsilon)));
  const z = norm
    .mul(1 + epsilon)
    .reciprocal()
    .mul((1 + p) / 2);
  const root = p === 2 ? z.sqrt() : z.sqrt().sqrt();
  const m = damped.mul(z);
  const start: State = {
    x: identity.mul(root),
    m,
    error: errorOf(m, identity),
    before: scalar(Number.POSITIVE_INFINITY),
    round: scalar(0),
  };
  const goesOn = ({ error, before, round }: State) =>
    and(error.less(before), round.less(MOST_ROUNDS));
  return reshape(whileLoop(goesOn, (state) => newtonRound(state, p), start).x, a.dims, a.names);
}

interface State {
  readonly x: Tensor;
  readonly m: Tensor;
  readonly error: Tensor;
  readonly before: Tensor;
  readonly round: Tensor;
}

function newtonRound({ x, m, error, round }: State, p: 2 | 4): State {
  const identity = linalg.identityLike(m);
  const turn = identity.mul((p + 1) / p).sub(m.mul(1 / p));
  const square = product(turn, turn);
  const power = p === 2 ? square : product(square, square);
  const next = product(power, m);
  const after = errorOf(next, identity);
  // An eigenvalue that rounding made negative runs away; what was before is kept then.
  const better = after.less(maximum(error, 1));
  return {
    x: where(better, product(x, turn), x),
    m: next,
    error: after,
    // The first rounds may leave the largest eigenvalue further off than it was, and yet be right.
    before: where(round.less(1), fullLike(error, Number.POSITIVE_INFINITY), error),
    round: round.add(1),
  };
}

function errorOf(m: Tensor, identity: Tensor): Tensor {
  return abs(m.sub(identity)).max();
}

function product(a: Tensor, b: Tensor): Tensor {
  const c = einsum("stack row mid, stack mid column -> stack row column", a, b);
  return reshape(c, c.dims);
}
