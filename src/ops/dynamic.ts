/**
 * @file Boxes whose place is a run-time value: dynamicSlice and dynamicUpdateSlice.
 *
 * The start is one int32 per axis. It is clamped so that the whole box lies inside, see docs/indexing.md.
 */

import { apply } from "../core/builder.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { at, build, get, type NdArray, offsetOf, put } from "../core/ndarray.ts";
import {
  defineOp,
  isLinear,
  type One,
  type Op,
  type Operand,
  type Three,
  type Two,
} from "../core/op.ts";
import { integers, random, rejects, sample, values, words } from "../core/samples.ts";
import { type Aval, aval, dimOf, sameDims, showAval, sizeOf, stridesOf } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul } from "./arithmetic.ts";
import { broadcast, fullLike, iota, literal } from "./creation.ts";
import { type NoParams, noParams, repeat, spread } from "./families.ts";
import { clamp, gather } from "./indexing.ts";
import { reshape } from "./layout.ts";
import { maximum, minimum } from "./magnitude.ts";
import { concatenate, slice } from "./pieces.ts";
import { scatterSet } from "./scatter.ts";
import { sum } from "./sum.ts";

export interface DynamicSliceParams {
  /** The box, one size per axis. */
  readonly sizes: readonly number[];
}

function checkBox(name: string, x: Aval, sizes: readonly number[], start: Aval): void {
  if (start.dtype !== "int32")
    throw new DTypeError("DTYPE-01", `${name}: the start must be int32, not ${showAval(start)}`);
  const facts = [
    ["operand", showAval(x)],
    ["box", `[${sizes.join(", ")}]`],
    ["start", showAval(start)],
  ] as const;
  if (!sameDims(start.dims, [x.dims.length]))
    throw new ShapeError("SHAPE-01", `${name}: the start must be one number per axis.`, facts);
  const inside =
    sizes.length === x.dims.length && sizes.every((n, i) => n >= 0 && n <= dimOf(x, i));
  if (!inside)
    throw new ShapeError("SHAPE-01", `${name}: the box does not fit into the operand.`, facts);
}

/** The start of the box after clamping. */
function startOf(x: NdArray, sizes: readonly number[], start: NdArray): number[] {
  return x.dims.map((dim, i) => clamp(at(start, i), dim - (sizes[i] ?? 0) + 1));
}

/** A whole axis starts at 0 wherever it is cut; along others a piece has to know where the box lies. */
function boxFactors(x: Aval, box: Aval) {
  const factors = factorNames(x.dims.length);
  return {
    operand: factors,
    box: factors.map((factor, i) => (x.dims[i] === box.dims[i] ? factor : null)),
    moves: factors.filter((_, i) => x.dims[i] !== box.dims[i]),
  };
}

/**
 * Rows of a flattened operand for a batch of boxes: axes up to the last one that is not whole make up
 * one axis of rows, and a box is a set of such rows.
 */
function rowsOfBoxes(dims: readonly number[], sizes: readonly number[], starts: Tensor) {
  const lead = leadingAxes(dims, sizes);
  const [rows, box] = [dims.slice(0, lead), sizes.slice(0, lead)];
  const count = dimOf(starts.aval, 0);
  const form = (axes: number) => aval("int32", [count, axes]);
  const row = (list: readonly number[]) =>
    broadcast(literal(aval("int32", [list.length]), list), { ...form(list.length), axes: [1] });
  const own = slice(starts, [0, 0], [count, lead]);
  const last = row(rows.map((dim, i) => dim - (box[i] ?? 0)));
  const clamped = minimum(maximum(own, fullLike(form(lead), 0)), last);
  const base = sum(mul(clamped, row(stridesOf(rows))), [1]);
  const whole = aval("int32", [count, ...box]);
  const index = stridesOf(rows).reduce(
    (total, stride, i) => {
      const steps = iota(whole, i + 1);
      return add(total, mul(steps, fullLike(whole, stride)));
    },
    broadcast(base, { ...whole, axes: [0] }),
  );
  return { index, rows: sizeOf(rows), rest: dims.slice(lead) };
}

/** How many axes there are up to the last one that the box does not fill; at least 1. */
function leadingAxes(dims: readonly number[], sizes: readonly number[]): number {
  return Math.max(1, 1 + dims.findLastIndex((dim, i) => dim !== sizes[i]));
}

/** Starts of a batch whose own axis is kept whole. */
function withBatchAxis(start: Tensor): Tensor {
  return concatenate([fullLike(aval("int32", [1]), 0), reshape(start, start.dims)], 0);
}

