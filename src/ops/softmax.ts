/** @file softmax, its logarithm and its normaliser along the last axis: one engine node each, where there is one. */

import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import type { HloEmitter, HloValue, OnnxValue } from "../core/lowering.ts";
import { at, forLines, type NdArray, put, zeros } from "../core/ndarray.ts";
import { defineOp, notLinear, type One } from "../core/op.ts";
import { random, rejects, sample, values } from "../core/samples.ts";
import { type Aval, aval, showAval } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul, sub } from "./arithmetic.ts";
import { checkDType, FLOATS } from "./dtypes.ts";
import { exp } from "./exponential.ts";
import { type NoParams, noParams, type UnaryOp } from "./families.ts";
import { restore, sum } from "./sum.ts";

/** The last axis of a float tensor. @throws when there is none, or nothing along it */
export function lastAxis(name: string, x: Aval): number {
  checkDType(name, x, FLOATS);
  const last = x.dims.length - 1;
  if (last < 0 || x.dims[last] === 0) {
    throw new ShapeError("SHAPE-01", `${name}: ${showAval(x)} has nothing along its last axis`);
  }
  return last;
}

/** Softmax along the last axis, which must not be empty. A row of nothing but −∞ is NaN, as one with NaN or ∞. */
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
    const factors = factorNames(x.dims.length);
    return rule(noParams, [factors], [factors], { moves: factors.slice(-1) });
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
    stablehlo: (h, [x]) => [softmaxStablehlo(h, x)],
  },
  samples: () => [
    sample("rows", [random(3, 4)], noParams),
    sample("one element", [random(2, 1)], noParams),
    sample("large", [values(aval("float32", [3]), 1000, 999, -1000)], noParams, false),
    sample("masked", [values(aval("float32", [3]), 1, -1e9, 2)], noParams, false),
    sample("forbidden", [values(aval("float32", [3]), 1, -Infinity, 2)], noParams, false),
    sample(
      "nothing allowed",
      [values(aval("float32", [2]), -Infinity, -Infinity)],
      noParams,
      false,
    ),
    sample("not a number", [values(aval("float32", [2, 2]), 1, NaN, 0, 0)], noParams, false),
    sample("no rows", [random(0, 3)], noParams),
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

/** The largest element of a line, and `Σ exp (x − largest)`. */
export function exponentials(
  x: NdArray,
  base: number,
  stride: number,
  length: number,
): { readonly top: number; readonly total: number } {
  let top = -Infinity;
  for (let j = 0; j < length; j++) top = Math.max(top, at(x, base + j * stride));
  let total = 0;
  for (let j = 0; j < length; j++) total += Math.exp(at(x, base + j * stride) - top);
  return { top, total };
}

export function softmax(x: Tensor): Tensor {
  return apply(softmaxOp, [x], noParams)[0];
}

/** Lines that shift every row by its maximum, raise it and add it up: nothing overflows. */
function raisedStablehlo(h: HloEmitter, x: HloValue) {
  const last = x.dims.length - 1;
  const keep = x.dims.map((_, i) => i).slice(0, last);
  const spread = (row: HloValue) => h.broadcast(row, keep, x.dims);
  const top = h.reduce("stablehlo.maximum", x, -Infinity, [last]);
  const shifted = h.elementwise("stablehlo.subtract", [x, spread(top)], x);
  const raised = h.elementwise("stablehlo.exponential", [shifted], x);
  return { top, shifted, raised, total: h.reduce("stablehlo.add", raised, 0, [last]), spread };
}

/** softmax along the last axis as StableHLO. */
export function softmaxStablehlo(h: HloEmitter, x: HloValue): HloValue {
  const { raised, total, spread } = raisedStablehlo(h, x);
  return h.elementwise("stablehlo.divide", [raised, spread(total)], x);
}

/** `x − log Σ exp x` along the last axis: exact where softmax has rounded to 0. */
export const logSoftmaxOp: UnaryOp = defineOp<NoParams, One, One>({
  name: "logSoftmax",
  infer([x]) {
    lastAxis("logSoftmax", x);
    return [x];
  },
  jvp: {
    kind: "rule",
    // dy = dx − Σ p·dx, p = exp y
    apply: ([dx], _x, [y]) => {
      if (dx === null) return [null];
      const last = [y.rank - 1];
      return [sub(dx, restore(sum(mul(exp(y), dx), last), y.aval, last))];
    },
  },
  transpose: notLinear("its tangent is made of products"),
  batch: ([x]) => [logSoftmax(x)],
  shard: ([x]) => {
    const factors = factorNames(x.dims.length);
    return rule(noParams, [factors], [factors], { moves: factors.slice(-1) });
  },
  evaluate: ([x], _params, [y]) => {
    const out = zeros(y);
    forLines(x.dims, x.dims.length - 1, (base, stride, length) => {
      const { top, total } = exponentials(x, base, stride, length);
      for (let j = 0; j < length; j++)
        put(out, base + j * stride, at(x, base + j * stride) - top - Math.log(total));
    });
    return [out];
  },
  simplify: () => null,
  lower: {
    onnx: (g, [x], _params, { inputs: [from], outputs: [y] }) => [
      g.node("LogSoftmax", [g.exact(x, from.dims)], y, { axis: { int: -1 } }),
    ],
    stablehlo: (h, [x], _params, [y]) => {
      const { shifted, total, spread } = raisedStablehlo(h, x);
      const log = h.elementwise("stablehlo.log", [total], total);
      return [h.elementwise("stablehlo.subtract", [shifted, spread(log)], y)];
    },
  },
  samples: () => [
    sample("rows", [random(3, 4)], noParams),
    sample("one element", [random(2, 1)], noParams),
    sample("large", [values(aval("float32", [3]), 1000, 999, -1000)], noParams, false),
    sample("forbidden", [values(aval("float32", [3]), 1, -Infinity, 2)], noParams, false),
    sample("no rows", [random(0, 3)], noParams),
  ],
  rejects: () => [
    rejects(
      "nothing to choose",
      [aval("float32", [2, 0])],
      noParams,
      "logSoftmax: float32[2, 0] has nothing along its last axis",
    ),
  ],
});

export function logSoftmax(x: Tensor): Tensor {
  return apply(logSoftmaxOp, [x], noParams)[0];
}

/** `log Σ exp x` along the last axis, which is reduced away. An infinite maximum is the result; its gradient is NaN. */
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
    const factors = factorNames(x.dims.length);
    return rule(noParams, [factors], [factors.slice(0, -1)], { moves: factors.slice(-1) });
  },
  evaluate: ([x], _params, [y]) => {
    const out = zeros(y);
    let line = 0;
    forLines(x.dims, x.dims.length - 1, (base, stride, length) => {
      const { top, total } = exponentials(x, base, stride, length);
      put(out, line++, Math.abs(top) === Infinity ? top : top + Math.log(total));
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
      const top = largest(whole);
      const sum = g.node("Sub", [top, g.node("Log", [largest(shares)], y)], y);
      const infinite = g.node("IsInf", [top], { ...y, dtype: "bool" });
      return [g.node("Where", [infinite, top, sum], y)];
    },
    stablehlo: (h, [x], _params, [y]) => {
      const { top, total } = raisedStablehlo(h, x);
      const log = h.elementwise("stablehlo.log", [total], y);
      const sum = h.elementwise("stablehlo.add", [log, top], y);
      const size = h.elementwise("stablehlo.abs", [top], y);
      const infinite = h.elementwise(
        "stablehlo.compare EQ,",
        [size, h.splat(Infinity, y)],
        aval("bool", y.dims),
      );
      return [h.elementwise("stablehlo.select", [infinite, top, sum], y)];
    },
  },
  samples: () => [
    sample("rows", [random(3, 4)], noParams),
    sample("one row", [random(5)], noParams),
    sample("large", [values(aval("float32", [3]), 1000, 999, -1000)], noParams, false),
    sample(
      "infinite and NaN",
      [values(aval("float32", [4, 2]), -Infinity, -Infinity, 0, Infinity, -Infinity, 1, 1, NaN)],
      noParams,
      false,
    ),
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
