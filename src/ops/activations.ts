/** @file Activations with an engine form, or with a saved value that their derivative needs. */

import { apply } from "../core/builder.ts";
import { type DType, dtypeFacts } from "../core/dtype.ts";
import type { HloValue, OnnxValue } from "../core/lowering.ts";
import { at, mapElements, put, zeros } from "../core/ndarray.ts";
import { defineOp, notLinear, type One, type Op, type Two } from "../core/op.ts";
import { between, random, rejects, sample, values } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import { pointwise } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, scale, sub } from "./arithmetic.ts";
import { fullLike } from "./creation.ts";
import { checkDType, FLOATS } from "./dtypes.ts";
import { errorFunction } from "./error-function.onnx.ts";
import { exp, logistic } from "./exponential.ts";
import {
  broadcastDims,
  type NoParams,
  noParams,
  simplifyElementwise,
  type UnaryOp,
} from "./families.ts";
import { inSingle } from "./half.stablehlo.ts";

/** √(8/π), and that times the cubic coefficient: `2u = LINEAR·x + CUBIC·x³`. */
const LINEAR = 2 * Math.sqrt(2 / Math.PI);
const CUBIC = LINEAR * 0.044715;

/**
 * GELU in the tanh approximation, written as `y = x · σ(2u)`, `u = √(2/π) (x + 0.044715 x³)`.
 *
 * The second result is the gate σ(2u), which the derivative needs: `y' = σ + x σ (1 − σ) · 2u'`.
 */
export const geluOp: Op<NoParams, One, Two> = defineOp<NoParams, One, Two>({
  name: "gelu",
  infer([x]) {
    checkDType("gelu", x, FLOATS);
    return [x, x];
  },
  jvp: {
    kind: "rule",
    apply: ([dx], [x], [y, gate]) => {
      if (dx === null) return [null, null];
      const slope = add(scale(mul(x, x), 3 * CUBIC), fullLike(x, LINEAR)); // 2u'
      const other = sub(fullLike(gate, 1), gate);
      const rise = mul(slope, other);
      return [mul(dx, add(gate, mul(y, rise))), mul(dx, mul(gate, rise))];
    },
  },
  transpose: notLinear("its tangent is a product"),
  batch: ([x]) => apply(geluOp, [x], noParams),
  shard: ([x]) => pointwise(x.dims.length, 1, noParams, 2),
  evaluate: ([x], _params, [y, g]) => {
    const out = zeros(y);
    const gates = zeros(g);
    for (let i = 0; i < x.data.length; i++) {
      const value = at(x, i);
      const gate = 1 / (1 + Math.exp(-(LINEAR * value + CUBIC * value ** 3)));
      put(out, i, value * gate);
      put(gates, i, gate);
    }
    return [out, gates];
  },
  simplify: () => null,
  lower: {
    onnx: (g, [x], _params, { outputs: [y] }) => {
      const form = { dtype: y.dtype, dims: broadcastDims(x.dims) };
      const square = g.node("Mul", [x, x], form);
      const inner = g.node(
        "Add",
        [
          g.node("Mul", [square, g.constant(y.dtype, [], [CUBIC])], form),
          g.constant(y.dtype, [], [LINEAR]),
        ],
        form,
      );
      const gate = g.node("Sigmoid", [g.node("Mul", [x, inner], form)], form);
      return [g.node("Mul", [x, gate], form), gate];
    },
    stablehlo: (h, [x], _params, [y]) => {
      const times = (a: typeof x, b: typeof x) => h.elementwise("stablehlo.multiply", [a, b], y);
      const inner = h.elementwise(
        "stablehlo.add",
        [times(times(x, x), h.splat(CUBIC, y)), h.splat(LINEAR, y)],
        y,
      );
      const gate = h.elementwise("stablehlo.logistic", [times(x, inner)], y);
      return [times(x, gate), gate];
    },
  },
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("saturated", [values(aval("float32", [4]), -30, -8, 8, 30)], noParams, false),
  ],
  rejects: () => [
    rejects(
      "integers",
      [aval("int32", [2])],
      noParams,
      "gelu: takes float32, float64, float16, bfloat16, not int32[2]",
    ),
  ],
});

export function gelu(x: Tensor): Tensor {
  return apply(geluOp, [x], noParams)[0];
}

const ROOT_HALF = Math.SQRT1_2;
/** 1/√(2π): the normal density at 0. */
const DENSITY = 1 / Math.sqrt(2 * Math.PI);

/**
 * The normal distribution `Φ(x) = ½ (1 + erf(x/√2))` to double precision: a series near 0, a continued
 * fraction in the tails.
 *
 * @see Abramowitz and Stegun, 26.2.11 and 26.2.14
 */
export function normalDistribution(x: number): number {
  const t = Math.abs(x);
  const density = DENSITY * Math.exp((-t * t) / 2);
  if (t < 4) {
    let term = t;
    let series = t;
    for (let n = 3; term > series * 1e-17; n += 2) {
      term *= (t * t) / n;
      series += term;
    }
    return x < 0 ? 0.5 - density * series : 0.5 + density * series;
  }
  let fraction = t;
  for (let n = 60; n > 0; n--) fraction = t + n / fraction;
  const tail = density / fraction;
  return x < 0 ? tail : 1 - tail;
}

/**
 * GELU as it is defined, `y = x · Φ(x)` with the normal distribution Φ.
 *
 * The second result is Φ(x), which the derivative needs: `y' = Φ + x φ(x)`, `φ(x) = exp(−x²/2) / √(2π)`.
 * At −∞ it is NaN, as `−∞ · 0` is.
 *
 * @see Hendrycks and Gimpel, arXiv:1606.08415
 */
