/**
 * @file Gamma numbers and what is made of them, by rejection (Marsaglia and Tsang, 2000), as in JAX: each
 * element has a key of its own and draws until a proposal is accepted.
 *
 * The numbers have no derivative by their parameters: that of an accepted proposal leaves out how acceptance
 * depends on them. Poisson and binomial numbers are not here, for want of log Γ.
 */

import { aval, sizeOf } from "../../core/shape.ts";
import { Tensor } from "../../core/tensor.ts";
import { add, div, mul, neg, scale, sub } from "../../ops/arithmetic.ts";
import { and, not, or } from "../../ops/bits.ts";
import { full } from "../../ops/creation.ts";
import { exp, log, pow, sqrt } from "../../ops/exponential.ts";
import { reshape } from "../../ops/layout.ts";
import { equal, greaterEqual, less, select } from "../../ops/logic.ts";
import { maximum } from "../../ops/magnitude.ts";
import { softmax } from "../../ops/softmax.ts";
import { stopGradient } from "../../ops/stop-gradient.ts";
import { vmap } from "../../transforms/vmap.ts";
import { broadcastTo } from "../align.ts";
import { whileLoop } from "../control.ts";
import { exponential, normal } from "./distributions.ts";
import { type DrawOptions, type Key, keysOf, namesOf, split } from "./threefry.ts";
import { uniform } from "./uniform.ts";

/** A parameter: one number, or a float32 tensor that broadcasts to the result. */
export type Parameter = number | Tensor;

/**
 * Gamma with shape parameter `a` > 0 and scale 1.
 *
 * @returns float32 numbers > 0; for a far below 1 they may underflow to 0: see `logGamma`
 */
export function gamma(
  from: Key,
  a: Parameter,
  dims: readonly number[],
  options: DrawOptions = {},
): Tensor {
  return eachElement(from, a, dims, options, (shape, { d, v, rest }) => {
    // Gamma(a) = Gamma(a + 1) · U^(1/a) where a < 1.
    const u = sub(one(shape), uniform(rest, []));
    const boost = select(
      greaterEqual(shape, one(shape)),
      one(shape),
      pow(u, div(one(shape), shape)),
    );
    return mul(mul(d, v), boost);
  });
}

/** The logarithms of gamma numbers, which keep what underflows for small `a`. */
export function logGamma(
  from: Key,
  a: Parameter,
  dims: readonly number[],
  options: DrawOptions = {},
): Tensor {
  return eachElement(from, a, dims, options, (shape, { d, v, rest }) => {
    const u = neg(exponential(rest, []));
    const large = or(greaterEqual(shape, one(shape)), equal(u, zero(shape)));
    const boost = select(large, zero(shape), mul(u, div(one(shape), shape)));
    return add(add(log(d), log(v)), boost);
  });
}

/** Beta with parameters a, b > 0: `G_a / (G_a + G_b)` of two gamma numbers. */
export function beta(
  from: Key,
  a: Parameter,
  b: Parameter,
  dims: readonly number[],
  options: DrawOptions = {},
): Tensor {
  const [keyA, keyB] = split(from, 2) as [Key, Key];
  const [x, y] = [logGamma(keyA, a, dims, options), logGamma(keyB, b, dims, options)];
  const largest = maximum(x, y);
  const [u, v] = [exp(sub(x, largest)), exp(sub(y, largest))];
  return div(u, add(u, v));
}

/**
 * Dirichlet with concentrations `alpha`, along its last axis: positive numbers that add up to 1.
 *
 * @param dims - sizes of the result before that axis
 */
export function dirichlet(
  from: Key,
  alpha: Tensor,
  dims: readonly number[],
  options: DrawOptions = {},
): Tensor {
  return softmax(logGamma(from, alpha, [...dims, ...alpha.dims.slice(-1)], options));
}