/** `y[i…] = x[start + i…]` over a box of `sizes`. */
export const dynamicSliceOp: Op<DynamicSliceParams, Two, One> = defineOp<
  DynamicSliceParams,
  Two,
  One
>({
  name: "dynamicSlice",
  infer([x, start], { sizes }) {
    checkBox("dynamicSlice", x, sizes, start);
    return [aval(x.dtype, sizes, x.names)];
  },
  jvp: {
    kind: "rule",
    apply: ([dx], [, start], _y, { sizes }) => [
      dx === null ? null : dynamicSlice(dx, start, sizes),
    ],
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [x, start]) => [
      ct === null || isLinear(start) ? null : dynamicUpdateSlice(fullLike(x.aval, 0), ct, start),
      null,
    ],
  },
  batch: ([x, start], [xMapped, sMapped], { sizes }, size) => {
    if (!sMapped) return [dynamicSlice(x, withBatchAxis(start), [size, ...sizes])];
    if (sizes.length === 0) return [xMapped ? x : repeat(x, size)];
    const { index, rows, rest } = rowsOfBoxes(xMapped ? x.dims.slice(1) : x.dims, sizes, start);
    const table = reshape(x, [...(xMapped ? [size] : []), rows, ...rest]);
    const names = [null, ...x.names.slice(xMapped ? 1 : 0)];
    const boxes = gather(table, index, xMapped ? 1 : 0, xMapped ? 1 : size);
    return [reshape(boxes, [size, ...sizes], names)];
  },
  shard: ([x], [y], p) => {
    const { operand, box, moves } = boxFactors(x, y);
    return {
      ...rule(p, [operand, [null]], [box], { moves }),
      local: ([sizes = []]) => ({ sizes }),
    };
  },
  evaluate: ([x, start], { sizes }, [y]) => {
    const from = startOf(x, sizes, start);
    return [
      build(y, (index) =>
        get(
          x,
          index.map((i, axis) => i + (from[axis] ?? 0)),
        ),
      ),
    ];
  },
  simplify: ([x], { sizes }) => (sameDims(x.tensor.dims, sizes) ? [x.tensor] : null),
  lower: {
    onnx: (g, [x, start], { sizes }, { inputs: [xForm, sForm], outputs: [y] }) => {
      const axes = xForm.dims.map((_, i) => i).filter((i) => xForm.dims[i] !== sizes[i]);
      const whole = g.exact(x, xForm.dims);
      if (axes.length === 0) return [whole];
      const int64 = (list: readonly number[]) => g.constant("int64", [list.length], list);
      const from = clampedOnnx(g, g.exact(start, sForm.dims), xForm, sizes, axes);
      const to = g.node("Add", [from, int64(axes.map((i) => sizes[i] ?? 0))], from);
      return [g.node("Slice", [whole, from, to, int64(axes)], y)];
    },
    stablehlo: (h, [x, start], { sizes }, [y]) => {
      if (x.dims.length === 0) return [x];
      const scalars = scalarsOf(h, start);
      return [
        h.line(
          `stablehlo.dynamic_slice ${[x, ...scalars].map((v) => v.name).join(", ")}, sizes = [${sizes.join(", ")}] : (${[x, ...scalars].map((v) => h.type(v)).join(", ")}) -> ${h.type(y)}`,
          y,
        ),
      ];
    },
  },
  samples: () => [
    sample("a row of numbers", [random(7), integers(0, 4, 1)], { sizes: [3] }),
    sample("rows", [random(5, 3), at2(2, 0)], { sizes: [2, 3] }),
    sample("columns", [random(3, 5), at2(0, 1)], { sizes: [3, 2] }),
    sample("a box", [random(4, 5, 2), values(aval("int32", [3]), 1, 2, 0)], { sizes: [2, 3, 2] }),
    sample("before the start is clamped", [random(4, 5), at2(-1, -(2 ** 31))], { sizes: [2, 3] }),
    sample("past the end is clamped", [random(4, 5), at2(3, 2 ** 31 - 1)], { sizes: [2, 3] }),
    sample("the whole", [random(2, 3), at2(5, -5)], { sizes: [2, 3] }),
    sample("nothing", [random(2, 3), at2(1, 9)], { sizes: [0, 2] }),
    sample("nothing of nothing", [random(0, 3), at2(1, 1)], { sizes: [0, 2] }),
    sample("a scalar", [random(), integers(0, 1, 0)], { sizes: [] }),
    sample("words", [words(5), integers(0, 4, 1)], { sizes: [2] }, false),
  ],
  rejects: () => [
    rejects(
      "a box too large",
      [aval("float32", [3]), aval("int32", [1])],
      { sizes: [4] },
      "dynamicSlice: the box does not fit into the operand.",
    ),
    rejects(
      "one start for two axes",
      [aval("float32", [3, 3]), aval("int32", [1])],
      { sizes: [1, 1] },
      "dynamicSlice: the start must be one number per axis.",
    ),
    rejects(
      "a start between elements",
      [aval("float32", [3]), aval("float32", [1])],
      { sizes: [1] },
      "dynamicSlice: the start must be int32, not float32[1]",
    ),
  ],
});

