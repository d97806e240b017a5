/** @file Ops that cut tensors and put them together: slice, pad, concatenate, split. */

import { type AxisName, mergeName } from "../core/axes.ts";
import { apply } from "../core/builder.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { build, get, type NdArray } from "../core/ndarray.ts";
import { defineOp, linear, type Many, type MaybeZero, type One, type Op } from "../core/op.ts";
import { booleans, integers, random, rejects, sample, words } from "../core/samples.ts";
import { type Aval, aval, dimOf, sameDims, showAval, without } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { fullLike } from "./creation.ts";
import { repeat } from "./families.ts";
import { padOnnx, sliceOnnx } from "./pieces.onnx.ts";

export interface SliceParams {
  readonly start: readonly number[];
  readonly limit: readonly number[];
  /** Every how many-th element along each axis, from `start`. */
  readonly stride: readonly number[];
}

/** Elements of a box, `start ≤ index < limit`, every `stride`-th along each axis. */
export const sliceOp: Op<SliceParams, One, One> = defineOp<SliceParams, One, One>({
  name: "slice",
  infer([x], { start, limit, stride }) {
    const [rank, box] = [x.dims.length, `[${start.join(", ")}] to [${limit.join(", ")}]`];
    if ([start, limit, stride].some((list) => list.length !== rank) || !fits(x, start, limit)) {
      throw new ShapeError("SHAPE-01", `slice: ${box} is no box inside ${showAval(x)}`);
    }
    if (stride.some((step) => !Number.isInteger(step) || step < 1)) {
      const fix = ["fix", "use reverse for the other direction"] as const;
      const headline = `slice: strides [${stride.join(", ")}] must be whole numbers ≥ 1.`;
      throw new ShapeError("SHAPE-01", headline, [["operand", showAval(x)], fix]);
    }
    const dims = start.map((from, i) => Math.ceil(((limit[i] ?? 0) - from) / (stride[i] ?? 1)));
    return [aval(x.dtype, dims, x.names)];
  },
  jvp: linear,
  // Every element goes back to its place, with zeros around and between.
  transpose: {
    kind: "rule",
    apply: ([ct], [x], { start, stride }) => {
      if (ct === null) return [null];
      const between = stride.map((step) => step - 1);
      const high = x.aval.dims.map(
        (dim, i) => dim - (start[i] ?? 0) - dilated(dimOf(ct.aval, i), between[i] ?? 0),
      );
      return [pad(ct, start, high, between)];
    },
  },
  batch: ([x], _mapped, { start, limit, stride }, size) => [
    slice(x, [0, ...start], [size, ...limit], [1, ...stride]),
  ],
  shard: ([x], [y], p) => {
    const factors = factorNames(x.dims.length);
    const moves = factors.filter((_, i) => x.dims[i] !== y.dims[i]);
    const limit = (dims: readonly number[] = []) =>
      p.limit.map((to, i) => (x.dims[i] === y.dims[i] ? (dims[i] ?? 0) : to));
    return {
      ...rule(p, [factors], [factors], { moves }),
      local: ([dims]) => ({ ...p, limit: limit(dims) }),
    };
  },
  evaluate: ([x], { start, stride }, [y]) => [
    build(y, (index) =>
      get(
        x,
        index.map((i, axis) => i * (stride[axis] ?? 1) + (start[axis] ?? 0)),
      ),
    ),
  ],
  simplify: ([x], { start, limit, stride }) =>
    start.every((from, i) => from === 0 && limit[i] === x.tensor.dims[i] && stride[i] === 1)
      ? [x.tensor]
      : null,
  lower: {
    onnx: sliceOnnx,
    stablehlo: (h, [x], { start, limit, stride }, [y]) => [
      h.line(
        `stablehlo.slice ${x.name} [${start.map((from, i) => `${from}:${limit[i]}:${stride[i]}`).join(", ")}] : (${h.type(x)}) -> ${h.type(y)}`,
        y,
      ),
    ],
  },
  samples: () => [
    sample("a box", [random(4, 5)], { start: [1, 0], limit: [3, 5], stride: [1, 1] }),
    sample("one element", [random(3)], { start: [2], limit: [3], stride: [1] }),
    sample("nothing", [random(3, 2)], { start: [1, 0], limit: [1, 2], stride: [1, 1] }),
    sample("every third", [random(2, 8)], { start: [0, 1], limit: [2, 8], stride: [1, 3] }),
    sample("strides both ways", [random(5, 7)], { start: [0, 1], limit: [5, 6], stride: [2, 2] }),
    sample("a stride past the end", [random(4)], { start: [1], limit: [4], stride: [9] }),
    sample("truth", [booleans(6)], { start: [1], limit: [6], stride: [2] }, false),
    sample("words", [words(5)], { start: [0], limit: [5], stride: [2] }, false),
  ],
  rejects: () => [
    rejects(
      "past the end",
      [aval("float32", [3])],
      { start: [1], limit: [4], stride: [1] },
      "slice: [1] to [4] is no box inside float32[3]",
    ),
    rejects(
      "a stride backwards",
      [aval("float32", [3])],
      { start: [0], limit: [3], stride: [-1] },
      "slice: strides [-1] must be whole numbers ≥ 1.",
    ),
  ],
});

