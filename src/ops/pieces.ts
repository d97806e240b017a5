/** @file Ops that cut tensors and put them together: slice, pad, concatenate, split. */

import { type AxisName, mergeName } from "../core/axes.ts";
import { apply } from "../core/builder.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { build, get, type NdArray } from "../core/ndarray.ts";
import { defineOp, linear, type Many, type MaybeZero, type One, type Op } from "../core/op.ts";
import { random, rejects, sample } from "../core/samples.ts";
import { type Aval, aval, dimOf, sameDims, showAval, without } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { fullLike } from "./creation.ts";
import { repeat } from "./families.ts";

export interface SliceParams {
  readonly start: readonly number[];
  readonly limit: readonly number[];
}

/** The box `start ≤ index < limit`. */
export const sliceOp: Op<SliceParams, One, One> = defineOp<SliceParams, One, One>({
  name: "slice",
  infer([x], { start, limit }) {
    const fits = x.dims.every(
      (dim, i) =>
        0 <= (start[i] ?? -1) && (start[i] ?? 0) <= (limit[i] ?? -1) && (limit[i] ?? 0) <= dim,
    );
    if (fits && start.length === x.dims.length)
      return [
        aval(
          x.dtype,
          start.map((from, i) => (limit[i] ?? 0) - from),
          x.names,
        ),
      ];
    throw new ShapeError(
      "SHAPE-01",
      `slice: [${start.join(", ")}] to [${limit.join(", ")}] is no box inside ${showAval(x)}`,
    );
  },
  jvp: linear,
  transpose: {
    kind: "rule",
    apply: ([ct], [x], { start, limit }) => [
      ct === null
        ? null
        : pad(
            ct,
            start,
            x.aval.dims.map((dim, i) => dim - (limit[i] ?? 0)),
          ),
    ],
  },
  batch: ([x], _mapped, { start, limit }, size) => [slice(x, [0, ...start], [size, ...limit])],
  shard: ([x], [y], p) => {
    const factors = factorNames(x.dims.length).map((factor, i) =>
      x.dims[i] === y.dims[i] ? factor : null,
    );
    return {
      ...rule(p, [factors], [factors]),
      local: ([dims]) => ({ ...p, limit: p.start.map((from, i) => from + (dims?.[i] ?? 0)) }),
    };
  },
  evaluate: ([x], { start }, [y]) => [
    build(y, (index) =>
      get(
        x,
        index.map((i, axis) => i + (start[axis] ?? 0)),
      ),
    ),
  ],
  simplify: ([x], { start, limit }) =>
    start.every((from, i) => from === 0 && limit[i] === x.tensor.dims[i]) ? [x.tensor] : null,
  lower: {
    onnx: (g, [x], { start, limit }, { inputs: [from], outputs: [y] }) => {
      const int = (list: readonly number[]) => g.constant("int64", [list.length], list);
      const axes = start
        .map((_, i) => i)
        .filter((i) => start[i] !== 0 || limit[i] !== from.dims[i]);
      const pick = (list: readonly number[]) => axes.map((i) => list[i] ?? 0);
      return [
        g.node("Slice", [g.exact(x, from.dims), int(pick(start)), int(pick(limit)), int(axes)], y),
      ];
    },
    stablehlo: (h, [x], { start, limit }, [y]) => [
      h.line(
        `stablehlo.slice ${x.name} [${start.map((from, i) => `${from}:${limit[i]}`).join(", ")}] : (${h.type(x)}) -> ${h.type(y)}`,
        y,
      ),
    ],
  },
  samples: () => [
    sample("a box", [random(4, 5)], { start: [1, 0], limit: [3, 5] }),
    sample("one element", [random(3)], { start: [2], limit: [3] }),
    sample("nothing", [random(3, 2)], { start: [1, 0], limit: [1, 2] }),
  ],
  rejects: () => [
    rejects(
      "past the end",
      [aval("float32", [3])],
      { start: [1], limit: [4] },
      "slice: [1] to [4] is no box inside float32[3]",
    ),
  ],
});

