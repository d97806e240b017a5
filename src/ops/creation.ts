/** @file Ops that make values: constants, counting, and repetition along new axes. */

import type { AxisName } from "../core/axes.ts";
import { apply } from "../core/builder.ts";
import type { DType } from "../core/dtype.ts";
import { ShapeError } from "../core/errors.ts";
import { build, get, ndarray } from "../core/ndarray.ts";
import {
  asIs,
  defineOp,
  linear,
  type None,
  notLinear,
  type One,
  type Op,
  zeroTangent,
} from "../core/op.ts";
import { random, rejects, sample } from "../core/samples.ts";
import { type Aval, aval, dimOf, showAval } from "../core/shape.ts";
import { factorNames, replicated, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { reshape } from "./layout.ts";
import { sum } from "./sum.ts";

export interface FullParams {
  readonly value: number;
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly names: readonly AxisName[];
}

/** One value everywhere. */
export const fullOp: Op<FullParams, None, One> = defineOp<FullParams, None, One>({
  name: "full",
  infer: (_inputs, { dtype, dims, names }) => [aval(dtype, dims, names)],
  jvp: zeroTangent("a constant"),
  transpose: notLinear("a constant"),
  batch: (_inputs, _mapped, p, size) => [
    full(p.value, aval(p.dtype, [size, ...p.dims], [null, ...p.names])),
  ],
  shard: (_inputs, [y], p) => ({
    ...rule(p, [], [factorNames(y.dims.length)]),
    local: ([dims]) => ({ ...p, dims: dims ?? p.dims }),
  }),
  evaluate: (_inputs, { value }, [y]) => [build(y, () => value)],
  simplify: asIs,
  lower: {
    // A scalar: ONNX broadcasts it wherever it is used.
    onnx: (g, _inputs, { value, dtype }) => [g.constant(dtype, [], [value])],
    stablehlo: (h, _inputs, { value }, [y]) => [h.splat(value, y)],
  },
  samples: () => [
    sample("a matrix", [], fullParams(1.5, aval("float32", [2, 3]))),
    sample("integers", [], fullParams(-7, aval("int32", [4]))),
    sample("truth", [], fullParams(1, aval("bool", [2]))),
    sample("nothing", [], fullParams(1, aval("float32", [0, 2]))),
  ],
  rejects: () => [],
});

function fullParams(value: number, like: Aval): FullParams {
  return { value, dtype: like.dtype, dims: like.dims, names: like.names };
}

export function full(value: number, like: Aval): Tensor {
  return apply(fullOp, [], fullParams(value, like))[0];
}

/** One value in the form of `like`. */
export function fullLike(like: Aval | Tensor, value: number): Tensor {
  return full(value, "aval" in like ? like.aval : like);
}

export interface LiteralParams {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly names: readonly AxisName[];
  readonly values: readonly number[];
}

/** Small constant arrays written into the program. */
export const literalOp: Op<LiteralParams, None, One> = defineOp<LiteralParams, None, One>({
  name: "literal",
  infer(_inputs, { dtype, dims, names, values }) {
    ndarray(dtype, dims, values);
    return [aval(dtype, dims, names)];
  },
  jvp: zeroTangent("a constant"),
  transpose: notLinear("a constant"),
  batch: (_inputs, _mapped, p, size) => {
    const [x] = apply(literalOp, [], p);
    return [
      broadcast(x, {
        dims: [size, ...p.dims],
        axes: p.dims.map((_, i) => i + 1),
        names: [null, ...p.names],
      }),
    ];
  },
  shard: (_inputs, [y], p) => replicated([], [y.dims.length], p),
  evaluate: (_inputs, { dtype, dims, values }) => [ndarray(dtype, dims, values)],
  simplify: asIs,
  lower: {
    onnx: (g, _inputs, { dtype, dims, values }) => [g.constant(dtype, dims, values)],
    stablehlo: (h, _inputs, { values }, [y]) => {
      const nest = (dims: readonly number[], from: number): string => {
        const [first, ...rest] = dims;
        if (first === undefined) return hloNumber(values[from] ?? 0, y.dtype);
        const stride = rest.reduce((a, b) => a * b, 1);
        return `[${Array.from({ length: first }, (_, i) => nest(rest, from + i * stride)).join(", ")}]`;
      };
      return [h.line(`stablehlo.constant dense<${nest(y.dims, 0)}> : ${h.type(y)}`, y)];
    },
  },
  samples: () => [
    sample("a matrix", [], {
      dtype: "float32",
      dims: [2, 2],
      names: [null, null],
      values: [1, 2.5, -3, 0],
    }),
    sample("integers", [], { dtype: "int32", dims: [3], names: [null], values: [1, -2, 3] }),
  ],
  rejects: () => [
    rejects(
      "too few values",
      [],
      { dtype: "float32", dims: [3], names: [null], values: [1] },
      "1 values do not fill [3]",
    ),
  ],
});

/** A constant array; meant for a handful of numbers. */
export function literal(like: Aval, values: readonly number[]): Tensor {
  return apply(literalOp, [], { dtype: like.dtype, dims: like.dims, names: like.names, values })[0];
}

/** A number as StableHLO text. */
export function hloNumber(value: number, dtype: DType): string {
  if (dtype === "bool") return value === 0 ? "false" : "true";
  if (dtype === "uint32") return `${value >>> 0}`;
  if (dtype === "int32" || dtype === "int64") return `${BigInt(Math.trunc(value))}`;
  if (Object.is(value, -0)) return "-0.0";
  // MLIR wants a point in every float: 1.0e+0, not 1e+0.
  if (Number.isFinite(value)) return value.toExponential().replace(/^(-?\d)e/, "$1.0e");
  const bits = {
    float32: ["0x7F800000", "0xFF800000", "0x7FC00000"],
    float16: ["0x7C00", "0xFC00", "0x7E00"],
    bfloat16: ["0x7F80", "0xFF80", "0x7FC0"],
    float64: ["0x7FF0000000000000", "0xFFF0000000000000", "0x7FF8000000000000"],
  };
  return bits[dtype][Number.isNaN(value) ? 2 : value > 0 ? 0 : 1] ?? "0.0";
}

export interface IotaParams {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly names: readonly AxisName[];
  readonly axis: number;
}

/** Counts 0, 1, 2 … along one axis. */
export const iotaOp: Op<IotaParams, None, One> = defineOp<IotaParams, None, One>({
  name: "iota",
  infer(_inputs, { dtype, dims, names, axis }) {
    const form = aval(dtype, dims, names);
    if (!(axis in dims))
      throw new ShapeError("SHAPE-01", `iota: axis ${axis} is not an axis of ${showAval(form)}`);
    return [form];
  },
  jvp: zeroTangent("a constant"),
  transpose: notLinear("a constant"),
  batch: (_inputs, _mapped, p, size) => [
    apply(iotaOp, [], {
      ...p,
      dims: [size, ...p.dims],
      names: [null, ...p.names],
      axis: p.axis + 1,
    })[0],
  ],
  shard: (_inputs, [y], p) => {
    const factors = factorNames(y.dims.length);
    // A piece has to know where it starts.
    const moves = factors.slice(p.axis, p.axis + 1);
    return {
      ...rule(p, [], [factors], { moves }),
      local: ([dims]) => ({ ...p, dims: dims ?? p.dims }),
    };
  },
  evaluate: (_inputs, { axis }, [y]) => [build(y, (index) => index[axis] ?? 0)],
  simplify: asIs,
  lower: {
    onnx: (g, _inputs, { dtype, dims, axis }) => {
      const length = dims[axis] ?? 0;
      const flat = g.constant(
        dtype,
        [length],
        Array.from({ length }, (_, i) => i),
      );
      return [g.reshape(flat, [length, ...dims.slice(axis + 1).map(() => 1)])];
    },
    stablehlo: (h, _inputs, { axis }, [y]) => [
      h.line(`stablehlo.iota dim = ${axis} : ${h.type(y)}`, y),
    ],
  },
  samples: () => [
    sample("rows", [], { dtype: "int32", dims: [3, 2], names: [null, null], axis: 0 }),
    sample("columns", [], { dtype: "float32", dims: [2, 3], names: [null, null], axis: 1 }),
    sample("nothing", [], { dtype: "int32", dims: [0], names: [null], axis: 0 }),
  ],
  rejects: () => [
    rejects(
      "an axis past the end",
      [],
      { dtype: "int32", dims: [3], names: [null], axis: 1 },
      "iota: axis 1 is not an axis of int32[3]",
    ),
  ],
});

export function iota(like: Aval, axis: number): Tensor {
  return apply(iotaOp, [], { dtype: like.dtype, dims: like.dims, names: like.names, axis })[0];
}

export interface BroadcastParams {
  readonly dims: readonly number[];
  /** Where each axis of the operand stands in the result, rising. */
  readonly axes: readonly number[];
  readonly names: readonly AxisName[];
}

/** Repeats along new axes. Axes of the operand keep their sizes: size 1 is not stretched. */
export const broadcastOp: Op<BroadcastParams, One, One> = defineOp<BroadcastParams, One, One>({
  name: "broadcast",
  infer([x], { dims, axes, names }) {
    const fits =
      axes.length === x.dims.length &&
      axes.every((axis, i) => dims[axis] === x.dims[i] && axis > (axes[i - 1] ?? -1));
    if (fits) return [aval(x.dtype, dims, names)];
    throw new ShapeError(
      "SHAPE-01",
      `broadcast: ${showAval(x)} does not fit into [${dims.join(", ")}] at axes ${axes.join(", ")}.`,
      [
        [
          "rule",
          "each axis of the operand stands at one rising place of the result, with its own size",
        ],
      ],
    );
  },
  jvp: linear,
  transpose: {
    kind: "rule",
    apply: ([ct], [x], { axes }) => {
      if (ct === null) return [null];
      const summed = sum(
        ct,
        ct.dims.map((_, i) => i).filter((i) => !axes.includes(i)),
      );
      return [reshape(summed, x.aval.dims, x.aval.names)];
    },
  },
  batch: ([x], _mapped, p, size) => [
    broadcast(x, {
      dims: [size, ...p.dims],
      axes: [0, ...p.axes.map((axis) => axis + 1)],
      names: [null, ...p.names],
    }),
  ],
  shard: (_inputs, [y], p) => {
    const factors = factorNames(y.dims.length);
    return {
      ...rule(p, [p.axes.map((axis) => factors[axis] ?? null)], [factors]),
      local: ([dims]) => ({ ...p, dims: dims ?? p.dims }),
    };
  },
  evaluate: ([x], { axes }, [y]) => [
    build(y, (index) =>
      get(
        x,
        axes.map((axis) => index[axis] ?? 0),
      ),
    ),
  ],
  simplify([x], p) {
    if (p.dims.length === p.axes.length) return [reshape(x.tensor, p.dims, p.names)];
    if (x.op === (fullOp as unknown as Op)) {
      return [full((x.params as FullParams).value, aval(x.tensor.dtype, p.dims, p.names))];
    }
    if (x.op !== (broadcastOp as unknown as Op)) return null;
    const [source] = x.inputs;
    const inner = x.params as BroadcastParams;
    return source === undefined
      ? null
      : [broadcast(source, { ...p, axes: inner.axes.map((axis) => p.axes[axis] ?? 0) })];
  },
  lower: {
    onnx: (g, [x], { dims, axes }, { inputs: [from] }) => {
      const trailing = axes.every((axis, i) => axis === dims.length - axes.length + i);
      if (trailing || x.dims.length === 0) return [x]; // leading axes are implicit
      const first = axes[0] ?? 0;
      const whole = g.reshape(
        g.exact(x, from.dims),
        dims.slice(first).map((dim, i) => (axes.includes(first + i) ? dim : 1)),
      );
      return [whole];
    },
    stablehlo: (h, [x], { dims, axes }) => [h.broadcast(x, axes, dims)],
  },
  samples: () => [
    sample("a scalar", [random()], { dims: [2, 3], axes: [], names: [null, null] }),
    sample("rows", [random(3)], { dims: [2, 3], axes: [1], names: [null, null] }),
    sample("columns", [random(2)], { dims: [2, 3], axes: [0], names: [null, null] }),
    sample("both sides", [random(3, 2)], {
      dims: [2, 3, 4, 2],
      axes: [1, 3],
      names: [null, null, null, null],
    }),
    sample("a size of one", [random(1)], { dims: [1, 3], axes: [0], names: [null, null] }),
    sample("nothing", [random(0)], { dims: [2, 0], axes: [1], names: [null, null] }),
  ],
  rejects: () => [
    rejects(
      "another size",
      [aval("float32", [3])],
      { dims: [2, 4], axes: [1], names: [null, null] },
      "broadcast: float32[3] does not fit into [2, 4] at axes 1",
    ),
  ],
});

export function broadcast(x: Tensor, params: BroadcastParams): Tensor {
  if (
    params.axes.length === params.dims.length &&
    params.axes.every((axis, i) => params.dims[axis] === dimOf(x, i))
  ) {
    return reshape(x, params.dims, params.names);
  }
  return apply(broadcastOp, [x], params)[0];
}

/** Element 0 of a constant that a `full` op made. */
export function constantOf(made: {
  readonly op: Op | null;
  readonly params: unknown;
}): number | null {
  return made.op === (fullOp as unknown as Op) ? (made.params as FullParams).value : null;
}