function fits(x: Aval, start: readonly number[], limit: readonly number[]): boolean {
  return x.dims.every((dim, i) => {
    const [from, to] = [start[i] ?? -1, limit[i] ?? -1];
    return 0 <= from && from <= to && to <= dim;
  });
}

/** Every `stride`-th element of a box; stride 1 where absent. */
export function slice(
  x: Tensor,
  start: readonly number[],
  limit: readonly number[],
  stride: readonly number[] = start.map(() => 1),
): Tensor {
  return apply(sliceOp, [x], { start, limit, stride })[0];
}

export interface PadParams {
  /** Elements put before the first along each axis; negative ones are cut away. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** Elements put between any two neighbours, never negative. They count before `low` and `high` do. */
  readonly interior: readonly number[];
  readonly value: number;
}

/** Length of `size` elements with `between` new ones between any two. */
export function dilated(size: number, between: number): number {
  return size + Math.max(0, size - 1) * between;
}

/**
 * One value around and between the elements: element i of an axis moves to `low + i (interior + 1)`,
 * and what falls outside is cut away.
 */
export const padOp: Op<PadParams, One, One> = defineOp<PadParams, One, One>({
  name: "pad",
  infer([x], { low, high, interior }) {
    const show = [low, high, interior].map((list) => `[${list.join(", ")}]`);
    if ([low, high, interior].some((list) => list.length !== x.dims.length)) {
      throw new ShapeError(
        "SHAPE-01",
        `pad: ${show.join(", ")} must have one number per axis of ${showAval(x)}`,
      );
    }
    const dims = x.dims.map(
      (dim, i) => dilated(dim, interior[i] ?? 0) + (low[i] ?? 0) + (high[i] ?? 0),
    );
    if (interior.every((n) => n >= 0) && dims.every((n) => Number.isInteger(n) && n >= 0))
      return [aval(x.dtype, dims, x.names)];
    throw new ShapeError("SHAPE-01", `pad: nothing of a size below 0 can be made.`, [
      ["operand", showAval(x)],
      ["before", show[0] ?? ""],
      ["after", show[1] ?? ""],
      ["between", `${show[2]}, each must be ≥ 0`],
      ["result", `[${dims.join(", ")}]`],
    ]);
  },
  jvp: {
    kind: "rule",
    apply: ([dx], _x, _y, { low, high, interior }) => [
      dx === null ? null : pad(dx, low, high, interior),
    ],
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [x], { low, high, interior }) => {
      if (ct === null) return [null];
      const back = (list: readonly number[]) => list.map((n) => Math.max(0, -n));
      const whole = pad(ct, back(low), back(high)); // zeros for what was cut away
      const start = low.map((n) => Math.max(0, n));
      const limit = start.map((n, i) => n + dilated(dimOf(x.aval, i), interior[i] ?? 0));
      return [
        slice(
          whole,
          start,
          limit,
          interior.map((n) => n + 1),
        ),
      ];
    },
  },
  batch: ([x], _mapped, { low, high, interior, value }) => [
    pad(x, [0, ...low], [0, ...high], [0, ...interior], value),
  ],
  shard: ([x], _y, p) => {
    const factors = factorNames(x.dims.length);
    const moves = factors.filter(
      (_, i) => p.low[i] !== 0 || p.high[i] !== 0 || p.interior[i] !== 0,
    );
    return rule(p, [factors], [factors], { moves });
  },
  evaluate: ([x], { low, interior, value }, [y]) => [
    build(y, (index) => {
      const place = index.map((i, axis) => (i - (low[axis] ?? 0)) / ((interior[axis] ?? 0) + 1));
      const inside = place.every((i, axis) => Number.isInteger(i) && i >= 0 && i < dimOf(x, axis));
      return inside ? get(x, place) : value;
    }),
  ],
  simplify: ([x], { low, high, interior }) =>
    [...low, ...high, ...interior].every((n) => n === 0) ? [x.tensor] : null,
  lower: {
    onnx: padOnnx,
    stablehlo: (h, [x], { low, high, interior, value }, [y]) => {
      const fill = h.splat(value, aval(y.dtype, []));
      return [
        h.line(
          `stablehlo.pad ${x.name}, ${fill.name}, low = [${low.join(", ")}], high = [${high.join(", ")}], interior = [${interior.join(", ")}] : (${h.type(x)}, ${h.type(fill)}) -> ${h.type(y)}`,
          y,
        ),
      ];
    },
  },
  samples: () => {
    const by = (low: number[], high: number[], interior: number[], value = 0): PadParams => {
      return { low, high, interior, value };
    };
    return [
      sample("both sides", [random(2, 3)], by([1, 0], [0, 2], [0, 0])),
      sample("nothing inside", [random(0, 2)], by([1, 0], [1, 0], [0, 0])),
      sample("cut on both sides", [random(4, 5)], by([-1, 0], [0, -2], [0, 0])),
      sample("cut and padded", [random(4)], by([-1], [2], [0])),
      sample("between", [random(2, 3)], by([0, 0], [0, 0], [2, 1])),
      sample("between, cut and padded", [random(3, 4)], by([1, -2], [-1, 3], [1, 2])),
      sample("between one and none", [random(1, 0)], by([0, 2], [1, 0], [3, 3])),
      sample("cut away whole", [random(3)], by([-5], [4], [0])),
      sample("cut to nothing", [random(3)], by([-2], [-1], [0])),
      sample("another value", [random(2, 2)], by([1, 0], [0, -1], [1, 0], 0.5)),
      sample("less than all", [random(3)], by([1], [1], [0], -Infinity), false),
      sample("integers", [integers(-9, 9, 3)], by([1], [1], [1], 7), false),
      sample("truth", [booleans(3)], by([1], [0], [1], 1), false),
    ];
  },
  rejects: () => [
    rejects(
      "less than nothing",
      [aval("float32", [3])],
      { low: [-4], high: [0], interior: [0], value: 0 },
      "pad: nothing of a size below 0 can be made.",
    ),
    rejects(
      "an axis forgotten",
      [aval("float32", [3, 2])],
      { low: [1], high: [0], interior: [0], value: 0 },
      "pad: [1], [0], [0] must have one number per axis of float32[3, 2]",
    ),
  ],
});

