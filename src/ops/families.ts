/** @file Families of element-wise ops: a member says only what is its own. */

import { mergeName } from "../core/axes.ts";
import { apply } from "../core/builder.ts";
import { type DType, dtypeFacts } from "../core/dtype.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { at, mapElements, type NdArray, put, zeros, zipElements } from "../core/ndarray.ts";
import {
  defineOp,
  type Each,
  type JvpRule,
  type Made,
  type Many,
  type MaybeZero,
  notLinear,
  type One,
  type Op,
  type TransposeRule,
  type Two,
} from "../core/op.ts";
import { type Fill, type Sample, sample } from "../core/samples.ts";
import { type Aval, aval, sameDims, showAval } from "../core/shape.ts";
import { pointwise } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  type BroadcastParams,
  broadcast,
  broadcastOp,
  type FullParams,
  fullLike,
  fullOp,
} from "./creation.ts";
import { checkDType } from "./dtypes.ts";

/** Params of ops that have none. */
export type NoParams = Readonly<Record<string, never>>;
export const noParams: NoParams = {};

export type UnaryOp = Op<NoParams, One, One>;
export type BinaryOp = Op<NoParams, Two, One>;

/** What a unary op says of itself. */
export interface UnaryRules {
  /** `dx` in, `dy` out, from x and y; or why there is none. */
  readonly jvp:
    | ((dx: Tensor, x: Tensor, y: Tensor) => Tensor)
    | { readonly none: string }
    | "linear";
  readonly transpose: ((ct: Tensor) => Tensor) | { readonly none: string };
  readonly dtypes: readonly DType[];
  readonly result?: DType;
  evaluate(x: number, dtype: DType): number;
  readonly onnx: string | ((g: OnnxEmitter, x: OnnxValue, output: Aval) => OnnxValue);
  readonly stablehlo: string;
  readonly samples: () => readonly Sample<NoParams>[];
  simplify?(x: Made): Tensor | null;
}

/** A function of one element. */
export function unary(name: string, rules: UnaryRules): UnaryOp {
  const { jvp, transpose, result } = rules;
  const jvpRule: JvpRule<NoParams, One, One> =
    jvp === "linear"
      ? { kind: "linear" }
      : typeof jvp === "function"
        ? { kind: "rule", apply: ([dx], [x], [y]) => [dx === null ? null : jvp(dx, x, y)] }
        : { kind: "none", reason: jvp.none };
  const transposeRule: TransposeRule<NoParams, One, One> =
    typeof transpose === "function"
      ? { kind: "rule", apply: ([ct]) => [ct === null ? null : transpose(ct)] }
      : notLinear(transpose.none);
  const op: UnaryOp = defineOp<NoParams, One, One>({
    name,
    infer([x]) {
      checkDType(name, x, rules.dtypes);
      return [{ ...x, dtype: result ?? x.dtype }];
    },
    jvp: jvpRule,
    transpose: transposeRule,
    batch: ([x]) => apply(op, [x], noParams),
    shard: ([x]) => pointwise(x.dims.length, 1, noParams),
    evaluate: ([x], _params, [y]) => [
      mapElements(x, y.dtype, (value) => rules.evaluate(value, x.dtype)),
    ],
    simplify(inputs, params, outputs) {
      const own = rules.simplify?.(inputs[0]) ?? null;
      return own !== null ? [own] : simplifyElementwise(op, inputs, params, outputs);
    },
    lower: {
      onnx: (g, [x], _params, { outputs: [y] }) => [
        typeof rules.onnx === "string"
          ? g.node(rules.onnx, [x], { dtype: y.dtype, dims: x.dims })
          : rules.onnx(g, x, aval(y.dtype, x.dims)),
      ],
      stablehlo: (h, [x], _params, [y]) => [h.elementwise(rules.stablehlo, [x], y)],
    },
    samples: () => [
      ...rules.samples(),
      sample(
        "nothing",
        [{ aval: aval(rules.dtypes[0] ?? "float32", [2, 0]), fill: NONE }],
        noParams,
        false,
      ),
    ],
    rejects: () => [],
  });
  return op;
}

const NONE: Fill = { kind: "values", values: [] };

