/** @file The error function and its inverse. */

import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { between, random, sample, specials, values } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import { mul, neg, scale } from "./arithmetic.ts";
import { FLOATS } from "./dtypes.ts";
import { complement, errorFunction } from "./error-function.onnx.ts";
import { exp } from "./exponential.ts";
import { type Call1, call1, noParams, type UnaryOp, unary } from "./families.ts";
import { inSingle } from "./half.onnx.ts";

const curved = { none: "its tangent is a product" } as const;

/** `erf x = 2/√π ∫₀ˣ e^(−t²) dt`, in [−1, 1]. */
export const erfOp: UnaryOp = unary("erf", {
  dtypes: FLOATS,
  jvp: (dx, x) => scale(mul(dx, exp(neg(mul(x, x)))), 2 / Math.sqrt(Math.PI)),
  transpose: curved,
  evaluate: (x) => (Math.abs(x) < 3 ? series(x) : Math.sign(x) * (1 - tail(Math.abs(x)))),
  onnx: (g, x, y) => (y.dtype === "float64" ? errorFunction(g, x) : g.node("Erf", [x], y)),
  stablehlo: "chlo.erf",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("specials", [specials(3, 6, -30, 1e-9)], noParams, false),
  ],
});
export const erf: Call1 = call1(erfOp);

/** erf by `2/√π e^(−x²) Σ 2ⁿ x^(2n+1) / (1·3·5 … (2n+1))`, whose terms are all of one sign. */
function series(x: number): number {
  let [term, sum] = [x, 0];
  for (let n = 1; sum !== sum + term; n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 1);
  }
  // Where nothing was added, x is a zero, and keeps its sign.
  return sum === 0 ? x : (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** 1 − erf for x ≥ 1 by its continued fraction, `e^(−x²)/√π · 1/(x + ½/(x + 1/(x + 1½/(x + …))))`. */
function tail(x: number): number {
  let below = x;
  for (let n = 200; n > 0; n--) below = x + n / 2 / below;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / below;
}

/** Coefficients of Giles's single-precision approximation (GPU Computing Gems, 2012). */
const CENTRE = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503,
  -0.00417768164, 0.246640727, 1.50140941,
] as const;
const TAIL = [
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
  0.00943887047, 1.00167406, 2.83297682,
] as const;

/** Inverse of erf: ±∞ at ±1, NaN beyond. */
export const erfInvOp: UnaryOp = unary("erfInv", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => scale(mul(dx, exp(mul(y, y))), Math.sqrt(Math.PI) / 2),
  transpose: curved,
  evaluate: inverse,
  onnx: (g, input, output) =>
    inSingle(g, [input], output, ([x = input], form) => {
      const truth = { ...form, dtype: "bool" as const };
      const constant = (value: number) => g.constant(form.dtype, [], [value]);
      const node = (op: string, ...xs: OnnxValue[]) => g.node(op, xs, form);
      const one = constant(1);
      const w = node("Neg", node("Log", node("Mul", node("Sub", one, x), node("Add", one, x))));
      const horner = (coefficients: readonly number[], t: OnnxValue) =>
        coefficients
          .slice(1)
          .reduce(
            (sum, c) => node("Add", node("Mul", sum, t), constant(c)),
            constant(coefficients[0] ?? 0),
          );
      const near = horner(CENTRE, node("Sub", w, constant(2.5)));
      const far = horner(TAIL, node("Sub", node("Sqrt", node("Max", w, constant(5))), constant(3)));
      const inner = node(
        "Mul",
        x,
        node("Where", g.node("Less", [w, constant(5)], truth), near, far),
      );
      // w is infinite at ±1, where the polynomial is −∞.
      const end = g.node("Equal", [node("Abs", x), one], truth);
      const exact = form.dtype === "float64" ? improved(g, x, inner) : inner;
      return node("Where", end, node("Mul", x, constant(Infinity)), exact);
    }),
  stablehlo: "chlo.erf_inv",
  samples: () => [
    sample("numbers", [between(-0.95, 0.95, 2, 3)], noParams),
    sample("specials", [specials(1 - 2 ** -24, 2 ** -24 - 1)], noParams, false),
    sample("tails", [values(aval("float32", [2]), -0.9999, 0.99999)], noParams, false),
  ],
});
export const erfInv: Call1 = call1(erfInvOp);

/** Two steps of Newton's method: on erf near 0, on the logarithm of its complement farther out. */
function improved(g: OnnxEmitter, x: OnnxValue, start: OnnxValue): OnnxValue {
  const form = { dtype: x.dtype, dims: x.dims };
  const constant = (value: number) => g.constant(x.dtype, [], [value]);
  const node = (op: string, ...xs: OnnxValue[]) => g.node(op, xs, form);
  const size = node("Abs", x);
  const near = g.node("Less", [size, constant(0.5)], { dtype: "bool", dims: x.dims });
  const wanted = node("Log", node("Sub", constant(1), size));
  let y = node("Abs", start);
  for (let step = 0; step < 2; step++) {
    const rest = complement(g, y);
    const missing = node("Mul", node("Sub", node("Log", rest), wanted), rest);
    const off = node("Where", near, node("Sub", size, errorFunction(g, y)), missing);
    const flat = node("Mul", constant(Math.sqrt(Math.PI) / 2), node("Exp", node("Mul", y, y)));
    y = node("Add", y, node("Mul", off, flat));
  }
  return node("Mul", node("Sign", x), y);
}

/** Newton's method on log(1 − erf y), which is nearly a parabola, from Giles's approximation. */
function inverse(x: number): number {
  const size = Math.abs(x);
  if (!(size < 1)) return size === 1 ? x * Infinity : NaN;
  const w = -Math.log((1 - x) * (1 + x));
  const [list, t] = w < 5 ? [CENTRE, w - 2.5] : [TAIL, Math.sqrt(w) - 3];
  let y = size * list.reduce((sum: number, c) => sum * t + c, 0);
  for (let step = 0; step < 3; step++) {
    const rest = y < 2 ? 1 - series(y) : tail(y);
    const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-y * y);
    // Far out, the logarithm keeps the digits that 1 − erf loses; near 0, erf itself does.
    y +=
      size < 0.5
        ? (size - series(y)) / slope
        : ((Math.log(rest) - Math.log(1 - size)) * rest) / slope;
  }
  return size === 0 ? x : Math.sign(x) * y;
}
