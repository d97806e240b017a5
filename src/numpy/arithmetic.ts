/** @file Arithmetic with broadcasting. NaN, infinities and integers: see `docs/numerics.md`. */

import { type DType, isFloat } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import * as a from "../ops/arithmetic.ts";
import * as bits from "../ops/bits.ts";
import { fullLike } from "../ops/creation.ts";
import * as e from "../ops/exponential.ts";
import * as logic from "../ops/logic.ts";
import * as m from "../ops/magnitude.ts";
import { floor } from "../ops/rounding.ts";
import { atan2 as atan2Of } from "../ops/trigonometric.ts";
import { align, type TensorLike } from "./align.ts";

type Binary = (x: TensorLike, y: TensorLike) => Tensor;

function aligned(name: string, op: (x: Tensor, y: Tensor) => Tensor): Binary {
  return (x, y) => {
    const [a, b] = align(name, [x, y]) as [Tensor, Tensor];
    return op(a, b);
  };
}

export const add: Binary = aligned("add", a.add);
export const sub: Binary = aligned("sub", a.sub);
export const mul: Binary = aligned("mul", a.mul);
/** Quotient; integers are cut towards zero. */
export const div: Binary = aligned("div", a.div);
/** Quotient rounded towards −∞. */
export const floorDiv: Binary = aligned("floorDiv", (x, y) => {
  if (isFloat(x.dtype)) return floor(a.div(x, y));
  if (x.dtype === "uint32") return a.div(x, y);
  const rest = a.rem(x, y);
  const zero = fullLike(x, 0);
  const uneven = bits.and(
    logic.notEqual(rest, zero),
    bits.xor(logic.less(rest, zero), logic.less(y, zero)),
  );
  const quotient = a.div(x, y);
  // By 0 the quotient is −1 already.
  const cut = bits.and(uneven, logic.notEqual(y, zero));
  return logic.select(cut, a.sub(quotient, fullLike(x, 1)), quotient);
});
/** Remainder with the sign of x, as `%` in JavaScript and C. */
export const rem: Binary = aligned("rem", a.rem);
/** Remainder with the sign of y, as `%` in Python. */
export const mod: Binary = aligned("mod", a.mod);
/** The larger; NaN wins. */
export const maximum: Binary = aligned("maximum", m.maximum);
/** The smaller; NaN wins. */
export const minimum: Binary = aligned("minimum", m.minimum);
/** The angle of the point (x, y) in [−π, π], in radians: `atan2(y, x)`. */
export const atan2: Binary = aligned("atan2", atan2Of);
/** `log(eˣ + eʸ)` without overflow. */
export const logAddExp: Binary = aligned("logAddExp", e.logAddExp);
export const equal: Binary = aligned("equal", logic.equal);
export const less: Binary = aligned("less", logic.less);
export const greaterEqual: Binary = aligned("greaterEqual", logic.greaterEqual);
export const greater: Binary = aligned("greater", logic.greater);
export const lessEqual: Binary = aligned("lessEqual", logic.lessEqual);
export const notEqual: Binary = aligned("notEqual", logic.notEqual);
export const and: Binary = aligned("and", bits.and);
export const or: Binary = aligned("or", bits.or);
export const xor: Binary = aligned("xor", bits.xor);
/** Bits moved towards the high end, of int32 and uint32; by 32 places or more, nothing is left. */
export const shiftLeft: Binary = aligned("shiftLeft", (x, y) =>
  inWords(x, y, bits.wholeShift(bits.shiftLeft)),
);
/** Bits moved towards the low end: of int32 the sign is repeated, of uint32 zeros come in. */
export const shiftRight: Binary = aligned("shiftRight", (x, y) =>
  x.dtype === "int32" ? bits.shiftRightArithmetic(x, y) : bits.wholeShift(bits.shiftRight)(x, y),
);

function inWords(x: Tensor, y: Tensor, shift: (x: Tensor, y: Tensor) => Tensor): Tensor {
  if (x.dtype !== "int32") return shift(x, y);
  return logic.convert(shift(logic.convert(x, "uint32"), logic.convert(y, "uint32")), "int32");
}

export { neg } from "../ops/arithmetic.ts";
export { countLeadingZeros, not, popcount } from "../ops/bits.ts";
export { erf, erfInv } from "../ops/error-function.ts";
export { cbrt, exp, expm1, log, log1p, logistic, rsqrt, sqrt } from "../ops/exponential.ts";
export { acosh, asinh, atanh, cosh, sinh, tanh } from "../ops/hyperbolic.ts";
export { isFiniteElement, isInfElement, isNaNElement } from "../ops/logic.ts";
export { abs, sign } from "../ops/magnitude.ts";
export { ceil, floor, round, trunc } from "../ops/rounding.ts";
export { acos, asin, atan, cos, sin, tan } from "../ops/trigonometric.ts";

/** `test ? x : y` with broadcasting of all three. */
export function where(test: Tensor, x: TensorLike, y: TensorLike): Tensor {
  const [t, a, b] = align("where", [test, x, y]) as [Tensor, Tensor, Tensor];
  if (typeof x !== "number" || typeof y !== "number") return logic.select(t, a, b);
  return logic.select(
    t,
    fullLike({ ...t.aval, dtype: "float32" }, x),
    fullLike({ ...t.aval, dtype: "float32" }, y),
  );
}

/** x held between two bounds, either of which may be absent; `high` wins where they cross, NaN wins over both. */
export function clip(
  x: Tensor,
  { low, high }: { readonly low?: TensorLike; readonly high?: TensorLike },
): Tensor {
  const raised = low === undefined ? x : maximum(x, low);
  return high === undefined ? raised : minimum(raised, high);
}

/** The elements under another dtype. */
export function astype(x: Tensor, dtype: DType): Tensor {
  return logic.convert(x, dtype);
}

/** x² */
export function square(x: Tensor): Tensor {
  return a.mul(x, x);
}

/** 1 / x, of floats. */
export function reciprocal(x: Tensor): Tensor {
  return a.div(fullLike(x, 1), x);
}

/** Whole exponents up to this size are products; the rest is what the engine has. */
const LARGEST_PRODUCT = 64;

/**
 * `x^p`, with broadcasting.
 *
 * A whole number p with |p| ≤ 64 gives products, for integers too (p ≥ 0, they wrap around); else x and p are
 * floats, and a negative x has whole powers only.
 */
export function power(x: Tensor, p: TensorLike): Tensor {
  if (typeof p === "number" && Number.isInteger(p) && Math.abs(p) <= LARGEST_PRODUCT) {
    if (p >= 0) return e.integerPow(x, p);
    if (isFloat(x.dtype)) return reciprocal(e.integerPow(x, -p));
  }
  return aligned("power", e.pow)(x, p);
}