function at2(row: number, column: number) {
  return values(aval("int32", [2]), row, column);
}

/** The start on some axes, clamped, as int64. */
function clampedOnnx(
  g: OnnxEmitter,
  start: OnnxValue,
  x: Aval,
  sizes: readonly number[],
  axes: readonly number[],
): OnnxValue {
  const form = aval("int32", [axes.length]);
  const int32 = (list: readonly number[]) => g.constant("int32", [list.length], list);
  const own =
    axes.length === x.dims.length
      ? start
      : g.node("Gather", [start, int32(axes)], form, { axis: { int: 0 } });
  const last = int32(axes.map((i) => dimOf(x, i) - (sizes[i] ?? 0)));
  const raised = g.node("Max", [own, g.constant("int32", [], [0])], form);
  const clamped = g.node("Min", [raised, last], form);
  return g.node("Cast", [clamped], { ...form, dtype: "int64" }, { to: { int: 7 } });
}

/** XLA takes the start as one scalar per axis, and clamps it as we do. */
function scalarsOf(h: HloEmitter, start: HloValue): HloValue[] {
  const [one, scalar] = [aval("int32", [1]), aval("int32", [])];
  return Array.from({ length: dimOf(start, 0) }, (_, i) => {
    const cut = h.line(
      `stablehlo.slice ${start.name} [${i}:${i + 1}] : (${h.type(start)}) -> ${h.type(one)}`,
      one,
    );
    return h.line(`stablehlo.reshape ${cut.name} : (${h.type(cut)}) -> ${h.type(scalar)}`, scalar);
  });
}

export function dynamicSlice(x: Tensor, start: Tensor, sizes: readonly number[]): Tensor {
  return apply(dynamicSliceOp, [x, start], { sizes })[0];
}

