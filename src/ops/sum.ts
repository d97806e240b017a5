/** @file Sums along axes, the transposes of broadcasts; and what all reductions share. */

import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import { build, get, type NdArray } from "../core/ndarray.ts";
import { defineOp, linear, type Made, type One, type Op } from "../core/op.ts";
import { integers, random, rejects, sample, specials, words } from "../core/samples.ts";
import { type Aval, aval, dimOf, showAval } from "../core/shape.ts";
import { type Factor, factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { broadcast, constantOf, fullLike } from "./creation.ts";
import { checkDType, NUMBERS } from "./dtypes.ts";
import { inLong } from "./reduce.onnx.ts";

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
  // By name: the record of neg is made by a family, whose broadcasts have this op for their transpose.
  const { op } = x;
  const [negated] = op?.name === "neg" ? x.inputs : [];
  return op === null || negated === undefined
    ? null
    : [...apply(op, [sum(negated, axes)], x.params)];
}

export function sum(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply(sumOp, [x], { axes })[0];
}
