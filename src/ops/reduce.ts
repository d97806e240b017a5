/** @file Ops that reduce along axes, and running sums. */

import { apply } from "../core/builder.ts";
import type { DType } from "../core/dtype.ts";
import { ShapeError } from "../core/errors.ts";
import { at, build, forLines, get, type NdArray, put, zeros } from "../core/ndarray.ts";
import { defineOp, linear, type Made, notLinear, type One, type Op } from "../core/op.ts";
import { between, integers, random, rejects, sample, values } from "../core/samples.ts";
import { type Aval, aval, dimOf, showAval } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { broadcast, constantOf, fullLike } from "./creation.ts";
import { div, mul, neg, negOp } from "./elementwise.ts";
import { checkDType, NUMBERS, SIGNED } from "./families.ts";
import { convert, equal } from "./logic.ts";

export interface ReduceParams {
  /** Axes reduced away, rising. */
  readonly axes: readonly number[];
}

function inferReduce(name: string, x: Aval, { axes }: ReduceParams): [Aval] {
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

function keptAxes(x: { readonly dims: readonly number[] }, axes: readonly number[]): number[] {
  return x.dims.map((_, i) => i).filter((i) => !axes.includes(i));
}

function evaluateReduce(
  x: NdArray,
  axes: readonly number[],
  y: Aval,
  start: number,
  f: (a: number, b: number) => number,
) {
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

function reduceShard(x: Aval, y: Aval, p: ReduceParams) {
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

/** Sum along axes. */
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
      g.node("ReduceSum", [g.exact(x, from.dims), g.constant("int64", [axes.length], axes)], y, {
        keepdims: { int: 0 },
      }),
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

/** What a maximum starts from. */
const LEAST: Readonly<Record<DType, number>> = {
  float32: -Infinity,
  float64: -Infinity,
  float16: -Infinity,
  bfloat16: -Infinity,
  int32: -(2 ** 31),
  int64: -(2 ** 63),
  uint32: 0,
  bool: 0,
};

/** Largest element along axes; the gradient is shared equally among ties. */
export const maxOp: Op<ReduceParams, One, One> = defineOp<ReduceParams, One, One>({
  name: "reduceMax",
  infer([x], p) {
    const out = inferReduce("reduceMax", x, p);
    if (p.axes.some((axis) => x.dims[axis] === 0)) {
      throw new ShapeError(
        "SHAPE-01",
        `reduceMax: ${showAval(x)} has no element to choose along axis ${p.axes.find((axis) => x.dims[axis] === 0)}`,
      );
    }
    return out;
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
  batch: ([x], _mapped, { axes }) => [
    reduceMax(
      x,
      axes.map((axis) => axis + 1),
    ),
  ],
  shard: ([x], [y], p) => {
    const { factors, kept, gone } = reduceShard(x, y, p);
    return rule(p, [factors.map((f) => (gone.includes(f) ? null : f))], [kept]);
  },
  evaluate: ([x], { axes }, [y]) => [
    evaluateReduce(x, axes, y, -Infinity, (a, b) => (Number.isNaN(a) || a > b ? a : b)),
  ],
  simplify: ([x], { axes }) => (axes.length === 0 ? [x.tensor] : null),
  lower: {
    onnx: (g, [x], { axes }, { inputs: [from], outputs: [y] }) => [
      g.node("ReduceMax", [g.exact(x, from.dims), g.constant("int64", [axes.length], axes)], y, {
        keepdims: { int: 0 },
      }),
    ],
    stablehlo: (h, [x], { axes }) => [h.reduce("stablehlo.maximum", x, LEAST[x.dtype], axes)],
  },
  samples: () => [
    sample("rows", [random(3, 4)], { axes: [1] }),
    sample("outer and inner", [random(2, 3, 4)], { axes: [0, 2] }),
    sample("ties", [values(aval("float32", [4]), 1, 3, 3, 2)], { axes: [0] }, false),
    sample("integers", [integers(-9, 9, 2, 5)], { axes: [1] }),
  ],
  rejects: () => [
    rejects(
      "an empty axis",
      [aval("float32", [2, 0])],
      { axes: [1] },
      "reduceMax: float32[2, 0] has no element to choose along axis 1",
    ),
  ],
});

export function reduceMax(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply(maxOp, [x], { axes })[0];
}

export interface CumsumParams {
  readonly axis: number;
  /** Sum from the end towards the start. */
  readonly reverse: boolean;
}

/** Running sum along one axis: `y[i] = Σ x[j], j ≤ i`. */
export const cumsumOp: Op<CumsumParams, One, One> = defineOp<CumsumParams, One, One>({
  name: "cumsum",
  infer([x], { axis }) {
    checkDType("cumsum", x, SIGNED);
    if (!(axis in x.dims))
      throw new ShapeError("SHAPE-01", `cumsum: axis ${axis} is not an axis of ${showAval(x)}`);
    return [x];
  },
  jvp: linear,
  // Its transpose runs the other way.
  transpose: {
    kind: "rule",
    apply: ([ct], _x, p) => [ct === null ? null : cumsum(ct, p.axis, !p.reverse)],
  },
  batch: ([x], _mapped, p) => [cumsum(x, p.axis + 1, p.reverse)],
  shard: ([x], _y, p) => {
    // A prefix needs every earlier element: the summed axis stays whole.
    const factors = factorNames(x.dims.length).map((factor, i) => (i === p.axis ? null : factor));
    return rule(p, [factors], [factors]);
  },
  evaluate: ([x], { axis, reverse }, [y]) => {
    const out = zeros(y);
    forLines(x.dims, axis, (base, stride, length) => {
      let total = 0;
      for (let step = 0; step < length; step++) {
        const i = base + stride * (reverse ? length - 1 - step : step);
        total += at(x, i);
        put(out, i, total);
      }
    });
    return [out];
  },
  simplify: () => null,
  lower: {
    onnx: (g, [x], { axis, reverse }, { inputs: [from], outputs: [y] }) => [
      g.node("CumSum", [g.exact(x, from.dims), g.constant("int64", [], [axis])], y, {
        reverse: { int: Number(reverse) },
      }),
    ],
    stablehlo: (h, [x], { axis, reverse }, [y]) => {
      const before = x.dims.map((_, i) =>
        i === axis && !reverse ? Math.max(0, dimOf(x, axis) - 1) : 0,
      );
      const after = x.dims.map((_, i) =>
        i === axis && reverse ? Math.max(0, dimOf(x, axis) - 1) : 0,
      );
      const window = x.dims.map((_, i) => (i === axis ? Math.max(1, dimOf(x, axis)) : 1));
      const zero = h.splat(0, aval(y.dtype, []));
      const scalar = h.type(zero);
      const padding = before.map((low, i) => `[${low}, ${after[i]}]`).join(", ");
      return [
        h.line(
          `"stablehlo.reduce_window"(${x.name}, ${zero.name}) <{window_dimensions = array<i64: ${window.join(", ")}>, padding = dense<[${padding}]> : tensor<${x.dims.length}x2xi64>}> ({\n` +
            `    ^bb0(%p: ${scalar}, %q: ${scalar}):\n      %s = stablehlo.add %p, %q : ${scalar}\n      stablehlo.return %s : ${scalar}\n    }) : (${h.type(x)}, ${scalar}) -> ${h.type(y)}`,
          y,
        ),
      ];
    },
  },
  samples: () => [
    sample("rows", [random(3, 4)], { axis: 1, reverse: false }),
    sample("from the end", [random(2, 5)], { axis: 1, reverse: true }),
    sample("outer axis", [between(0, 1, 3, 2)], { axis: 0, reverse: false }),
    sample("an empty axis", [random(2, 0)], { axis: 1, reverse: false }),
    sample("integers", [integers(0, 9, 6)], { axis: 0, reverse: false }),
  ],
  rejects: () => [
    rejects(
      "an axis past the end",
      [aval("float32", [3, 4])],
      { axis: 2, reverse: false },
      "cumsum: axis 2 is not an axis of float32[3, 4]",
    ),
  ],
});

export function cumsum(x: Tensor, axis: number, reverse = false): Tensor {
  return apply(cumsumOp, [x], { axis, reverse })[0];
}