/** `value` around and between the elements; see `PadParams`. Nothing between where absent. */
export function pad(
  x: Tensor,
  low: readonly number[],
  high: readonly number[],
  interior: readonly number[] = low.map(() => 0),
  value = 0,
): Tensor {
  if ([...low, ...high, ...interior].every((n) => n === 0)) return x;
  return apply(padOp, [x], { low, high, interior, value })[0];
}

export interface ConcatenateParams {
  readonly axis: number;
}

export const concatenateOp: Op<ConcatenateParams, Many, One> = defineOp<
  ConcatenateParams,
  Many,
  One
>({
  name: "concatenate",
  infer(xs, { axis }) {
    const [first] = xs as readonly Aval[];
    if (first === undefined)
      throw new ShapeError("SHAPE-01", "concatenate: needs at least one operand");
    let names: readonly AxisName[] = first.names;
    const facts = () =>
      (xs as readonly Aval[]).map((x, i) => [`operand ${i + 1}`, showAval(x)] as const);
    for (const x of xs as readonly Aval[]) {
      if (x.dtype !== first.dtype)
        throw new DTypeError("DTYPE-01", "concatenate: operands have unequal dtypes.", facts());
      if (!sameDims(without(x.dims, axis), without(first.dims, axis)) || !(axis in x.dims)) {
        throw new ShapeError(
          "SHAPE-01",
          `concatenate: operands differ outside axis ${axis}.`,
          facts(),
        );
      }
      names = names.map((name, i) => mergeName("concatenate", name, x.names[i] ?? null, facts));
    }
    const total = (xs as readonly Aval[]).reduce((length, x) => length + dimOf(x, axis), 0);
    return [
      aval(
        first.dtype,
        first.dims.map((dim, i) => (i === axis ? total : dim)),
        names,
      ),
    ];
  },
  jvp: {
    kind: "rule",
    apply: (tangents, primals, _outputs, p) => {
      const dxs = tangents as readonly MaybeZero[];
      if (dxs.every((dx) => dx === null)) return [null];
      return [
        concatenate(
          (primals as readonly Tensor[]).map((x, i) => dxs[i] ?? fullLike(x, 0)),
          p.axis,
        ),
      ];
    },
  },
  transpose: {
    kind: "rule",
    apply: ([ct], operands, { axis }) => {
      const parts = operands as readonly { readonly aval: Aval }[];
      if (ct === null) return parts.map(() => null);
      return split(
        ct,
        axis,
        parts.map((x) => dimOf(x.aval, axis)),
      );
    },
  },
  batch: (xs, mapped, { axis }, size) => [
    concatenate(
      (xs as readonly Tensor[]).map((x, i) => (mapped[i] === true ? x : repeat(x, size))),
      axis + 1,
    ),
  ],
  shard: (xs, [y], p) => {
    const factors = factorNames(y.dims.length);
    const operands = (xs as readonly Aval[]).map(() => factors);
    return rule(p, operands, [factors], { moves: factors.slice(p.axis, p.axis + 1) });
  },
  evaluate: (xs, { axis }, [y]) => {
    const parts = xs as readonly NdArray[];
    return [
      build(y, (index) => {
        let i = index[axis] ?? 0;
        for (const x of parts) {
          if (i < dimOf(x, axis))
            return get(
              x,
              index.map((j, at) => (at === axis ? i : j)),
            );
          i -= dimOf(x, axis);
        }
        return 0;
      }),
    ];
  },
  simplify: (xs) =>
    xs.length === 1 && xs[0] !== undefined
      ? [(xs as readonly { tensor: Tensor }[])[0]?.tensor as Tensor]
      : null,
  lower: {
    onnx: (g, xs, { axis }, { inputs, outputs: [y] }) => [
      g.node(
        "Concat",
        xs.map((x, i) => g.exact(x, (inputs as readonly Aval[])[i]?.dims ?? [])),
        y,
        { axis: { int: axis } },
      ),
    ],
    stablehlo: (h, xs, { axis }, [y]) => [
      h.line(
        `stablehlo.concatenate ${xs.map((x) => x.name).join(", ")}, dim = ${axis} : (${xs.map((x) => h.type(x)).join(", ")}) -> ${h.type(y)}`,
        y,
      ),
    ],
  },
  samples: () => [
    sample("two", [random(2, 3), random(2, 1)], { axis: 1 }),
    sample("three", [random(1, 2), random(2, 2), random(1, 2)], { axis: 0 }),
    sample("one empty", [random(0, 2), random(2, 2)], { axis: 0 }),
  ],
  rejects: () => [
    rejects(
      "other sizes",
      [aval("float32", [2, 3]), aval("float32", [3, 3])],
      { axis: 1 },
      "concatenate: operands differ outside axis 1.",
    ),
  ],
});

