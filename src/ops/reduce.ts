/** @file Sums and products along axes. Integers wrap around; nothing sums to 0 and multiplies to 1. */

import { apply } from "../core/builder.ts";
import { isFloat } from "../core/dtype.ts";
import { ShapeError } from "../core/errors.ts";
import { build, get, type NdArray } from "../core/ndarray.ts";
import { defineOp, linear, type Made, notLinear, type One, type Op } from "../core/op.ts";
import { integers, random, rejects, sample, specials, values, words } from "../core/samples.ts";
import { type Aval, aval, dimOf, showAval } from "../core/shape.ts";
import { type Factor, factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul, neg, negOp, wrapping } from "./arithmetic.ts";
import { broadcast, constantOf, fullLike } from "./creation.ts";
import { cumprod } from "./cumulative.ts";
import { checkDType, NUMBERS } from "./dtypes.ts";
import { reshape, transpose } from "./layout.ts";
import { halving, inLong } from "./reduce.onnx.ts";

export interface ReduceParams {
  /** Axes reduced away, rising. */
  readonly axes: readonly number[];
}

export function inferReduce(name: string, x: Aval, { axes }: ReduceParams): [Aval] {
  checkDType(name, x, NUMBERS);
  const rising = axes.every((axis, i) => axis in x.dims && axis > (axes[i - 1] ?? -1));
  if (!rising)
    throw new ShapeError(
      "SHAPE-01",
      `${name}: axes ${axes.join(", ")} are not rising axes of ${showAval(x)}`,
    );
  const keep = keptAxes(x, axes);
  return [
    aval(
      x.dtype,
      keep.map((i) => dimOf(x, i)),
      keep.map((i) => x.names[i] ?? null),
    ),
  ];
}

export function keptAxes(
  x: { readonly dims: readonly number[] },
  axes: readonly number[],
): number[] {
  return x.dims.map((_, i) => i).filter((i) => !axes.includes(i));
}

export function evaluateReduce(
  x: NdArray,
  axes: readonly number[],
  y: Aval,
  start: number,
  f: (a: number, b: number) => number,
): NdArray {
  const keep = keptAxes(x, axes);
  const inner = axes.map((axis) => dimOf(x, axis));
  return build(y, (outer) => {
    let total = start;
    build({ dtype: "bool", dims: inner }, (index) => {
      const full = x.dims.map((_, i) =>
        axes.includes(i) ? (index[axes.indexOf(i)] ?? 0) : (outer[keep.indexOf(i)] ?? 0),
      );
      total = f(total, get(x, full));
      return 0;
    });
    return total;
  });
}

/** A reduced value put back along the axes that were reduced away. */
export function restore(y: Tensor, like: Aval, axes: readonly number[]): Tensor {
  return broadcast(y, { dims: like.dims, axes: keptAxes(like, axes), names: like.names });
}

/** Factors of the operand, of the result, and those that are reduced away. */
export function reduceShard(
  x: Aval,
  y: Aval,
  p: ReduceParams,
): {
  readonly factors: readonly Factor[];
  readonly kept: readonly (Factor | null)[];
  readonly gone: readonly Factor[];
} {
  const factors = factorNames(x.dims.length);
  const gone = p.axes.map((axis) => factors[axis] ?? "");
  return {
    factors,
    kept: keptAxes(x, p.axes)
      .map((i) => factors[i] ?? null)
      .slice(0, y.dims.length),
    gone,
  };
}

/** Sum along axes. On ONNX, integers are exact while the unwrapped sum is below 2⁵³: kernels add them as doubles. */
export const sumOp: Op<ReduceParams, One, One> = defineOp<ReduceParams, One, One>({
  name: "sum",
  infer: ([x], p) => inferReduce("sum", x, p),
  jvp: linear,
  transpose: {
    kind: "rule",
    apply: ([ct], [x], { axes }) => [ct === null ? null : restore(ct, x.aval, axes)],
  },
  batch: ([x], _mapped, { axes }) => [
    sum(
      x,
      axes.map((axis) => axis + 1),
    ),
  ],
  shard: ([x], [y], p) => {
    const { factors, kept, gone } = reduceShard(x, y, p);
    return rule(p, [factors], [kept], { sum: gone });
  },
  evaluate: ([x], { axes }, [y]) => [evaluateReduce(x, axes, y, 0, (a, b) => a + b)],
  simplify: ([x], { axes }, [y]) => simplifySum(x, axes, y),
  lower: {
    onnx: (g, [x], { axes }, { inputs: [from], outputs: [y] }) => [
      inLong(g, g.exact(x, from.dims), y, (whole, form) =>
        g.node("ReduceSum", [whole, g.constant("int64", [axes.length], axes)], form, {
          keepdims: { int: 0 },
        }),
      ),
    ],
    stablehlo: (h, [x], { axes }) => [h.reduce("stablehlo.add", x, 0, axes)],
  },
  samples: () => [
    sample("rows", [random(3, 4)], { axes: [1] }),
    sample("columns", [random(3, 4)], { axes: [0] }),
    sample("all", [random(2, 3, 2)], { axes: [0, 1, 2] }),
    sample("outer and inner", [random(2, 3, 4)], { axes: [0, 2] }),
    sample("an empty axis", [random(2, 0)], { axes: [1] }),
    sample("integers", [integers(-9, 9, 5)], { axes: [0] }),
    sample("wrapping integers", [integers(2 ** 30, 2 ** 31, 7)], { axes: [0] }, false),
    sample("wrapping words", [words(2, 5)], { axes: [1] }, false),
    sample("one element", [random(1, 1)], { axes: [0, 1] }),
    sample("specials", [specials()], { axes: [0] }, false),
  ],
  rejects: () => [
    rejects(
      "an axis past the end",
      [aval("float32", [3])],
      { axes: [1] },
      "sum: axes 1 are not rising axes of float32[3]",
    ),
    rejects(
      "truth values",
      [aval("bool", [3])],
      { axes: [0] },
      "sum: takes float32, float64, float16, bfloat16, int32, int64, uint32, not bool[3]",
    ),
  ],
});

/** A sum over nothing is the operand; over a constant, a product; a sign is taken after the sum, where less is left. */
function simplifySum(x: Made, axes: readonly number[], y: Aval): readonly Tensor[] | null {
  if (axes.length === 0) return [x.tensor];
  const count = axes.reduce((n, axis) => n * dimOf(x.tensor.aval, axis), 1);
  const constant = constantOf(x);
  if (constant !== null) return [fullLike(y, constant * count)];
  const [negated] = x.op === (negOp as unknown as Op) ? x.inputs : [];
  return negated === undefined ? null : [neg(sum(negated, axes))];
}

export function sum(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply(sumOp, [x], { axes })[0];
}

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
    return rule(p, [factors.map((f) => (gone.includes(f) ? null : f))], [kept]);
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
