/** @file Normalisation along the last axis: the engine's fused node, and a derivative from what it saves. */

import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import { at, forLines, put, zeros } from "../core/ndarray.ts";
import { defineOp, notLinear, type Op, type Two } from "../core/op.ts";
import { between, random, rejects, sample } from "../core/samples.ts";
import { aval, dimOf, showAval } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { broadcast, fullLike } from "./creation.ts";
import { add, mul, scale, sub } from "./elementwise.ts";
import { repeat } from "./families.ts";
import { restore, sum } from "./reduce.ts";
import { lastAxis } from "./softmax.ts";

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
