/** @file Ops that only look at elements in another order: reshape (which also renames) and transpose. */

import type { AxisName } from "../core/axes.ts";
import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import { build, get } from "../core/ndarray.ts";
import { defineOp, linear, type One, type Op } from "../core/op.ts";
import { booleans, random, rejects, sample } from "../core/samples.ts";
import { type Aval, aval, dimOf, sameDims, showAval, sizeOf } from "../core/shape.ts";
import {
  type AxisFactors,
  type Factor,
  factorNames,
  rule,
  type ShardingRule,
} from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";

export interface ReshapeParams {
  readonly dims: readonly number[];
  readonly names: readonly AxisName[];
}

/** The same elements in row-major order under other dims. */
export const reshapeOp: Op<ReshapeParams, One, One> = defineOp<ReshapeParams, One, One>({
  name: "reshape",
  infer([x], { dims, names }) {
    if (sizeOf(dims) === sizeOf(x.dims)) return [aval(x.dtype, dims, names)];
    throw new ShapeError("SHAPE-01", "reshape: the number of elements must stay.", [
      ["from", `${showAval(x)}, ${sizeOf(x.dims)} elements`],
      ["to", `[${dims.join(", ")}], ${sizeOf(dims)} elements`],
    ]);
  },
  jvp: linear,
  transpose: {
    kind: "rule",
    apply: ([ct], [x]) => [ct === null ? null : reshape(ct, x.aval.dims, x.aval.names)],
  },
  batch: ([x], _mapped, p, size) => [reshape(x, [size, ...p.dims], [null, ...p.names])],
  shard: ([x], [y], p) => reshapeRule(x, y, p),
  evaluate: ([x], _p, [y]) => [{ dtype: y.dtype, dims: y.dims, data: x.data.slice() }],
  simplify([x], p) {
    if (sameDims(x.tensor.dims, p.dims) && x.tensor.names.every((name, i) => name === p.names[i]))
      return [x.tensor];
    const [source] = x.inputs;
    return x.op === (reshapeOp as unknown as Op) && source !== undefined
      ? [reshape(source, p.dims, p.names)]
      : null;
  },
  lower: {
    onnx: (g, [x], { dims }, { inputs: [from] }) => [
      sameDims(from.dims, dims) ? x : g.reshape(g.exact(x, from.dims), dims),
    ],
    stablehlo: (h, [x], _p, [y]) => [
      h.line(`stablehlo.reshape ${x.name} : (${h.type(x)}) -> ${h.type(y)}`, y),
    ],
  },
  samples: () => [
    sample("merge", [random(2, 3)], { dims: [6], names: [null] }),
    sample("split", [random(6, 2)], { dims: [2, 3, 2], names: [null, null, null] }),
    sample("regroup", [random(4, 6)], { dims: [8, 3], names: [null, null] }),
    sample("to a scalar", [random(1, 1)], { dims: [], names: [] }),
    sample("nothing", [random(0, 3)], { dims: [3, 0], names: [null, null] }),
  ],
  rejects: () => [
    rejects(
      "another size",
      [aval("float32", [2, 3])],
      { dims: [5], names: [null] },
      "reshape: the number of elements must stay.",
    ),
  ],
});

/**
 * The common factors of both sides, from the major end: 2·12 ↔ 6·4 is (2)(3 4) ↔ (2 3)(4). Where neither length divides
 * the other, 4·6 ↔ 6·4, their greatest common divisor is shared and the rest is each side's own: its elements go elsewhere.
 */
