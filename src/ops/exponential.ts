/** @file Exponentials, logarithms, roots and powers. */

import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { notLinear } from "../core/op.ts";
import { between, pairs, random, sample, specials, values } from "../core/samples.ts";
import { type Aval, aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul, scale, sub } from "./arithmetic.ts";
import { fullLike } from "./creation.ts";
import { FLOATS } from "./dtypes.ts";
import {
  type BinaryOp,
  binary,
  type Call1,
  type Call2,
  call1,
  call2,
  noParams,
  type UnaryOp,
  unary,
} from "./families.ts";
import { inSingle } from "./half.onnx.ts";
import { equal, isFiniteElement, select } from "./logic.ts";
import { maximum, minimum } from "./magnitude.ts";

const curved = { none: "its tangent is a product" } as const;

export const expOp: UnaryOp = unary("exp", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => mul(dx, y),
  transpose: curved,
  evaluate: Math.exp,
  onnx: "Exp",
  stablehlo: "stablehlo.exponential",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("extremes", [specials(-200, 80, 200)], noParams, false),
  ],
});
export const exp: Call1 = call1(expOp);

export const logOp: UnaryOp = unary("log", {
  dtypes: FLOATS,
  jvp: (dx, x) => div(dx, x),
  transpose: curved,
  evaluate: Math.log,
  onnx: "Log",
  stablehlo: "stablehlo.log",
  samples: () => [
    sample("positive", [between(0.1, 4, 2, 3)], noParams),
    sample("specials", [specials()], noParams, false),
  ],
});
export const log: Call1 = call1(logOp);

/**
 * `eˣ − 1`, accurate near 0.
 *
 * ONNX has none. With u the rounded eˣ, (u − 1) · x / log u errs by a few ulps only, since (u − 1) / log u
 * changes slowly with u (Kahan; see Higham, Accuracy and Stability of Numerical Algorithms, §1.14.1).
 */
export const expm1Op: UnaryOp = unary("expm1", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => mul(dx, add(y, fullLike(y, 1))),
  transpose: curved,
  evaluate: Math.expm1,
  onnx: (g, x, y) =>
    inSingle(g, [x], y, ([v = x], form) => {
      const u = g.node("Exp", [v], form);
      const less = g.node("Sub", [u, g.constant(form.dtype, [], [1])], form);
      const near = g.node("Mul", [less, g.node("Div", [v, g.node("Log", [u], form)], form)], form);
      return nearZero(g, v, u, near, less, form);
    }),
  stablehlo: "stablehlo.exponential_minus_one",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("specials", [specials(-200, 80, 200, 1e-9)], noParams, false),
  ],
});
export const expm1: Call1 = call1(expm1Op);

/** `log(1 + x)`, accurate near 0: on ONNX as `log u · x / (u − 1)` with u the rounded 1 + x, as for `expm1`. */
export const log1pOp: UnaryOp = unary("log1p", {
  dtypes: FLOATS,
  jvp: (dx, x) => div(dx, add(x, fullLike(x, 1))),
  transpose: curved,
  evaluate: Math.log1p,
  onnx: (g, x, y) =>
    inSingle(g, [x], y, ([v = x], form) => {
      const one = g.constant(form.dtype, [], [1]);
      const u = g.node("Add", [v, one], form);
      const log = g.node("Log", [u], form);
      const near = g.node(
        "Mul",
        [log, g.node("Div", [v, g.node("Sub", [u, one], form)], form)],
        form,
      );
      return nearZero(g, v, u, near, log, form);
    }),
  stablehlo: "stablehlo.log_plus_one",
  samples: () => [
    sample("numbers", [between(-0.9, 4, 2, 3)], noParams),
    sample("specials", [specials(1e-9)], noParams, false),
  ],
});
export const log1p: Call1 = call1(log1pOp);

/** `near` where |x| < 1/2, but x itself where u rounded to 1; `far` elsewhere, for NaN and infinities too. */
function nearZero(
  g: OnnxEmitter,
  x: OnnxValue,
  u: OnnxValue,
  near: OnnxValue,
  far: OnnxValue,
  form: Aval,
): OnnxValue {
  const truth = { ...form, dtype: "bool" as const };
  const constant = (value: number) => g.constant(form.dtype, [], [value]);
  const close = g.node("Less", [g.node("Abs", [x], form), constant(0.5)], truth);
  const lost = g.node("Equal", [u, constant(1)], truth);
  return g.node("Where", [close, g.node("Where", [lost, x, near], form), far], form);
}

export const sqrtOp: UnaryOp = unary("sqrt", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => div(dx, scale(y, 2)),
  transpose: curved,
  evaluate: Math.sqrt,
  onnx: "Sqrt",
  stablehlo: "stablehlo.sqrt",
  samples: () => [
    sample("positive", [between(0.1, 4, 2, 3)], noParams),
    sample("specials", [specials()], noParams, false),
  ],
});
export const sqrt: Call1 = call1(sqrtOp);

