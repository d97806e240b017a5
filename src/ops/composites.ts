/**
 * @file Composites that engines know by name: each has a fused engine form, and a derivative in terms
 * of its own results, so that both directions lower to few ops.
 */

import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import type { OnnxValue } from "../core/lowering.ts";
import { at, forLines, put, zeros } from "../core/ndarray.ts";
import { defineOp, notLinear, type One, type Op, type Two } from "../core/op.ts";
import { between, random, rejects, sample, values } from "../core/samples.ts";
import { type Aval, aval, dimOf, showAval } from "../core/shape.ts";
import { factorNames, pointwise, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { broadcast, fullLike } from "./creation.ts";
import { add, mul, scale, sub } from "./elementwise.ts";
import {
  broadcastDims,
  checkDType,
  FLOATS,
  type NoParams,
  noParams,
  repeat,
  type UnaryOp,
} from "./families.ts";
import { restore, sum } from "./reduce.ts";

function lastAxis(name: string, x: Aval): number {
  checkDType(name, x, FLOATS);
  const last = x.dims.length - 1;
  if (last < 0 || x.dims[last] === 0) {
    throw new ShapeError("SHAPE-01", `${name}: ${showAval(x)} has nothing along its last axis`);
  }
  return last;
}

/** Softmax along the last axis, which must not be empty. */
export const softmaxOp: UnaryOp = defineOp<NoParams, One, One>({
  name: "softmax",
  infer([x]) {
    lastAxis("softmax", x);
    return [x];
  },
  jvp: {
    kind: "rule",
    // d p = p · (dx − Σ p·dx)
    apply: ([dx], _x, [p]) => {
      if (dx === null) return [null];
      const last = [p.rank - 1];
      return [mul(p, sub(dx, restore(sum(mul(p, dx), last), p.aval, last)))];
    },
  },
  transpose: notLinear("its tangent is made of products"),
  batch: ([x]) => [softmax(x)],
  shard: ([x]) => {
    const factors = factorNames(x.dims.length).map((f, i) => (i === x.dims.length - 1 ? null : f));
    return rule(noParams, [factors], [factors]);
  },
  evaluate: ([x], _params, [y]) => {
    const out = zeros(y);
    forLines(x.dims, x.dims.length - 1, (base, stride, length) => {
      const { top, total } = exponentials(x, base, stride, length);
      for (let j = 0; j < length; j++)
        put(out, base + j * stride, Math.exp(at(x, base + j * stride) - top) / total);
    });
    return [out];
  },
  simplify: () => null,
  lower: {
    onnx: (g, [x], _params, { inputs: [from], outputs: [y] }) => [
      g.node("Softmax", [g.exact(x, from.dims)], y, { axis: { int: -1 } }),
    ],
    stablehlo: (h, [x], _params, [y]) => {
      const last = y.dims.length - 1;
      const keep = y.dims.map((_, i) => i).slice(0, last);
      const top = h.broadcast(h.reduce("stablehlo.maximum", x, -Infinity, [last]), keep, y.dims);
      const raised = h.elementwise(
        "stablehlo.exponential",
        [h.elementwise("stablehlo.subtract", [x, top], y)],
        y,
      );
      const total = h.broadcast(h.reduce("stablehlo.add", raised, 0, [last]), keep, y.dims);
      return [h.elementwise("stablehlo.divide", [raised, total], y)];
    },
  },
  samples: () => [
    sample("rows", [random(3, 4)], noParams),
    sample("one element", [random(2, 1)], noParams),
    sample("large", [values(aval("float32", [3]), 1000, 999, -1000)], noParams, false),
    sample("masked", [values(aval("float32", [3]), 1, -1e9, 2)], noParams, false),
  ],
  rejects: () => [
    rejects(
      "nothing to choose",
      [aval("float32", [2, 0])],
      noParams,
      "softmax: float32[2, 0] has nothing along its last axis",
    ),
  ],
});

function exponentials(x: Parameters<typeof at>[0], base: number, stride: number, length: number) {
  let top = -Infinity;
  for (let j = 0; j < length; j++) top = Math.max(top, at(x, base + j * stride));
  let total = 0;
  for (let j = 0; j < length; j++) total += Math.exp(at(x, base + j * stride) - top);
  return { top, total };
}

export function softmax(x: Tensor): Tensor {
  return apply(softmaxOp, [x], noParams)[0];
}

/** `log Σ exp x` along the last axis, which is reduced away. */
export const logSumExpOp: UnaryOp = defineOp<NoParams, One, One>({
  name: "logSumExp",
  infer([x]) {
    const last = lastAxis("logSumExp", x);
    return [aval(x.dtype, x.dims.slice(0, last), x.names.slice(0, last))];
  },
  jvp: {
    kind: "rule",
    apply: ([dx], [x]) => [dx === null ? null : sum(mul(dx, softmax(x)), [x.rank - 1])],
  },
  transpose: notLinear("its tangent is a sum of products"),
  batch: ([x]) => [logSumExp(x)],
  shard: ([x]) => {
    const factors = factorNames(x.dims.length - 1);
    return rule(noParams, [[...factors, null]], [factors]);
  },
  evaluate: ([x], _params, [y]) => {
    const out = zeros(y);
    let line = 0;
    forLines(x.dims, x.dims.length - 1, (base, stride, length) => {
      const { top, total } = exponentials(x, base, stride, length);
      put(out, line++, top + Math.log(total));
    });
    return [out];
  },
  simplify: () => null,
  lower: {
    // With p = softmax x: log Σ exp x = max x − log max p, since the largest element has p = exp(max x) / Σ.
    // ReduceLogSumExp takes ten times as long, and the gradient needs p anyhow.
    onnx: (g, [x], _params, { inputs: [from], outputs: [y] }) => {
      const whole = g.exact(x, from.dims);
      const last = g.constant("int64", [1], [from.dims.length - 1]);
      const largest = (value: OnnxValue) =>
        g.node("ReduceMax", [value, last], y, { keepdims: { int: 0 } });
      const shares = g.node("Softmax", [whole], from, { axis: { int: -1 } });
      return [g.node("Sub", [largest(whole), g.node("Log", [largest(shares)], y)], y)];
    },
    stablehlo: (h, [x], _params, [y]) => {
      const last = x.dims.length - 1;
      const form = aval(x.dtype, x.dims);
      const top = h.reduce("stablehlo.maximum", x, -Infinity, [last]);
      const shifted = h.elementwise(
        "stablehlo.subtract",
        [
          x,
          h.broadcast(
            top,
            y.dims.map((_, i) => i),
            x.dims,
          ),
        ],
        form,
      );
      const total = h.reduce(
        "stablehlo.add",
        h.elementwise("stablehlo.exponential", [shifted], form),
        0,
        [last],
      );
      return [h.elementwise("stablehlo.add", [h.elementwise("stablehlo.log", [total], y), top], y)];
    },
  },
  samples: () => [
    sample("rows", [random(3, 4)], noParams),
    sample("one row", [random(5)], noParams),
    sample("large", [values(aval("float32", [3]), 1000, 999, -1000)], noParams, false),
  ],
  rejects: () => [
    rejects(
      "nothing to sum",
      [aval("float32", [0])],
      noParams,
      "logSumExp: float32[0] has nothing along its last axis",
    ),
  ],
});

export function logSumExp(x: Tensor): Tensor {
  return apply(logSumExpOp, [x], noParams)[0];
}

export interface RmsNormParams {
  readonly epsilon: number;
}

/**
 * Root-mean-square normalisation along the last axis: `y = x · r · scale`, `r = (mean x² + ε)^(−1/2)`.
 *
 * The second result is r, which the derivative needs.
 */
export const rmsNormOp: Op<RmsNormParams, Two, Two> = defineOp<RmsNormParams, Two, Two>({
  name: "rmsNorm",
  infer([x, s]) {
    const last = lastAxis("rmsNorm", x);
    if (s.dims.length !== 1 || s.dims[0] !== x.dims[last] || s.dtype !== x.dtype) {
      throw new ShapeError(
        "SHAPE-01",
        "rmsNorm: the scale must have one number per element of the last axis.",
        [
          ["operand", showAval(x)],
          ["scale", showAval(s)],
        ],
      );
    }
    return [x, aval(x.dtype, x.dims.slice(0, last), x.names.slice(0, last))];
  },
  jvp: {
    kind: "rule",
    // With n = x·r: dn = r (dx − n · mean(n·dx)), dy = dn · scale + n · dscale, dr = −r² · mean(n·dx)
    apply: ([dx, ds], [x, s], [, r]) => {
      const last = x.rank - 1;
      const spread = (row: Tensor) => restore(row, x.aval, [last]);
      const columns = (v: Tensor) => broadcast(v, { dims: x.dims, axes: [last], names: x.names });
      const n = mul(x, spread(r));
      const fromScale = ds === null ? null : mul(n, columns(ds));
      if (dx === null) return [fromScale, null];
      const slope = scale(sum(mul(n, dx), [last]), 1 / dimOf(x.aval, last));
      const dn = mul(sub(dx, mul(n, spread(slope))), spread(r));
      const fromX = mul(dn, columns(s));
      return [fromScale === null ? fromX : add(fromX, fromScale), mul(slope, mul(r, scale(r, -1)))];
    },
  },
  transpose: notLinear("its tangent is made of products"),
  batch: ([x, s], [xMapped, sMapped], p, size) => {
    const whole = xMapped ? x : repeat(x, size);
    if (!sMapped) return apply(rmsNormOp, [whole, s], p);
    const ones = fullLike(aval(s.dtype, [dimOf(x.aval, x.rank - 1)]), 1);
    const [y, r] = apply(rmsNormOp, [whole, ones], p);
    return [
      mul(y, broadcast(s, { dims: whole.dims, axes: [0, whole.rank - 1], names: whole.names })),
      r,
    ];
  },
  shard: ([x], _y, p) => {
    const factors = factorNames(x.dims.length - 1);
    return rule(p, [[...factors, null], [null]], [[...factors, null], factors]);
  },
  evaluate: ([x, s], { epsilon }, [y, r]) => {
    const out = zeros(y);
    const inverse = zeros(r);
    let line = 0;
    forLines(x.dims, x.dims.length - 1, (base, stride, length) => {
      let total = 0;
      for (let j = 0; j < length; j++) total += at(x, base + j * stride) ** 2;
      const factor = 1 / Math.sqrt(total / length + epsilon);
      for (let j = 0; j < length; j++)
        put(out, base + j * stride, at(x, base + j * stride) * factor * at(s, j));
      put(inverse, line++, factor);
    });
    return [out, inverse];
  },
  simplify: () => null,
  lower: {
    onnx: (g, [x, s], { epsilon }, { inputs: [from, sForm], outputs: [y, r] }) => {
      const keep = { dtype: r.dtype, dims: [...r.dims, 1] };
      const [normal, inverse] = g.nodes({
        op: "SimplifiedLayerNormalization",
        inputs: [g.exact(x, from.dims), g.exact(s, sForm.dims)],
        attributes: { axis: { int: -1 }, epsilon: { float: epsilon } },
        outputs: [y, keep],
      });
      if (normal === undefined || inverse === undefined)
        throw new Error("SimplifiedLayerNormalization has two outputs");
      return [normal, g.reshape(inverse, r.dims)];
    },
    stablehlo: (h, [x, s], { epsilon }, [y, r]) => {
      const last = y.dims.length - 1;
      const keep = r.dims.map((_, i) => i);
      const squares = h.reduce("stablehlo.add", h.elementwise("stablehlo.multiply", [x, x], y), 0, [
        last,
      ]);
      const mean = h.elementwise("stablehlo.divide", [squares, h.splat(dimOf(y, last), r)], r);
      const inverse = h.elementwise(
        "stablehlo.rsqrt",
        [h.elementwise("stablehlo.add", [mean, h.splat(epsilon, r)], r)],
        r,
      );
      const normal = h.elementwise(
        "stablehlo.multiply",
        [x, h.broadcast(inverse, keep, y.dims)],
        y,
      );
      return [
        h.elementwise("stablehlo.multiply", [normal, h.broadcast(s, [last], y.dims)], y),
        inverse,
      ];
    },
  },
  samples: () => [
    sample("rows", [random(3, 4), between(0.5, 2, 4)], { epsilon: 1e-6 }),
    sample("a batch", [random(2, 3, 4), random(4)], { epsilon: 1e-5 }),
    sample("one element", [between(0.5, 2, 2, 1), random(1)], { epsilon: 1e-3 }),
  ],
  rejects: () => [
    rejects(
      "a scale of another size",
      [aval("float32", [2, 4]), aval("float32", [3])],
      { epsilon: 1e-6 },
      "rmsNorm: the scale must have one number per element of the last axis.",
    ),
  ],
});

export function rmsNorm(x: Tensor, s: Tensor, epsilon: number): Tensor {
  return apply(rmsNormOp, [x, s], { epsilon })[0];
}

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
