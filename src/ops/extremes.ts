/** @file Largest and smallest elements along axes. NaN wins; an empty axis is refused. */

import { apply } from "../core/builder.ts";
import { isFloat } from "../core/dtype.ts";
import { ShapeError } from "../core/errors.ts";
import { defineOp, notLinear, type One, type Op } from "../core/op.ts";
import {
  integers,
  longIntegers,
  random,
  rejects,
  sample,
  specials,
  values,
  words,
} from "../core/samples.ts";
import { aval, showAval } from "../core/shape.ts";
import { rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { div, mul } from "./arithmetic.ts";
import { convert, equal } from "./logic.ts";
import { GREATEST, LEAST, larger, smaller } from "./magnitude.ts";
import { halving } from "./reduce.onnx.ts";
import {
  evaluateReduce,
  inferReduce,
  type ReduceParams,
  reduceShard,
  restore,
  sum,
} from "./sum.ts";

type Reduction = Op<ReduceParams, One, One>;

/** One of the two; `beats(a, b)` says which number it prefers. */
function extreme(
  kind: "max" | "min",
  name: string,
  kernel: string,
  pairwise: typeof larger,
  stablehlo: string,
  start: typeof LEAST,
  beats: (a: number, b: number) => boolean,
): Reduction {
  const op: Reduction = defineOp<ReduceParams, One, One>({
    name,
    infer([x], p) {
      const out = inferReduce(name, x, p);
      const empty = p.axes.find((axis) => x.dims[axis] === 0);
      if (empty === undefined) return out;
      throw new ShapeError(
        "SHAPE-01",
        `${name}: ${showAval(x)} has no element to choose along axis ${empty}`,
      );
    },
    jvp: {
      kind: "rule",
      apply: ([dx], [x], [y], { axes }) => {
        if (dx === null) return [null];
        const winners = convert(equal(x, restore(y, x.aval, axes)), x.dtype);
        return [div(sum(mul(dx, winners), axes), sum(winners, axes))];
      },
    },
    transpose: notLinear("its tangent is made of sums"),
    batch: ([x], _mapped, { axes }) => apply(op, [x], { axes: axes.map((axis) => axis + 1) }),
    shard: ([x], [y], p) => {
      const { factors, kept, gone } = reduceShard(x, y, p);
      return rule(p, [factors], [kept], { [kind]: gone });
    },
    evaluate: ([x], { axes }, [y]) => [
      evaluateReduce(x, axes, y, start[y.dtype], (a, b) =>
        Number.isNaN(a) || beats(a, b) ? a : b,
      ),
    ],
    simplify: ([x], { axes }) => (axes.length === 0 ? [x.tensor] : null),
    lower: {
      onnx: (g, [x], { axes }, { inputs: [from], outputs: [y] }) => {
        const list = g.constant("int64", [axes.length], axes);
        const keep = { keepdims: { int: 0 } };
        const whole = g.exact(x, from.dims);
        // For int64 the kernel errs beyond 2³¹, and for uint32 there is none.
        if (y.dtype === "int64" || y.dtype === "uint32")
          return [
            halving(g, whole, axes, y, start[y.dtype], (a, b, form) => pairwise(g, a, b, form)),
          ];
        const best = g.node(kernel, [whole, list], y, keep);
        if (!isFloat(y.dtype)) return [best];
        // The kernel passes over a NaN unless it comes first.
        const form = { ...y, dtype: "bool" as const };
        const strange = g.node("IsNaN", [whole], { dtype: "bool", dims: from.dims });
        const any = g.node("ReduceMax", [strange, list], form, keep);
        return [g.node("Where", [any, g.constant(y.dtype, [], [NaN]), best], y)];
      },
      stablehlo: (h, [x], { axes }) => [h.reduce(stablehlo, x, start[x.dtype], axes)],
    },
    samples: () => [
      sample("rows", [random(3, 4)], { axes: [1] }),
      sample("outer and inner", [random(2, 3, 4)], { axes: [0, 2] }),
      sample("one element", [random(1, 1)], { axes: [0, 1] }),
      sample("ties", [values(aval("float32", [4]), 1, 3, 3, 1)], { axes: [0] }, false),
      sample("NaN first, last and alone", [nans()], { axes: [1] }, false),
      sample("specials", [specials()], { axes: [0] }, false),
      sample(
        "infinities",
        [values(aval("float32", [2, 1]), -Infinity, Infinity)],
        { axes: [1] },
        false,
      ),
      sample("integers", [integers(-9, 9, 2, 5)], { axes: [1] }),
      sample(
        "extreme integers",
        [values(aval("int32", [3]), -(2 ** 31), 2 ** 31 - 1, 0)],
        { axes: [0] },
        false,
      ),
      sample("words", [words(2, 5)], { axes: [1] }, false),
      sample("long integers", [longIntegers(3, 5, 2)], { axes: [0, 1] }, false),
    ],
    rejects: () => [
      rejects(
        "an empty axis",
        [aval("float32", [2, 0])],
        { axes: [1] },
        `${name}: float32[2, 0] has no element to choose along axis 1`,
      ),
    ],
  });
  return op;
}

function nans() {
  return values(aval("float32", [4, 2]), NaN, 1, 1, NaN, NaN, NaN, NaN, Infinity);
}

/** Largest element along axes; the gradient is shared equally among ties. */
export const maxOp: Reduction = extreme(
  "max",
  "reduceMax",
  "ReduceMax",
  larger,
  "stablehlo.maximum",
  LEAST,
  (a, b) => a > b,
);

export function reduceMax(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply(maxOp, [x], { axes })[0];
}

/** Smallest element along axes; the gradient is shared equally among ties. */
export const minOp: Reduction = extreme(
  "min",
  "reduceMin",
  "ReduceMin",
  smaller,
  "stablehlo.minimum",
  GREATEST,
  (a, b) => a < b,
);

export function reduceMin(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply(minOp, [x], { axes })[0];
}