export const rsqrtOp: UnaryOp = unary("rsqrt", {
  dtypes: FLOATS,
  jvp: (dx, x, y) => scale(mul(dx, div(y, x)), -0.5), // d x^(-1/2) = -1/2 · x^(-3/2) dx
  transpose: curved,
  evaluate: (x) => 1 / Math.sqrt(x),
  onnx: (g, x, y) => g.node("Reciprocal", [g.node("Sqrt", [x], y)], y),
  stablehlo: "stablehlo.rsqrt",
  samples: () => [
    sample("positive", [between(0.1, 4, 2, 3)], noParams),
    sample("specials", [specials()], noParams, false),
  ],
});
export const rsqrt: Call1 = call1(rsqrtOp);

/** Cube root, of negative numbers too; its slope at 0 is infinite. */
export const cbrtOp: UnaryOp = unary("cbrt", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => div(dx, scale(mul(y, y), 3)),
  transpose: curved,
  evaluate: Math.cbrt,
  onnx: (g, x, y) =>
    inSingle(g, [x], y, ([v = x], form) => {
      const size = g.node("Abs", [v], form);
      const root = g.node("Pow", [size, g.constant(form.dtype, [], [1 / 3])], form);
      const negative = g.node("Less", [v, g.constant(form.dtype, [], [0])], {
        ...form,
        dtype: "bool",
      });
      return g.node("Where", [negative, g.node("Neg", [root], form), root], form);
    }),
  stablehlo: "stablehlo.cbrt",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("specials", [specials(1e30, -1e-30)], noParams, false),
  ],
});
export const cbrt: Call1 = call1(cbrtOp);

export const logisticOp: UnaryOp = unary("logistic", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => mul(dx, mul(y, sub(fullLike(y, 1), y))), // d σ = σ (1 − σ) dx
  transpose: curved,
  evaluate: (x) => 1 / (1 + Math.exp(-x)),
  onnx: "Sigmoid",
  stablehlo: "stablehlo.logistic",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("saturated", [specials(-90, 90)], noParams, false),
  ],
});
export const logistic: Call1 = call1(logisticOp);

/**
 * `x^y`. A negative x has powers with whole exponents only, else NaN; x⁰ and 1^y are 1, even for NaN.
 *
 * At x = 0 the derivative with respect to y is taken as 0.
 */
export const powOp: BinaryOp = binary("pow", {
  dtypes: FLOATS,
  jvp: (dx, dy, x, y, z) => {
    const [zero, one] = [fullLike(x, 0), fullLike(x, 1)];
    const exponent = select(equal(y, zero), one, sub(y, one));
    const left = dx === null ? null : mul(dx, mul(y, pow(x, exponent)));
    const right = dy === null ? null : mul(dy, mul(z, log(select(equal(x, zero), one, x))));
    return left === null ? right : right === null ? left : add(left, right);
  },
  transpose: notLinear("its tangent is a product"),
  // Math.pow has NaN for 1 to the NaN and for ±1 to the ±∞; the engines follow IEEE 754.
  evaluate: (x, y) => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y),
  onnx: "Pow",
  stablehlo: "stablehlo.power",
  samples: () => [
    sample("numbers", [between(0.1, 3, 2, 3), between(-2, 3, 2, 3)], noParams),
    sample("exponent 0", [between(0.1, 3, 3), values(aval("float32", [3]), 0, 1, 2)], noParams),
    sample("specials", pairs(NaN, Infinity, -Infinity, -0, 0, 1, -1, -2, 0.5, 3), noParams, false),
  ],
});
export const pow: Call2 = call2(powOp);

/** `xⁿ` for a whole number n ≥ 0 by repeated squaring, for integers too: they wrap around. */
export function integerPow(x: Tensor, n: number): Tensor {
  let power = fullLike(x, 1);
  let square = x;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power = mul(power, square);
    if (rest > 1) square = mul(square, square);
  }
  return power;
}

/** `log(eˣ + eʸ)` without overflow: `max + log1p(e^(min − max))`. An infinite maximum is the result. */
export function logAddExp(x: Tensor, y: Tensor): Tensor {
  // In a tie the maximum passes its gradient to x, and the minimum, with operands exchanged, to y: half each.
  const high = maximum(x, y);
  const low = minimum(y, x);
  const finite = isFiniteElement(high);
  const zero = fullLike(x, 0);
  const safe = (z: Tensor) => select(finite, z, zero); // no NaN of ∞ − ∞ in values or gradients
  return select(finite, add(safe(high), log1p(exp(sub(safe(low), safe(high))))), high);
}