/** χ² with `df` degrees of freedom: twice a gamma number of df / 2. */
export function chiSquare(
  from: Key,
  df: Parameter,
  dims: readonly number[],
  options: DrawOptions = {},
): Tensor {
  return scale(exp(logGamma(from, half(df), dims, options)), 2);
}

/** Student's t with `df` degrees of freedom. */
export function studentT(
  from: Key,
  df: Parameter,
  dims: readonly number[],
  options: DrawOptions = {},
): Tensor {
  const [keyN, keyG] = split(from, 2) as [Key, Key];
  const n = normal(keyN, dims, options);
  const g = gamma(keyG, half(df), dims, options);
  return mul(n, sqrt(div(like(half(df), g), g)));
}

function half(x: Parameter): Parameter {
  return x instanceof Tensor ? scale(x, 0.5) : x / 2;
}

function like(x: Parameter, y: Tensor): Tensor {
  return x instanceof Tensor ? broadcastTo(x, y) : full(x, y.aval);
}

const zero = (x: Tensor) => full(0, x.aval);
const one = (x: Tensor) => full(1, x.aval);

interface Accepted {
  /** The scale of the proposals, `a − 1/3`, with a + 1 for a where a < 1. */
  readonly d: Tensor;
  /** The accepted cube: `d v` is a gamma number. */
  readonly v: Tensor;
  /** A key that is not used yet. */
  readonly rest: Key;
}

/** Runs the rejection for every element with a key of its own. */
function eachElement(
  from: Key,
  a: Parameter,
  dims: readonly number[],
  options: DrawOptions,
  finish: (a: Tensor, accepted: Accepted) => Tensor,
): Tensor {
  const count = sizeOf(dims);
  const keys = keysOf(from, dims, options);
  const form = full(1, aval("float32", dims, namesOf(dims, options.axes)));
  const shapes = reshape(stopGradient(like(a, form)), [count], [null]);
  const drawn = vmap((key: Key, shape: Tensor) => finish(shape, accept(key, shape)))(
    reshape(keys, [count, 2]),
    shapes,
  );
  return reshape(drawn, dims, form.names);
}

/** Proposes cubes `v = (1 + c x)³` of normal x until one is accepted. */
function accept(key: Key, a: Tensor): Accepted {
  const [loopKey, rest] = split(key, 2) as [Key, Key];
  const constant = (value: number) => full(value, a.aval);
  const raised = select(greaterEqual(a, one(a)), a, add(a, one(a)));
  const d = sub(raised, constant(1 / 3));
  const c = div(constant(1 / 3), sqrt(d));

  const rejected = ({ x2, v, u }: Proposal) => {
    const outside = greaterEqual(u, sub(one(a), mul(constant(0.0331), mul(x2, x2))));
    const limit = add(scale(x2, 0.5), mul(d, add(sub(one(a), v), log(v))));
    return and(outside, greaterEqual(log(u), limit));
  };
  const propose = ({ key: current }: Proposal): Proposal => {
    const [next, keyX, keyU] = split(current, 3) as [Key, Key, Key];
    const { x, v } = whileLoop(
      (state: Positive) => not(less(zero(a), state.v)),
      (state: Positive): Positive => {
        const [following, own] = split(state.key, 2) as [Key, Key];
        const drawn = normal(own, []);
        return { key: following, x: drawn, v: add(one(a), mul(drawn, c)) };
      },
      { key: keyX, x: zero(a), v: constant(-1) },
    );
    return { key: next, x2: mul(x, x), v: mul(mul(v, v), v), u: uniform(keyU, []) };
  };
  // The first proposal is one that is rejected.
  const first: Proposal = { key: loopKey, x2: zero(a), v: one(a), u: constant(2) };
  return { d, v: whileLoop(rejected, propose, first).v, rest };
}

interface Positive {
  readonly key: Key;
  readonly x: Tensor;
  readonly v: Tensor;
}

interface Proposal {
  readonly key: Key;
  /** The square of the normal number. */
  readonly x2: Tensor;
  readonly v: Tensor;
  readonly u: Tensor;
}
