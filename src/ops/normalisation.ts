/** @file Normalisation along the last axis: the engine's fused node, and a derivative from what it saves. */

import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import { at, forLines, put, zeros } from "../core/ndarray.ts";
import { defineOp, type MaybeZero, notLinear, type Op, type Three, type Two } from "../core/op.ts";
import { between, random, rejects, sample, values } from "../core/samples.ts";
import { type Aval, aval, dimOf, showAval } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, scale, sub } from "./arithmetic.ts";
import { broadcast, fullLike } from "./creation.ts";
import { repeat } from "./families.ts";
import { layerNormStablehlo, rmsNormStablehlo } from "./normalisation.stablehlo.ts";
import { lastAxis } from "./softmax.ts";
import { restore, sum } from "./sum.ts";

export interface NormParams {
  /** Added to the mean square or variance before its root is taken. */
  readonly epsilon: number;
}

/** What normalising the rows of x needs: rows and columns spread over x, and `−mean` along the rows. */
function alongLast(x: Tensor) {
  const last = x.rank - 1;
  return {
    spread: (row: Tensor) => restore(row, x.aval, [last]),
    columns: (v: Tensor) => broadcast(v, { dims: x.dims, axes: [last], names: x.names }),
    minusMean: (v: Tensor) => scale(sum(v, [last]), -1 / dimOf(x.aval, last)),
  };
}

function total(x: Tensor, ...rest: readonly MaybeZero[]): Tensor {
  return rest.reduce<Tensor>((a, b) => (b === null ? a : add(a, b)), x);
}

/** @throws ShapeError unless `v` has one number per element of the last axis of x */
function checkColumns(name: string, what: string, x: Aval, v: Aval): void {
  if (v.dims.length === 1 && v.dims[0] === x.dims.at(-1) && v.dtype === x.dtype) return;
  throw new ShapeError(
    "SHAPE-01",
    `${name}: the ${what} must have one number per element of the last axis.`,
    [
      ["operand", showAval(x)],
      [what, showAval(v)],
    ],
  );
}

/**
 * Root-mean-square normalisation along the last axis: `y = x · r · scale`, `r = (mean x² + ε)^(−1/2)`.
 *
 * The second result is r, which the derivative needs.
 */
