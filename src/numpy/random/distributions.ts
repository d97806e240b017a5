/**
 * @file Continuous distributions, each a function of uniform numbers by its inverse distribution function.
 *
 * They are float32, and equal JAX's draws up to the rounding of logarithms and roots: a few units in the
 * last place, but for normal numbers beyond ±3, where JAX's erf⁻¹ loses digits: 6e-6 of the number.
 * Numbers 1 − u need no care: u lies on a grid on which the difference is exact.
 */

import { ShapeError } from "../../core/errors.ts";
import { at, ndarray } from "../../core/ndarray.ts";
import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add, div, mul, neg, scale, sub } from "../../ops/arithmetic.ts";
import { full } from "../../ops/creation.ts";
import { erfInv, erfOp } from "../../ops/error-function.ts";
import { exp, log, log1p, sqrt } from "../../ops/exponential.ts";
import { noParams } from "../../ops/families.ts";
import { reshape } from "../../ops/layout.ts";
import { greaterEqual, select } from "../../ops/logic.ts";
import { abs, maximum, minimum, sign } from "../../ops/magnitude.ts";
import { slice } from "../../ops/pieces.ts";
import { tan } from "../../ops/trigonometric.ts";
import { type DrawOptions, type Key, namesOf } from "./threefry.ts";
import { uniform } from "./uniform.ts";

/** The smallest normal float32 stands in for 0, whose logarithm is infinite. */
const TINY = 2 ** -126;

/** The largest float32 below 1. */
const LAST = 1 - 2 ** -24;

function positive(from: Key, dims: readonly number[], options: DrawOptions): Tensor {
  const u = uniform(from, dims, options);
  return maximum(u, full(TINY, u.aval));
}

function oneMinus(u: Tensor): Tensor {
  return sub(full(1, u.aval), u);
}

/** Standard normal, as `√2 · erf⁻¹(u)` with u uniform in (−1, 1). */
export function normal(from: Key, dims: readonly number[], options: DrawOptions = {}): Tensor {
  return scale(erfInv(uniform(from, dims, { ...options, low: -LAST, high: 1 })), Math.SQRT2);
}

/**
 * Standard normal numbers between `low` and `high`: `√2 · erf⁻¹(u)` with u uniform between their erf.
 *
 * Beyond ±5 erf has few float32 values left, and the tail has few different numbers; it ends at ±5.42 (where
 * JAX's now and then is the largest float).
 *
 * @throws ShapeError when no float32 lies between the bounds
 */
export function truncatedNormal(
  from: Key,
  dims: readonly number[],
  options: DrawOptions & { readonly low: number; readonly high: number },
): Tensor {
  const [low, high] = [Math.fround(options.low), Math.fround(options.high)];
  const [first, last] = [neighbour(low, 1), neighbour(high, -1)];
  if (!(first <= last)) {
    throw new ShapeError(
      "SHAPE-01",
      `truncatedNormal: there is no number between ${options.low} and ${options.high}`,
    );
  }
  const u = uniform(from, dims, { ...options, low: erfHalf(low), high: erfHalf(high) });
  const finite = minimum(maximum(u, full(-LAST, u.aval)), full(LAST, u.aval));
  const drawn = scale(erfInv(finite), Math.SQRT2);
  // Rounding may have led out of the open interval.
  return minimum(maximum(drawn, full(first, drawn.aval)), full(last, drawn.aval));
}

/** `erf(x / √2)` in float32. */
function erfHalf(x: number): number {
  const scaled = ndarray("float32", [], [x / Math.fround(Math.SQRT2)]);
  const [y] = erfOp.evaluate([scaled], noParams, [aval("float32", [])]);
  return at(y, 0);
}

/** The next float32 above x, or below. */
function neighbour(x: number, direction: 1 | -1): number {
  if (x === 0) return direction * 2 ** -149;
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, x);
  view.setInt32(0, view.getInt32(0) + (x > 0 ? direction : -direction)); // bits rise with the magnitude
  return view.getFloat32(0);
}

/** The exponential of `sigma` times a standard normal number. */
export function logNormal(
  from: Key,
  dims: readonly number[],
  options: DrawOptions & { readonly sigma?: number } = {},
): Tensor {
  return exp(scale(normal(from, dims, options), options.sigma ?? 1));
}

/** Exponential with rate 1: `−log(1 − u)`. */
export function exponential(from: Key, dims: readonly number[], options: DrawOptions = {}): Tensor {
  return neg(log(oneMinus(uniform(from, dims, options))));
}

/** Pareto with the tail exponent `b` and numbers from 1: `exp(E / b)` with E exponential. */
export function pareto(
  from: Key,
  dims: readonly number[],
  options: DrawOptions & { readonly b: number },
): Tensor {
  const drawn = exponential(from, dims, options);
  return exp(div(drawn, full(options.b, drawn.aval)));
}

/** Rayleigh: `scale · √(−2 log u)`; u = 0 gives an infinite number, once in 2²³ draws, as in JAX. */
export function rayleigh(
  from: Key,
  dims: readonly number[],
  options: DrawOptions & { readonly scale?: number } = {},
): Tensor {
  const u = uniform(from, dims, options);
  return scale(sqrt(scale(log(u), -2)), options.scale ?? 1);
}

export interface GumbelOptions extends DrawOptions {
  /** `high` draws twice the bits: numbers up to 32 instead of 16, so that rarer events are possible. */
  readonly mode?: "low" | "high";
}

/** Gumbel: `−log(−log u)`; adding it to logits and taking the largest samples from their softmax. */
export function gumbel(from: Key, dims: readonly number[], options: GumbelOptions = {}): Tensor {
  if (options.mode === "high") return fineGumbel(from, dims, options);
  return neg(log(neg(log(positive(from, dims, options)))));
}

/** `−log(−log(1 − u))`, with a second draw in the low bits of u below ½, where floats have room for them. */
function fineGumbel(from: Key, dims: readonly number[], { axes, piece }: DrawOptions): Tensor {
  const both = uniform(from, [2, ...dims], {
    ...(piece && { piece: { of: [2, ...piece.of], at: [0, ...piece.at] } }),
  });
  const names = namesOf(dims, axes);
  const part = (i: number) => {
    const start = [i, ...dims.map(() => 0)];
    return reshape(slice(both, start, [i + 1, ...dims]), dims, names);
  };
  const [high, low] = [part(0), part(1)];
  const constant = (value: number) => full(value, high.aval);
  const fine = add(add(high, scale(low, 2 ** -23)), constant(TINY));
  const u = select(greaterEqual(high, constant(0.5)), high, fine);
  return neg(log(neg(log1p(neg(u)))));
}

/** Cauchy: `tan(π (u − ½))`, with u above the rounding of 1. */
export function cauchy(from: Key, dims: readonly number[], options: DrawOptions = {}): Tensor {
  const u = uniform(from, dims, { ...options, low: 2 ** -23, high: 1 });
  return tan(scale(sub(u, full(0.5, u.aval)), Math.PI));
}

/** Laplace: `sign u · log(1 − |u|)` with u uniform in (−1, 1); density `½ e^(−|x|)`. */
export function laplace(from: Key, dims: readonly number[], options: DrawOptions = {}): Tensor {
  const u = uniform(from, dims, { ...options, low: -LAST, high: 1 });
  return mul(sign(u), log(oneMinus(abs(u))));
}

/** Logistic: `log u − log(1 − u)`. */
export function logistic(from: Key, dims: readonly number[], options: DrawOptions = {}): Tensor {
  const u = positive(from, dims, options);
  return sub(log(u), log(oneMinus(u)));
}