/** `y = x` with `y[start + i…] = u[i…]`. */
export const dynamicUpdateSliceOp: Op<NoParams, Three, One> = defineOp<NoParams, Three, One>({
  name: "dynamicUpdateSlice",
  infer([x, u, start]) {
    checkBox("dynamicUpdateSlice", x, u.dims, start);
    if (u.dtype === x.dtype) return [x];
    throw new DTypeError("DTYPE-01", "dynamicUpdateSlice: operand and update differ in dtype.", [
      ["operand", showAval(x)],
      ["update", showAval(u)],
    ]);
  },
  jvp: {
    kind: "rule",
    apply: ([dx, du], [x, u, start]) => [
      dx === null && du === null
        ? null
        : dynamicUpdateSlice(dx ?? fullLike(x, 0), du ?? fullLike(u, 0), start),
    ],
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [x, u, start]) => {
      if (ct === null || isLinear(start)) return [null, null, null];
      const whenLinear = (operand: Operand, back: () => Tensor) =>
        isLinear(operand) ? back() : null;
      return [
        whenLinear(x, () => dynamicUpdateSlice(ct, fullLike(u.aval, 0), start)),
        whenLinear(u, () => dynamicSlice(ct, start, u.aval.dims)),
        null,
      ];
    },
  },
  batch: (inputs, mapped, _params, size) => {
    const [x, u, starts] = spread(inputs, mapped, size);
    if (!mapped[2]) return [dynamicUpdateSlice(x, u, withBatchAxis(inputs[2]))];
    if (x.rank === 1) return [u];
    const { index, rows, rest } = rowsOfBoxes(x.dims.slice(1), u.dims.slice(1), starts);
    const table = reshape(x, [size, rows, ...rest]);
    const written = scatterSet(table, u, index, { batchDims: 1, distinct: 1 });
    return [reshape(written, x.dims, x.names)];
  },
  shard: ([x, u]) => {
    const { operand, box, moves } = boxFactors(x, u);
    return rule(noParams, [operand, box, [null]], [operand], { moves });
  },
  evaluate: ([x, u, start]) => {
    const y = { ...x, data: x.data.slice() };
    const from = startOf(x, u.dims, start);
    build(u, (index, flat) => {
      const place = index.map((i, axis) => i + (from[axis] ?? 0));
      put(y, offsetOf(y.dims, place), at(u, flat));
      return 0;
    });
    return [y];
  },
  simplify: ([x, u]) => (sameDims(x.tensor.dims, u.tensor.dims) ? [u.tensor] : null),
  lower: {
    // Rows of the flattened operand at distinct places: ScatterND may then write in place.
    onnx: (g, [x, u, start], _params, { inputs: [xForm, uForm, sForm] }) => {
      if (sameDims(xForm.dims, uForm.dims)) return [u];
      const lead = leadingAxes(xForm.dims, uForm.dims);
      const [rows, box] = [xForm.dims.slice(0, lead), uForm.dims.slice(0, lead)];
      const axes = rows.map((_, i) => i);
      const from = clampedOnnx(g, g.exact(start, sForm.dims), xForm, uForm.dims, axes);
      const int64 = (dims: readonly number[], list: readonly number[]) =>
        g.constant("int64", dims, list);
      const strides = stridesOf(rows);
      const base =
        lead === 1
          ? from
          : g.node(
              "ReduceSum",
              [g.node("Mul", [from, int64([lead], strides)], from), int64([1], [0])],
              aval("int64", [1]),
            );
      const count = sizeOf(box);
      const steps: number[] = [];
      build({ dtype: "bool", dims: box }, (index) => steps.push(offsetOf(rows, index)));
      const form = aval("int64", [count, 1]);
      const places = g.node("Add", [int64([count, 1], steps), base], form);
      const width = sizeOf(xForm.dims.slice(lead));
      const table = aval(xForm.dtype, [sizeOf(rows), width]);
      const [flat, update] = [
        g.reshape(g.exact(x, xForm.dims), table.dims),
        g.reshape(g.exact(u, uForm.dims), [count, width]),
      ];
      return [g.reshape(g.node("ScatterND", [flat, places, update], table), xForm.dims)];
    },
    stablehlo: (h, [x, u, start]) => {
      if (x.dims.length === 0) return [u];
      const operands = [x, u, ...scalarsOf(h, start)];
      return [
        h.line(
          `stablehlo.dynamic_update_slice ${operands.map((v) => v.name).join(", ")} : (${operands.map((v) => h.type(v)).join(", ")}) -> ${h.type(x)}`,
          x,
        ),
      ];
    },
  },
  samples: () => [
    sample("a row of numbers", [random(7), random(3), integers(0, 4, 1)], noParams),
    sample("rows", [random(5, 3), random(2, 3), at2(2, 0)], noParams),
    sample("columns", [random(3, 5), random(3, 2), at2(0, 1)], noParams),
    sample(
      "a box",
      [random(4, 5, 2), random(2, 3, 2), values(aval("int32", [3]), 1, 2, 0)],
      noParams,
    ),
    sample(
      "before the start is clamped",
      [random(4, 5), random(2, 3), at2(-1, -(2 ** 31))],
      noParams,
    ),
    sample("past the end is clamped", [random(4, 5), random(2, 3), at2(3, 2 ** 31 - 1)], noParams),
    sample("the whole", [random(2, 3), random(2, 3), at2(5, -5)], noParams),
    sample("nothing", [random(2, 3), random(0, 2), at2(1, 9)], noParams),
    sample("nothing into nothing", [random(0, 3), random(0, 2), at2(1, 1)], noParams),
    sample("a scalar", [random(), random(), integers(0, 1, 0)], noParams),
    sample("words", [words(5), words(2), integers(0, 4, 1)], noParams, false),
  ],
  rejects: () => [
    rejects(
      "an update too large",
      [aval("float32", [3]), aval("float32", [4]), aval("int32", [1])],
      noParams,
      "dynamicUpdateSlice: the box does not fit into the operand.",
    ),
    rejects(
      "another dtype",
      [aval("float32", [3]), aval("int32", [2]), aval("int32", [1])],
      noParams,
      "dynamicUpdateSlice: operand and update differ in dtype.",
    ),
  ],
});

export function dynamicUpdateSlice(x: Tensor, u: Tensor, start: Tensor): Tensor {
  return apply(dynamicUpdateSliceOp, [x, u, start], noParams)[0];
}
