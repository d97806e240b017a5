/** @file Products along axes. Integers wrap around; nothing multiplies to 1. */

import { apply } from "../core/builder.ts";
import { isFloat } from "../core/dtype.ts";
import { defineOp, notLinear, type One, type Op } from "../core/op.ts";
import { integers, random, rejects, sample, specials, values, words } from "../core/samples.ts";
import { aval, dimOf } from "../core/shape.ts";
import { rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul, wrapping } from "./arithmetic.ts";
import { cumprod } from "./cumulative.ts";
import { reshape, transpose } from "./layout.ts";
import { halving } from "./reduce.onnx.ts";
import {
  evaluateReduce,
  inferReduce,
  keptAxes,
  type ReduceParams,
  reduceShard,
  sum,
} from "./sum.ts";

/**
 * Product along axes. Its derivative divides by nothing, so it is right at zeros: each element's share is
 * the product of those before it times the product of those after it.
 */
export const prodOp: Op<ReduceParams, One, One> = defineOp<ReduceParams, One, One>({
  name: "reduceProd",
  infer: ([x], p) => inferReduce("reduceProd", x, p),
  jvp: {
    kind: "rule",
    apply: ([dx], [x], _y, { axes }) => {
      if (dx === null) return [null];
      const kept = keptAxes(x, axes);
      const [values, tangents] = [x, dx].map((z) => asLastAxis(z, kept, axes)) as [Tensor, Tensor];
      const last = kept.length;
      const before = cumprod(values, last, { exclusive: true });
      const after = cumprod(values, last, { exclusive: true, reverse: true });
      return [sum(mul(tangents, mul(before, after)), [last])];
    },
  },
  transpose: notLinear("its tangent is a sum of products"),
  batch: ([x], _mapped, { axes }) => [
    prod(
      x,
      axes.map((axis) => axis + 1),
    ),
  ],
  shard: ([x], [y], p) => {
    const { factors, kept, gone } = reduceShard(x, y, p);
    return rule(p, [factors], [kept], { moves: gone });
  },
  evaluate: ([x], { axes }, [y]) => {
    const times = wrapping((a, b) => a * b, Math.imul);
    return [evaluateReduce(x, axes, y, 1, (a, b) => times(a, b, y.dtype))];
  },
  simplify: ([x], { axes }) => (axes.length === 0 ? [x.tensor] : null),
  lower: {
    onnx: (g, [x], { axes }, { inputs: [from], outputs: [y] }) => {
      const whole = g.exact(x, from.dims);
      return isFloat(y.dtype)
        ? [
            g.node("ReduceProd", [whole, g.constant("int64", [axes.length], axes)], y, {
              keepdims: { int: 0 },
            }),
          ]
        : [
            // ReduceProd stops integers at the greatest; Mul wraps them.
            halving(g, whole, axes, y, 1, (a, b, form) => g.node("Mul", [a, b], form)),
          ];
    },
    stablehlo: (h, [x], { axes }) => [h.reduce("stablehlo.multiply", x, 1, axes)],
  },
  samples: () => [
    sample("rows", [random(3, 4)], { axes: [1] }),
    sample("outer and inner", [random(2, 3, 4)], { axes: [0, 2] }),
    sample("all", [random(2, 3)], { axes: [0, 1] }),
    sample("zeros", [values(aval("float32", [3, 3]), 2, 0, 3, 0, 0, 5, 1, 2, 3)], { axes: [1] }),
    sample("one element", [random(1, 1)], { axes: [0, 1] }),
    sample("an empty axis", [random(2, 0)], { axes: [1] }),
    sample("specials", [specials()], { axes: [0] }, false),
    sample("integers", [integers(-9, 9, 5, 3)], { axes: [0] }, false),
    sample("no integers", [integers(0, 1, 0, 3)], { axes: [0] }, false),
    sample("wrapping integers", [integers(2 ** 20, 2 ** 30, 2, 7)], { axes: [1] }, false),
    sample("wrapping words", [words(5, 2)], { axes: [0, 1] }, false),
  ],
  rejects: () => [
    rejects(
      "truth values",
      [aval("bool", [3])],
      { axes: [0] },
      "reduceProd: takes float32, float64, float16, bfloat16, int32, int64, uint32, not bool[3]",
    ),
  ],
});

/** The reduced axes as one last axis. */
function asLastAxis(x: Tensor, kept: readonly number[], axes: readonly number[]): Tensor {
  const moved = transpose(x, [...kept, ...axes]);
  const dims = kept.map((axis) => dimOf(x.aval, axis));
  return reshape(moved, [...dims, axes.reduce((n, axis) => n * dimOf(x.aval, axis), 1)]);
}

export function prod(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply(prodOp, [x], { axes })[0];
}