export function slice(x: Tensor, start: readonly number[], limit: readonly number[]): Tensor {
  return apply(sliceOp, [x], { start, limit })[0];
}

export interface PadParams {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** Zeros around: `low[i]` before and `high[i]` after along axis i. */
export const padOp: Op<PadParams, One, One> = defineOp<PadParams, One, One>({
  name: "pad",
  infer([x], { low, high }) {
    if (x.dims.length === low.length && low.every((n, i) => n >= 0 && (high[i] ?? -1) >= 0)) {
      return [
        aval(
          x.dtype,
          x.dims.map((dim, i) => dim + (low[i] ?? 0) + (high[i] ?? 0)),
          x.names,
        ),
      ];
    }
    throw new ShapeError(
      "SHAPE-01",
      `pad: [${low.join(", ")}] and [${high.join(", ")}] must be one count ≥ 0 per axis of ${showAval(x)}`,
    );
  },
  jvp: linear,
  transpose: {
    kind: "rule",
    apply: ([ct], [x], { low }) => [
      ct === null
        ? null
        : slice(
            ct,
            low,
            low.map((n, i) => n + dimOf(x.aval, i)),
          ),
    ],
  },
  batch: ([x], _mapped, { low, high }) => [pad(x, [0, ...low], [0, ...high])],
  shard: ([x], _y, p) => {
    const factors = factorNames(x.dims.length).map((factor, i) =>
      p.low[i] === 0 && p.high[i] === 0 ? factor : null,
    );
    return rule(p, [factors], [factors]);
  },
  evaluate: ([x], { low }, [y]) => [
    build(y, (index) => {
      const inside = index.map((i, axis) => i - (low[axis] ?? 0));
      return inside.every((i, axis) => i >= 0 && i < dimOf(x, axis)) ? get(x, inside) : 0;
    }),
  ],
  simplify: ([x], { low, high }) => ([...low, ...high].every((n) => n === 0) ? [x.tensor] : null),
  lower: {
    onnx: (g, [x], { low, high }, { inputs: [from], outputs: [y] }) => [
      g.node(
        "Pad",
        [g.exact(x, from.dims), g.constant("int64", [2 * low.length], [...low, ...high])],
        y,
      ),
    ],
    stablehlo: (h, [x], { low, high }, [y]) => {
      const zero = h.splat(0, aval(y.dtype, []));
      const inner = low.map(() => 0);
      return [
        h.line(
          `stablehlo.pad ${x.name}, ${zero.name}, low = [${low.join(", ")}], high = [${high.join(", ")}], interior = [${inner.join(", ")}] : (${h.type(x)}, ${h.type(zero)}) -> ${h.type(y)}`,
          y,
        ),
      ];
    },
  },
  samples: () => [
    sample("both sides", [random(2, 3)], { low: [1, 0], high: [0, 2] }),
    sample("nothing inside", [random(0, 2)], { low: [1, 0], high: [1, 0] }),
  ],
  rejects: () => [
    rejects(
      "a negative count",
      [aval("float32", [3])],
      { low: [-1], high: [0] },
      "pad: [-1] and [0] must be one count ≥ 0 per axis of float32[3]",
    ),
  ],
});

export function pad(x: Tensor, low: readonly number[], high: readonly number[]): Tensor {
  return apply(padOp, [x], { low, high })[0];
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
    const factors = factorNames(y.dims.length).map((factor, i) => (i === p.axis ? null : factor));
    return rule(
      p,
      (xs as readonly Aval[]).map(() => factors),
      [factors],
    );
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
    const factors = factorNames(x.dims.length).map((factor, i) => (i === p.axis ? null : factor));
    return rule(
      p,
      [factors],
      (ys as readonly Aval[]).map(() => factors),
    );
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