function reshapeRule(x: Aval, y: Aval, p: ReshapeParams): ShardingRule<ReshapeParams> {
  const lengths: Record<Factor, number> = {};
  const fresh = (length: number): Factor => {
    const [name = ""] = factorNames(1, Object.keys(lengths).length);
    lengths[name] = length;
    return name;
  };
  const [from, to] = [sideOf(x), sideOf(y)];
  while (sizeOf(x.dims) > 0) {
    const [a, b] = [from.order[0], to.order[0]];
    if (a === undefined || b === undefined) break;
    const shared = greatestCommonDivisor(from.left[a] ?? 1, to.left[b] ?? 1);
    if (shared === 1) break;
    const factor = fresh(shared);
    const rests = [take(from, a, factor, shared), take(to, b, factor, shared)];
    if (rests.every((rest) => rest > 1)) break;
  }
  const moves: Factor[] = [];
  const own = (side: Side) =>
    side.axes.map((factors, i) => {
      const rest = side.left[i] ?? 1;
      if (rest === 1 || factors.length === 0) return factors;
      moves.push(fresh(rest));
      return [...factors, ...moves.slice(-1)];
    });
  const plain = (axes: readonly Factor[][]) =>
    axes.map((factors): AxisFactors => (factors.length > 1 ? factors : (factors[0] ?? null)));
  return {
    ...rule(p, [plain(own(from))], [plain(own(to))], { lengths, moves }),
    local: ([dims]) => ({ ...p, dims: dims ?? p.dims }),
  };
}

interface Side {
  readonly axes: readonly Factor[][];
  /** Of each axis, what no factor covers yet. */
  readonly left: number[];
  /** Axes that are not covered, the major one first. */
  readonly order: number[];
}

function sideOf({ dims }: Aval): Side {
  return {
    axes: dims.map(() => []),
    left: [...dims],
    // An axis of length 1 has nothing to split.
    order: dims.flatMap((dim, i) => (dim === 1 ? [] : [i])),
  };
}