/** What a binary op says of itself. */
export interface BinaryRules {
  /** Tangent from both tangents, at least one of which is not null; or why there is none. */
  readonly jvp:
    | ((dx: MaybeZero, dy: MaybeZero, x: Tensor, y: Tensor, z: Tensor) => MaybeZero)
    | { readonly none: string };
  readonly transpose: TransposeRule<NoParams, Two, One>;
  readonly dtypes: readonly DType[];
  readonly result?: DType;
  evaluate(x: number, y: number, dtype: DType): number;
  readonly onnx: string | ((g: OnnxEmitter, x: OnnxValue, y: OnnxValue, output: Aval) => OnnxValue);
  readonly stablehlo: string;
  readonly samples: () => readonly Sample<NoParams>[];
  simplify?(x: Made, y: Made): Tensor | null;
}

/** A function of two elements at the same place. Both operands have equal dims: broadcasting is an op of its own. */
export function binary(name: string, rules: BinaryRules): BinaryOp {
  const { jvp, result } = rules;
  const op: BinaryOp = defineOp<NoParams, Two, One>({
    name,
    infer([x, y]) {
      checkDType(name, x, rules.dtypes);
      const out = sameForms(name, [x, y]);
      return [{ ...out, dtype: result ?? x.dtype }];
    },
    jvp:
      typeof jvp === "function"
        ? {
            kind: "rule",
            apply: ([dx, dy], [x, y], [z]) => [
              dx === null && dy === null ? null : jvp(dx, dy, x, y, z),
            ],
          }
        : { kind: "none", reason: jvp.none },
    transpose: rules.transpose,
    batch: (inputs, mapped, _params, size) => apply(op, spread(inputs, mapped, size), noParams),
    shard: ([x]) => pointwise(x.dims.length, 2, noParams),
    evaluate: ([x, y], _params, [z]) => [
      zipElements(x, y, z.dtype, (a, b) => rules.evaluate(a, b, x.dtype)),
    ],
    simplify(inputs, params, outputs) {
      const own = rules.simplify?.(inputs[0], inputs[1]) ?? null;
      return own !== null ? [own] : simplifyElementwise(op, inputs, params, outputs);
    },
    lower: {
      onnx: (g, [x, y], _params, { outputs: [z] }) => {
        const output = aval(z.dtype, broadcastDims(x.dims, y.dims));
        return [
          typeof rules.onnx === "string"
            ? g.node(rules.onnx, [x, y], output)
            : rules.onnx(g, x, y, output),
        ];
      },
      stablehlo: (h, [x, y], _params, [z]) => [h.elementwise(rules.stablehlo, [x, y], z)],
    },
    samples: () => {
      const empty = { aval: aval(rules.dtypes[0] ?? "float32", [2, 0]), fill: NONE };
      return [...rules.samples(), sample("nothing", [empty, empty], noParams, false)];
    },
    rejects: () => [
      {
        label: "unequal sizes",
        inputs: [aval(rules.dtypes[0] ?? "float32", [3]), aval(rules.dtypes[0] ?? "float32", [4])],
        params: noParams,
        message: `${name}: operands have unequal sizes`,
      },
    ],
  });
  return op;
}

/** `test ? x : y`. Where lacks uint32, whose bits int32 carries, and bool. */
export function whereOnnx(
  g: OnnxEmitter,
  test: OnnxValue,
  x: OnnxValue,
  y: OnnxValue,
  output: Pick<Aval, "dtype" | "dims">,
): OnnxValue {
  if (output.dtype === "bool") {
    const both = (a: OnnxValue, b: OnnxValue) =>
      g.node("And", [a, b], { dtype: "bool", dims: broadcastDims(a.dims, b.dims) });
    const other = g.node("Not", [test], { dtype: "bool", dims: test.dims });
    return g.node("Or", [both(test, x), both(other, y)], output);
  }
  if (output.dtype !== "uint32") return g.node("Where", [test, x, y], output);
  const signed = (z: OnnxValue) =>
    g.node(
      "Cast",
      [z],
      { dtype: "int32", dims: z.dims },
      { to: { int: dtypeFacts("int32").onnx } },
    );
  const chosen = g.node("Where", [test, signed(x), signed(y)], { ...output, dtype: "int32" });
  return g.node("Cast", [chosen], output, { to: { int: dtypeFacts("uint32").onnx } });
}

/** Dims of an element-wise ONNX op on lazily broadcast operands. */
export function broadcastDims(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((dims) => dims.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map((dims) => dims[dims.length - rank + i] ?? 1);
    return sizes.find((size) => size !== 1) ?? 1;
  });
}

