/** @file The largest elements of a line, and where they stand. */

import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import { at, forLines, put, zeros } from "../core/ndarray.ts";
import { defineOp, notLinear, type One, type Op, type Two } from "../core/op.ts";
import { random, rejects, sample, values } from "../core/samples.ts";
import { aval, showAval, sizeOf } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { checkDType, FLOATS } from "./dtypes.ts";
import { gather } from "./indexing.ts";
import { NAN_SIZE, sortable } from "./sort.lowering.ts";
import { topKStablehlo } from "./top-k.stablehlo.ts";

export interface TopKParams {
  readonly k: number;
}

/**
 * The k largest along the last axis, falling; among equals the lower index comes first. NaN is larger than
 * all numbers.
 */
export const topKOp: Op<TopKParams, One, Two> = defineOp<TopKParams, One, Two>({
  name: "topK",
  infer([x], { k }) {
    checkDType("topK", x, FLOATS);
    const last = x.dims[x.dims.length - 1];
    if (last === undefined || !Number.isInteger(k) || k < 0 || k > last) {
      throw new ShapeError(
        "SHAPE-01",
        `topK: cannot take ${k} of the ${last ?? 0} elements along the last axis of ${showAval(x)}`,
      );
    }
    const form = aval(x.dtype, [...x.dims.slice(0, -1), k], [...x.names.slice(0, -1), null]);
    return [form, { ...form, dtype: "int32" }];
  },
  jvp: {
    kind: "rule",
    apply: ([dx], _x, [, indices]) => [
      dx === null ? null : gather(dx, indices, dx.dims.length - 1, 1),
      null,
    ],
  },
  transpose: notLinear("its tangent is a gather"),
  batch: ([x], _mapped, p) => topK(x, p.k),
  shard: ([x], _y, p) => {
    const factors = factorNames(x.dims.length);
    const best = factors.map((factor, i) => (i === x.dims.length - 1 ? null : factor));
    return rule(p, [factors], [best, best], { moves: factors.slice(-1) });
  },
  evaluate: ([x], { k }, [v, i]) => {
    const best = zeros(v);
    const places = zeros(i);
    let line = 0;
    forLines(x.dims, x.dims.length - 1, (base, _stride, length) => {
      const order = Array.from({ length }, (_, j) => j).sort(
        (a, b) => falling(at(x, base + a), at(x, base + b)) || a - b,
      );
      order.slice(0, k).forEach((from, j) => {
        put(best, line * k + j, at(x, base + from));
        put(places, line * k + j, from);
      });
      line++;
    });
    return [best, places];
  },
  simplify: () => null,
  lower: {
    onnx: (g, [x], { k }, { inputs: [from], outputs: [v, i] }) => {
      // ONNX Runtime's kernel may end the process where there is nothing to take.
      if (sizeOf(v.dims) === 0)
        return [g.constant(v.dtype, v.dims, []), g.constant("int32", i.dims, [])];
      const exact = g.exact(x, from.dims);
      // TopK itself has no order for NaN.
      const key = sortable(g, exact, NAN_SIZE);
      const [, long] = g.nodes({
        op: "TopK",
        inputs: [key, g.constant("int64", [1], [k])],
        attributes: { axis: { int: -1 }, largest: { int: 1 }, sorted: { int: 1 } },
        outputs: [
          { dtype: key.dtype, dims: v.dims },
          { dtype: "int64", dims: i.dims },
        ],
      });
      if (long === undefined) throw new Error("TopK has two outputs");
      const best = g.node("GatherElements", [exact, long], v, { axis: { int: -1 } });
      return [best, g.node("Cast", [long], i, { to: { int: 6 } })];
    },
    stablehlo: (h, [x], { k }, ys) => topKStablehlo(h, x, k, ys),
  },
  samples: () => [
    sample("one row", [random(6)], { k: 3 }),
    sample("rows", [random(3, 5)], { k: 2 }),
    sample("all", [random(2, 4)], { k: 4 }),
    sample(
      "ties take the lower index",
      [values(aval("float32", [5]), 2, 3, 3, 1, 3)],
      { k: 2 },
      false,
    ),
    sample(
      "NaN is the largest",
      [values(aval("float32", [7]), 3, NaN, -Infinity, 1, NaN, Infinity, Infinity)],
      { k: 5 },
      false,
    ),
    sample(
      "of equal infinities",
      [values(aval("float32", [3]), -Infinity, 1, -Infinity)],
      { k: 3 },
      false,
    ),
    sample("none", [random(2, 3)], { k: 0 }),
    sample("of none", [random(0, 3)], { k: 2 }),
  ],
  rejects: () => [
    rejects(
      "more than there are",
      [aval("float32", [2, 3])],
      { k: 4 },
      "topK: cannot take 4 of the 3 elements along the last axis of float32[2, 3]",
    ),
  ],
});

/** Negative where a stands before b: the larger first, NaN above all numbers. */
function falling(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return a === b ? 0 : b - a;
}

export function topK(x: Tensor, k: number): readonly [values: Tensor, indices: Tensor] {
  return apply(topKOp, [x], { k });
}