/** Gives a factor to an axis. @returns what is left of it */
function take(side: Side, axis: number, factor: Factor, length: number): number {
  side.axes[axis]?.push(factor);
  const rest = (side.left[axis] ?? 1) / length;
  side.left[axis] = rest;
  if (rest === 1) side.order.shift();
  return rest;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

export function reshape(x: Tensor, dims: readonly number[], names?: readonly AxisName[]): Tensor {
  const named = names ?? dims.map(() => null);
  if (sameDims(x.dims, dims) && x.names.every((name, i) => name === named[i])) return x;
  return apply(reshapeOp, [x], { dims, names: named })[0];
}

export interface TransposeParams {
  /** Axis `i` of the result is axis `order[i]` of the operand. */
  readonly order: readonly number[];
}

export const transposeOp: Op<TransposeParams, One, One> = defineOp<TransposeParams, One, One>({
  name: "transpose",
  infer([x], { order }) {
    const isOrder = order.length === x.dims.length && x.dims.every((_, i) => order.includes(i));
    if (isOrder)
      return [
        aval(
          x.dtype,
          order.map((i) => dimOf(x, i)),
          order.map((i) => x.names[i] ?? null),
        ),
      ];
    throw new ShapeError(
      "SHAPE-01",
      `transpose: [${order.join(", ")}] is not an order of the ${x.dims.length} axes of ${showAval(x)}`,
    );
  },
  jvp: linear,
  transpose: {
    kind: "rule",
    apply: ([ct], _x, { order }) => [ct === null ? null : transpose(ct, inverse(order))],
  },
  batch: ([x], _mapped, { order }) => [transpose(x, [0, ...order.map((i) => i + 1)])],
  shard: ([x], _y, p) => {
    const factors = factorNames(x.dims.length);
    return rule(p, [factors], [p.order.map((i) => factors[i] ?? null)]);
  },
  evaluate: ([x], { order }, [y]) => {
    const back = inverse(order);
    return [
      build(y, (index) =>
        get(
          x,
          back.map((i) => index[i] ?? 0),
        ),
      ),
    ];
  },
  simplify([x], { order }) {
    if (order.every((axis, i) => axis === i)) return [x.tensor];
    const [source] = x.inputs;
    if (x.op !== (transposeOp as unknown as Op) || source === undefined) return null;
    const inner = (x.params as TransposeParams).order;
    return [
      transpose(
        source,
        order.map((i) => inner[i] ?? 0),
      ),
    ];
  },
  lower: {
    onnx: (g, [x], { order }, { inputs: [from] }) => [g.transpose(g.exact(x, from.dims), order)],
    stablehlo: (h, [x], { order }, [y]) => [
      h.line(
        `stablehlo.transpose ${x.name}, dims = [${order.join(", ")}] : (${h.type(x)}) -> ${h.type(y)}`,
        y,
      ),
    ],
  },
  samples: () => [
    sample("a matrix", [random(2, 3)], { order: [1, 0] }),
    sample("a cycle", [random(2, 3, 4)], { order: [2, 0, 1] }),
    sample("heads", [random(2, 3, 4, 5)], { order: [0, 2, 1, 3] }),
    sample("nothing", [random(2, 0)], { order: [1, 0] }),
  ],
  rejects: () => [
    rejects(
      "an axis twice",
      [aval("float32", [2, 3])],
      { order: [0, 0] },
      "transpose: [0, 0] is not an order of the 2 axes of float32[2, 3]",
    ),
  ],
});

export function inverse(order: readonly number[]): number[] {
  return order.map((_, i) => order.indexOf(i));
}

export function transpose(x: Tensor, order: readonly number[]): Tensor {
  return order.every((axis, i) => axis === i) ? x : apply(transposeOp, [x], { order })[0];
}

export interface ReverseParams {
  readonly axes: readonly number[];
}

/** The elements in the opposite order along some axes. */
export const reverseOp: Op<ReverseParams, One, One> = defineOp<ReverseParams, One, One>({
  name: "reverse",
  infer([x], { axes }) {
    if (axes.every((axis, i) => axis in x.dims && axes.indexOf(axis) === i)) return [x];
    throw new ShapeError(
      "SHAPE-01",
      `reverse: [${axes.join(", ")}] are not different axes of ${showAval(x)}`,
    );
  },
  jvp: linear,
  // Its own inverse, and its own transpose.
  transpose: {
    kind: "rule",
    apply: ([ct], _x, { axes }) => [ct === null ? null : reverse(ct, axes)],
  },
  batch: ([x], _mapped, { axes }) => [
    reverse(
      x,
      axes.map((axis) => axis + 1),
    ),
  ],
  shard: ([x], _y, p) => {
    const factors = factorNames(x.dims.length);
    return rule(p, [factors], [factors], { moves: factors.filter((_, i) => p.axes.includes(i)) });
  },
  evaluate: ([x], { axes }, [y]) => [
    build(y, (index) =>
      get(
        x,
        index.map((i, axis) => (axes.includes(axis) ? dimOf(x, axis) - 1 - i : i)),
      ),
    ),
  ],
  simplify([x], { axes }) {
    if (axes.every((axis) => dimOf(x.tensor.aval, axis) <= 1)) return [x.tensor];
    const [source] = x.inputs;
    if (x.op !== (reverseOp as unknown as Op) || source === undefined) return null;
    const inner = (x.params as ReverseParams).axes;
    const once = [...axes, ...inner].filter(
      (axis) => !axes.includes(axis) || !inner.includes(axis),
    );
    return [once.length === 0 ? source : reverse(source, once)];
  },
  lower: {
    // A Slice with step −1; the end lies below every index, since −1 would mean the last element.
    onnx: (g, [x], { axes }, { inputs: [from], outputs: [y] }) => {
      const int64 = (list: readonly number[]) => g.constant("int64", [list.length], list);
      const all = (n: number) => int64(axes.map(() => n));
      return [
        g.node(
          "Slice",
          [g.exact(x, from.dims), all(-1), all(Number.MIN_SAFE_INTEGER), int64(axes), all(-1)],
          y,
        ),
      ];
    },
    stablehlo: (h, [x], { axes }, [y]) => [
      h.line(`stablehlo.reverse ${x.name}, dims = [${axes.join(", ")}] : ${h.type(y)}`, y),
    ],
  },
  samples: () => [
    sample("a row", [random(5)], { axes: [0] }),
    sample("the outer axis", [random(3, 2)], { axes: [0] }),
    sample("two axes", [random(2, 3, 4)], { axes: [2, 0] }),
    sample("one element", [random(1, 3)], { axes: [0] }),
    sample("nothing", [random(0, 2)], { axes: [0, 1] }),
    sample("truth", [booleans(5)], { axes: [0] }, false),
  ],
  rejects: () => [
    rejects(
      "an axis twice",
      [aval("float32", [2, 3])],
      { axes: [1, 1] },
      "reverse: [1, 1] are not different axes of float32[2, 3]",
    ),
  ],
});

export function reverse(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply(reverseOp, [x], { axes })[0];
}