/** The common form of element-wise operands. @throws when sizes, dtypes or names disagree */
export function sameForms(name: string, forms: readonly Aval[]): Aval {
  const facts = () => forms.map((form, i) => [`operand ${i + 1}`, showAval(form)] as const);
  const [first, ...rest] = forms;
  if (first === undefined) throw new ShapeError("SHAPE-01", `${name}: needs an operand`);
  let names = first.names;
  for (const form of rest) {
    if (!sameDims(first.dims, form.dims)) {
      throw new ShapeError("SHAPE-01", `${name}: operands have unequal sizes.`, facts());
    }
    if (form.dtype !== first.dtype) {
      throw new DTypeError("DTYPE-01", `${name}: operands have unequal dtypes.`, [
        ...facts(),
        ["fix", `convert one of them, for example with .astype("${first.dtype}")`],
      ]);
    }
    names = names.map((axis, i) => mergeName(name, axis, form.names[i] ?? null, facts));
  }
  return { ...first, names };
}

/** Operands of a batched element-wise op: those without the batch axis are repeated along it. */
export function spread<I extends Many>(
  inputs: Each<I, Tensor>,
  mapped: Each<I, boolean>,
  size: number,
): Each<I, Tensor> {
  const list: readonly Tensor[] = inputs;
  return list.map((x, i) =>
    (mapped as readonly boolean[])[i] === true ? x : repeat(x, size),
  ) as unknown as Each<I, Tensor>;
}

/** x with a new leading axis of length `size`. */
export function repeat(x: Tensor, size: number): Tensor {
  return broadcast(x, {
    dims: [size, ...x.dims],
    axes: x.dims.map((_, i) => i + 1),
    names: [null, ...x.names],
  });
}

/**
 * Broadcast motion and constant folding: an element-wise op on equally broadcast operands computes
 * the small values first; on constants it computes nothing at run time.
 */
export function simplifyElementwise<P, I extends Many>(
  op: Op<P, I, One>,
  inputs: Each<I, Made>,
  params: P,
  outputs: Each<One, Aval>,
): readonly Tensor[] | null {
  const made: readonly Made[] = inputs;
  const [output] = outputs;
  if (made.every(({ op: by }) => by === (fullOp as unknown as Op))) {
    if (made.length === 0) return null;
    const scalars = made.map(({ tensor, params: p }): NdArray => {
      const x = zeros({ dtype: tensor.dtype, dims: [] });
      put(x, 0, (p as FullParams).value);
      return x;
    });
    const form = aval(output.dtype, []);
    const [value] = op.evaluate(scalars as unknown as Each<I, NdArray>, params, [form]);
    return [fullLike(output, at(value, 0))];
  }
  const spreadBy = made.find(({ op: by }) => by === (broadcastOp as unknown as Op));
  if (spreadBy === undefined) return null;
  const how = spreadBy.params as BroadcastParams;
  const small: (Tensor | null)[] = made.map((x) => {
    if (x.op === (fullOp as unknown as Op)) {
      const source = spreadBy.inputs[0];
      if (source === undefined) return null;
      return fullLike({ ...source.aval, dtype: x.tensor.dtype }, (x.params as FullParams).value);
    }
    const same =
      x.op === (broadcastOp as unknown as Op) &&
      `${(x.params as BroadcastParams).axes}` === `${how.axes}`;
    return same ? (x.inputs[0] ?? null) : null;
  });
  if (small.some((x) => x === null)) return null;
  // Broadcasts may rename axes; names that only met behind them must not meet before them.
  const clash = (i: number) => new Set(small.flatMap((x) => x?.names[i] ?? [])).size > 1;
  if (how.axes.some((_, i) => clash(i))) return null;
  const [result] = apply(op, small as unknown as Each<I, Tensor>, params);
  return [broadcast(result, { ...how, names: output.names })];
}

export type Call1 = (x: Tensor) => Tensor;
export type Call2 = (x: Tensor, y: Tensor) => Tensor;

/** The function that writes a unary op. */
export function call1(op: UnaryOp): Call1 {
  return (x) => apply(op, [x], noParams)[0];
}

/** The function that writes a binary op. */
export function call2(op: BinaryOp): Call2 {
  return (x, y) => apply(op, [x, y], noParams)[0];
}