export function concatenate(xs: readonly Tensor[], axis: number): Tensor {
  const [first] = xs;
  return xs.length === 1 && first !== undefined ? first : apply(concatenateOp, xs, { axis })[0];
}

export interface SplitParams {
  readonly axis: number;
  readonly sizes: readonly number[];
}

/** The pieces that `concatenate` along `axis` would put together again. */
export const splitOp: Op<SplitParams, One, Many> = defineOp<SplitParams, One, Many>({
  name: "split",
  infer([x], { axis, sizes }) {
    const total = sizes.reduce((a, b) => a + b, 0);
    if (x.dims[axis] !== total || sizes.length === 0) {
      throw new ShapeError(
        "SHAPE-01",
        `split: sizes ${sizes.join(" + ")} = ${total} do not make up axis ${axis} of ${showAval(x)}`,
      );
    }
    return sizes.map((size) =>
      aval(
        x.dtype,
        x.dims.map((dim, i) => (i === axis ? size : dim)),
        x.names,
      ),
    );
  },
  jvp: linear,
  transpose: {
    kind: "rule",
    apply: (cts, [x], { axis, sizes }) => {
      const parts = sizes.map((size, i) => {
        const ct = (cts as readonly MaybeZero[])[i] ?? null;
        const form = { ...x.aval, dims: x.aval.dims.map((dim, j) => (j === axis ? size : dim)) };
        return ct ?? fullLike(form, 0);
      });
      return [concatenate(parts, axis)];
    },
  },
  batch: ([x], _mapped, { axis, sizes }) => split(x, axis + 1, sizes),
  shard: ([x], ys, p) => {
    const factors = factorNames(x.dims.length);
    const results = (ys as readonly Aval[]).map(() => factors);
    return rule(p, [factors], results, { moves: factors.slice(p.axis, p.axis + 1) });
  },
  evaluate: ([x], { axis, sizes }, ys) => {
    let from = 0;
    return (ys as readonly Aval[]).map((y, i) => {
      const start = from;
      from += sizes[i] ?? 0;
      return build(y, (index) =>
        get(
          x,
          index.map((j, a) => (a === axis ? j + start : j)),
        ),
      );
    });
  },
  simplify: ([x], { sizes }) => (sizes.length === 1 ? [x.tensor] : null),
  lower: {
    onnx: (g, [x], { axis, sizes }, { inputs: [from], outputs }) =>
      g.nodes({
        op: "Split",
        inputs: [g.exact(x, from.dims), g.constant("int64", [sizes.length], sizes)],
        attributes: { axis: { int: axis } },
        outputs: outputs as readonly Aval[],
      }),
    stablehlo: (h, [x], { axis, sizes }, outputs) => {
      let from = 0;
      return (outputs as readonly Aval[]).map((y, i) => {
        const start = from;
        from += sizes[i] ?? 0;
        const box = x.dims
          .map((dim, j) => (j === axis ? `${start}:${from}` : `0:${dim}`))
          .join(", ");
        return h.line(`stablehlo.slice ${x.name} [${box}] : (${h.type(x)}) -> ${h.type(y)}`, y);
      });
    },
  },
  samples: () => [
    sample("halves", [random(4, 2)], { axis: 0, sizes: [2, 2] }),
    sample("uneven", [random(2, 6)], { axis: 1, sizes: [1, 2, 3] }),
    sample("one empty", [random(2, 3)], { axis: 1, sizes: [0, 3] }),
  ],
  rejects: () => [
    rejects(
      "another sum",
      [aval("float32", [4])],
      { axis: 0, sizes: [1, 2] },
      "split: sizes 1 + 2 = 3 do not make up axis 0 of float32[4]",
    ),
  ],
});

export function split(x: Tensor, axis: number, sizes: readonly number[]): readonly Tensor[] {
  return sizes.length === 1 ? [x] : apply(splitOp, [x], { axis, sizes });
}