export const rmsNormOp: Op<NormParams, Two, Two> = defineOp<NormParams, Two, Two>({
  name: "rmsNorm",
  infer([x, s]) {
    const last = lastAxis("rmsNorm", x);
    checkColumns("rmsNorm", "scale", x, s);
    return [x, aval(x.dtype, x.dims.slice(0, last), x.names.slice(0, last))];
  },
  jvp: {
    kind: "rule",
    // With n = x·r, m = −mean(n·dx): dn = r (dx + n·m), dy = dn · scale + n · dscale, dr = r²·m.
    // The sign stands in the mean's factor, where it costs nothing in either direction.
    apply: ([dx, ds], [x, s], [, r]) => {
      const { spread, columns, minusMean } = alongLast(x);
      const n = mul(x, spread(r));
      const fromScale = ds === null ? null : mul(n, columns(ds));
      if (dx === null) return [fromScale, null];
      const slope = minusMean(mul(n, dx));
      const dn = mul(add(dx, mul(n, spread(slope))), spread(r));
      return [total(mul(dn, columns(s)), fromScale), mul(slope, mul(r, r))];
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
    const factors = factorNames(x.dims.length);
    const last = factors.slice(-1);
    return rule(p, [factors, last], [factors, factors.slice(0, -1)], { moves: last });
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
    stablehlo: rmsNormStablehlo,
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

/**
 * Layer normalisation along the last axis: `y = (x − μ) · r · scale + bias`, `μ = mean x`,
 * `r = (mean (x − μ)² + ε)^(−1/2)`.
 *
 * The second and third results are μ and r, which the derivative needs. Rows of equal elements are
 * allowed: their n is 0, and `r = ε^(−1/2)`.
 */
export const layerNormOp: Op<NormParams, Three, Three> = defineOp<NormParams, Three, Three>({
  name: "layerNorm",
  infer([x, s, b]) {
    const last = lastAxis("layerNorm", x);
    checkColumns("layerNorm", "scale", x, s);
    checkColumns("layerNorm", "bias", x, b);
    const row = aval(x.dtype, x.dims.slice(0, last), x.names.slice(0, last));
    return [x, row, row];
  },
  jvp: {
    kind: "rule",
    // With n = (x − μ)·r, m = −mean(n·dx): dn = r (dx − dμ + n·m), dμ = mean dx, dr = r²·m
    apply: ([dx, ds, db], [x, s], [, mean, r]) => {
      const { spread, columns, minusMean } = alongLast(x);
      const n = mul(sub(x, spread(mean)), spread(r));
      const fromScale = ds === null ? null : mul(n, columns(ds));
      const fromBias = db === null ? null : columns(db);
      if (dx === null)
        return [fromScale === null ? fromBias : total(fromScale, fromBias), null, null];
      const shift = minusMean(dx);
      const slope = minusMean(mul(n, dx));
      const dn = mul(add(add(dx, spread(shift)), mul(n, spread(slope))), spread(r));
      return [
        total(mul(dn, columns(s)), fromScale, fromBias),
        scale(shift, -1),
        mul(slope, mul(r, r)),
      ];
    },
  },
  transpose: notLinear("its tangent is made of products"),
  batch: ([x, s, b], [xMapped, sMapped, bMapped], p, size) => {
    const whole = xMapped ? x : repeat(x, size);
    if (!sMapped && !bMapped) return apply(layerNormOp, [whole, s, b], p);
    const unit = (value: number) => fullLike(aval(x.dtype, [dimOf(x.aval, x.rank - 1)]), value);
    const [n, mean, r] = apply(layerNormOp, [whole, unit(1), unit(0)], p);
    const columns = (v: Tensor, mapped: boolean) =>
      broadcast(v, {
        dims: n.dims,
        axes: mapped ? [0, n.rank - 1] : [n.rank - 1],
        names: n.names,
      });
    return [add(mul(n, columns(s, sMapped)), columns(b, bMapped)), mean, r];
  },
  shard: ([x], _y, p) => {
    const factors = factorNames(x.dims.length);
    const [lines, last] = [factors.slice(0, -1), factors.slice(-1)];
    return rule(p, [factors, last, last], [factors, lines, lines], { moves: last });
  },
  evaluate: ([x, s, b], { epsilon }, [y, m, r]) => {
    const [out, means, inverse] = [zeros(y), zeros(m), zeros(r)];
    let line = 0;
    forLines(x.dims, x.dims.length - 1, (base, stride, length) => {
      let total = 0;
      for (let j = 0; j < length; j++) total += at(x, base + j * stride);
      const mean = total / length;
      let squares = 0;
      for (let j = 0; j < length; j++) squares += (at(x, base + j * stride) - mean) ** 2;
      const factor = 1 / Math.sqrt(squares / length + epsilon);
      for (let j = 0; j < length; j++)
        put(
          out,
          base + j * stride,
          (at(x, base + j * stride) - mean) * factor * at(s, j) + at(b, j),
        );
      put(means, line, mean);
      put(inverse, line++, factor);
    });
    return [out, means, inverse];
  },
  simplify: () => null,
  lower: {
    onnx: (g, [x, s, b], { epsilon }, { inputs: [from, sForm, bForm], outputs: [y, mean] }) => {
      const keep = { dtype: mean.dtype, dims: [...mean.dims, 1] };
      const [normal, middle, inverse] = g.nodes({
        op: "LayerNormalization",
        inputs: [g.exact(x, from.dims), g.exact(s, sForm.dims), g.exact(b, bForm.dims)],
        attributes: { axis: { int: -1 }, epsilon: { float: epsilon } },
        outputs: [y, keep, keep],
      });
      if (normal === undefined || middle === undefined || inverse === undefined)
        throw new Error("LayerNormalization has three outputs");
      return [normal, g.reshape(middle, mean.dims), g.reshape(inverse, mean.dims)];
    },
    stablehlo: layerNormStablehlo,
  },
  samples: () => [
    sample("rows", [random(3, 4), between(0.5, 2, 4), random(4)], { epsilon: 1e-6 }),
    sample("a batch", [random(2, 3, 4), random(4), random(4)], { epsilon: 1e-5 }),
    sample("one row", [random(5), random(5), random(5)], { epsilon: 1e-5 }),
    sample("one element", [random(2, 1), random(1), random(1)], { epsilon: 1e-3 }),
    sample("equal elements", [values(aval("float32", [1, 3]), 7, 7, 7), random(3), random(3)], {
      epsilon: 1e-2,
    }),
    sample(
      "far from zero",
      [between(48, 52, 3, 4), random(4), random(4)],
      { epsilon: 1e-5 },
      false,
    ),
    sample("no rows", [random(0, 3), random(3), random(3)], { epsilon: 1e-5 }),
    sample(
      "not a number",
      [values(aval("float32", [2, 2]), 1, NaN, 3, 5), random(2), random(2)],
      { epsilon: 1e-5 },
      false,
    ),
  ],
  rejects: () => [
    rejects(
      "a bias of another size",
      [aval("float32", [2, 4]), aval("float32", [4]), aval("float32", [3])],
      { epsilon: 1e-6 },
      "layerNorm: the bias must have one number per element of the last axis.",
    ),
    rejects(
      "nothing to normalise",
      [aval("float32", [2, 0]), aval("float32", [0]), aval("float32", [0])],
      { epsilon: 1e-6 },
      "layerNorm: float32[2, 0] has nothing along its last axis",
    ),
  ],
});

export function layerNorm(x: Tensor, s: Tensor, b: Tensor, epsilon: number): Tensor {
  return apply(layerNormOp, [x, s, b], { epsilon })[0];
}
