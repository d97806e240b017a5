/** @file Activations with an engine form or a saved value of their own. */

import { apply } from "../core/builder.ts";
import { at, put, zeros } from "../core/ndarray.ts";
import { defineOp, notLinear, type One, type Op, type Two } from "../core/op.ts";
import { random, rejects, sample, values } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import { pointwise } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { fullLike } from "./creation.ts";
import { add, mul, scale, sub } from "./elementwise.ts";
import { broadcastDims, checkDType, FLOATS, type NoParams, noParams } from "./families.ts";

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