export const geluErfOp: Op<NoParams, One, Two> = defineOp<NoParams, One, Two>({
  name: "geluErf",
  infer([x]) {
    checkDType("geluErf", x, FLOATS);
    return [x, x];
  },
  jvp: {
    kind: "rule",
    apply: ([dx], [x], [, distribution]) => {
      if (dx === null) return [null, null];
      const density = scale(exp(mul(scale(x, -0.5), x)), DENSITY);
      return [mul(dx, add(distribution, mul(x, density))), mul(dx, density)];
    },
  },
  transpose: notLinear("its tangent is a product"),
  batch: ([x]) => apply(geluErfOp, [x], noParams),
  shard: ([x]) => pointwise(x.dims.length, 1, noParams, 2),
  evaluate: ([x], _params, [y, d]) => {
    const [out, distribution] = [zeros(y), zeros(d)];
    for (let i = 0; i < x.data.length; i++) {
      const share = normalDistribution(at(x, i));
      put(out, i, at(x, i) * share);
      put(distribution, i, share);
    }
    return [out, distribution];
  },
  simplify: () => null,
  lower: {
    // At least in float32: of 1 + erf(x/√2) a 16-bit float would keep next to nothing for negative x.
    onnx: (g, [x], _params, { outputs: [y] }) => {
      const dims = broadcastDims(x.dims);
      const form = aval(y.dtype === "float64" ? "float64" : "float32", dims);
      const cast = (v: OnnxValue, dtype: DType) =>
        v.dtype === dtype
          ? v
          : g.node("Cast", [v], { dtype, dims }, { to: { int: dtypeFacts(dtype).onnx } });
      const number = (value: number) => g.constant(form.dtype, [], [value]);
      const wide = cast(x, form.dtype);
      const inner = g.node("Mul", [wide, number(ROOT_HALF)], form);
      const erf = form.dtype === "float64" ? errorFunction(g, inner) : g.node("Erf", [inner], form);
      const half = g.node("Mul", [erf, number(0.5)], form);
      const distribution = g.node("Add", [half, number(0.5)], form);
      const product = g.node("Mul", [wide, distribution], form);
      return [cast(product, y.dtype), cast(distribution, y.dtype)];
    },
    stablehlo: (h, inputs, _params, outputs) =>
      inSingle<One, Two>(h, inputs, outputs, ([x], [y]) => {
        const times = (a: HloValue, c: number) =>
          h.elementwise("stablehlo.multiply", [a, h.splat(c, y)], y);
        // Erf is an op of CHLO, the dialect above StableHLO that its readers expand by themselves.
        const inner = times(x, ROOT_HALF);
        const erf = h.line(`chlo.erf ${inner.name} : ${h.type(inner)} -> ${h.type(y)}`, y);
        const distribution = h.elementwise("stablehlo.add", [times(erf, 0.5), h.splat(0.5, y)], y);
        return [h.elementwise("stablehlo.multiply", [x, distribution], y), distribution];
      }),
  },
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("wide", [between(-6, 6, 12)], noParams),
    sample("saturated", [values(aval("float32", [5]), -30, -8, 0, 8, 30)], noParams, false),
    sample("not finite", [values(aval("float32", [3]), -Infinity, Infinity, NaN)], noParams, false),
    sample("nothing", [random(0)], noParams),
  ],
  rejects: () => [
    rejects(
      "integers",
      [aval("int32", [2])],
      noParams,
      "geluErf: takes float32, float64, float16, bfloat16, not int32[2]",
    ),
  ],
});

export function geluErf(x: Tensor): Tensor {
  return apply(geluErfOp, [x], noParams)[0];
}

/** `log (1 + exp x)`, without overflow and with all digits of small results. Its derivative is σ. */
export const softplusOp: UnaryOp = defineOp<NoParams, One, One>({
  name: "softplus",
  infer([x]) {
    checkDType("softplus", x, FLOATS);
    return [x];
  },
  jvp: { kind: "rule", apply: ([dx], [x]) => [dx === null ? null : mul(dx, logistic(x))] },
  transpose: notLinear("its tangent is a product"),
  batch: ([x]) => [softplus(x)],
  shard: ([x]) => pointwise(x.dims.length, 1, noParams),
  evaluate: ([x], _params, [y]) => [
    mapElements(x, y.dtype, (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))),
  ],
  simplify: (inputs, params, outputs) => simplifyElementwise(softplusOp, inputs, params, outputs),
  lower: {
    onnx: (g, [x]) => [g.node("Softplus", [x], { dtype: x.dtype, dims: x.dims })],
    // max(x, 0) + log1p exp −|x|
    stablehlo: (h, [x], _params, [y]) => {
      const one = (op: string, v: HloValue) => h.elementwise(`stablehlo.${op}`, [v], y);
      const small = one("exponential", one("negate", one("abs", x)));
      const bend = h.elementwise("stablehlo.maximum", [x, h.splat(0, y)], y);
      return [h.elementwise("stablehlo.add", [bend, one("log_plus_one", small)], y)];
    },
  },
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("the bend", [values(aval("float32", [1]), 0)], noParams),
    sample("far out", [values(aval("float32", [4]), -80, -20, 20, 1e30)], noParams, false),
    sample("not finite", [values(aval("float32", [3]), -Infinity, Infinity, NaN)], noParams, false),
    sample("nothing", [random(0)], noParams),
  ],
  rejects: () => [
    rejects(
      "integers",
      [aval("int32", [2])],
      noParams,
      "softplus: takes float32, float64, float16, bfloat16, not int32[2]",
    ),
  ],
});

export function softplus(x: Tensor): Tensor {
  return apply(softplusOp, [x], noParams)[0];
}
