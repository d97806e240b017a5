/** @file Element-wise ops. Operands of one op have equal dims; `numpy/` broadcasts for the user. */

import { apply } from "../core/builder.ts";
import { type DType, isFloat } from "../core/dtype.ts";
import { DTypeError } from "../core/errors.ts";
import { build, get, mapElements } from "../core/ndarray.ts";
import {
  defineOp,
  isLinear,
  type Made,
  type MaybeZero,
  notLinear,
  type One,
  type Op,
  type Three,
  type TransposeRule,
  type Two,
} from "../core/op.ts";
import {
  between,
  booleans,
  integers,
  random,
  rejects,
  sample,
  values,
  words,
} from "../core/samples.ts";
import { aval, showAval } from "../core/shape.ts";
import { pointwise } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { constantOf, fullLike } from "./creation.ts";
import {
  ALL,
  BITS,
  type BinaryOp,
  binary,
  broadcastDims,
  FLOATS,
  type NoParams,
  NUMBERS,
  noParams,
  SIGNED,
  sameForms,
  simplifyElementwise,
  spread,
  type UnaryOp,
  unary,
} from "./families.ts";

const call1 =
  (op: UnaryOp) =>
  (x: Tensor): Tensor =>
    apply(op, [x], noParams)[0];
const call2 =
  (op: BinaryOp) =>
  (x: Tensor, y: Tensor): Tensor =>
    apply(op, [x, y], noParams)[0];
type Call1 = (x: Tensor) => Tensor;
type Call2 = (x: Tensor, y: Tensor) => Tensor;

/** `c · x` for a number c. */
export function scale(x: Tensor, c: number): Tensor {
  return c === 1 ? x : mul(x, fullLike(x, c));
}

const curved = { none: "its tangent is a product" } as const;

// ---- one operand --------------------------------------------------------------------------------

export const negOp: UnaryOp = unary("neg", {
  dtypes: SIGNED,
  jvp: "linear",
  transpose: (ct) => neg(ct),
  evaluate: (x) => -x,
  onnx: "Neg",
  stablehlo: "stablehlo.negate",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("integers", [integers(-5, 5, 4)], noParams),
  ],
  simplify: (x) => (x.op === (negOp as unknown as Op) ? (x.inputs[0] ?? null) : null),
});
export const neg: Call1 = call1(negOp);

export const expOp: UnaryOp = unary("exp", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => mul(dx, y),
  transpose: curved,
  evaluate: Math.exp,
  onnx: "Exp",
  stablehlo: "stablehlo.exponential",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("extremes", [values(aval("float32", [3]), -200, 0, 80)], noParams, false),
  ],
});
export const exp: Call1 = call1(expOp);

export const logOp: UnaryOp = unary("log", {
  dtypes: FLOATS,
  jvp: (dx, x) => div(dx, x),
  transpose: curved,
  evaluate: Math.log,
  onnx: "Log",
  stablehlo: "stablehlo.log",
  samples: () => [
    sample("positive", [between(0.1, 4, 2, 3)], noParams),
    sample("zero", [values(aval("float32", [2]), 0, 1)], noParams, false),
  ],
});
export const log: Call1 = call1(logOp);

export const sqrtOp: UnaryOp = unary("sqrt", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => div(dx, scale(y, 2)),
  transpose: curved,
  evaluate: Math.sqrt,
  onnx: "Sqrt",
  stablehlo: "stablehlo.sqrt",
  samples: () => [
    sample("positive", [between(0.1, 4, 2, 3)], noParams),
    sample("zero", [values(aval("float32", [2]), 0, 4)], noParams, false),
  ],
});
export const sqrt: Call1 = call1(sqrtOp);

export const rsqrtOp: UnaryOp = unary("rsqrt", {
  dtypes: FLOATS,
  jvp: (dx, x, y) => scale(mul(dx, div(y, x)), -0.5), // d x^(-1/2) = -1/2 · x^(-3/2) dx
  transpose: curved,
  evaluate: (x) => 1 / Math.sqrt(x),
  onnx: (g, x, y) => g.node("Reciprocal", [g.node("Sqrt", [x], y)], y),
  stablehlo: "stablehlo.rsqrt",
  samples: () => [sample("positive", [between(0.1, 4, 2, 3)], noParams)],
});
export const rsqrt: Call1 = call1(rsqrtOp);

export const tanhOp: UnaryOp = unary("tanh", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => mul(dx, sub(fullLike(y, 1), mul(y, y))), // d tanh = (1 − tanh²) dx
  transpose: curved,
  evaluate: Math.tanh,
  onnx: "Tanh",
  stablehlo: "stablehlo.tanh",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("saturated", [values(aval("float32", [2]), -40, 40)], noParams, false),
  ],
});
export const tanh: Call1 = call1(tanhOp);

export const logisticOp: UnaryOp = unary("logistic", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => mul(dx, mul(y, sub(fullLike(y, 1), y))), // d σ = σ (1 − σ) dx
  transpose: curved,
  evaluate: (x) => 1 / (1 + Math.exp(-x)),
  onnx: "Sigmoid",
  stablehlo: "stablehlo.logistic",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("saturated", [values(aval("float32", [2]), -90, 90)], noParams, false),
  ],
});
export const logistic: Call1 = call1(logisticOp);

export const absOp: UnaryOp = unary("abs", {
  dtypes: SIGNED,
  jvp: (dx, x) => mul(dx, sign(x)),
  transpose: curved,
  evaluate: Math.abs,
  onnx: "Abs",
  stablehlo: "stablehlo.abs",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("integers", [integers(-5, 5, 4)], noParams),
  ],
});
export const abs: Call1 = call1(absOp);

export const signOp: UnaryOp = unary("sign", {
  dtypes: SIGNED,
  jvp: { none: "constant between its steps" },
  transpose: curved,
  evaluate: Math.sign,
  onnx: "Sign",
  stablehlo: "stablehlo.sign",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("zero", [values(aval("float32", [3]), -2, 0, 2)], noParams, false),
  ],
});
export const sign: Call1 = call1(signOp);

export const floorOp: UnaryOp = unary("floor", {
  dtypes: FLOATS,
  jvp: { none: "constant between its steps" },
  transpose: curved,
  evaluate: Math.floor,
  onnx: "Floor",
  stablehlo: "stablehlo.floor",
  samples: () => [sample("numbers", [random(2, 3)], noParams)],
});
export const floor: Call1 = call1(floorOp);

export const isFiniteOp: UnaryOp = unary("isFinite", {
  dtypes: FLOATS,
  result: "bool",
  jvp: { none: "a truth value" },
  transpose: { none: "a truth value" },
  evaluate: (x) => Number(Number.isFinite(x)),
  onnx: (g, x, y) => {
    const form = { dtype: "bool" as const, dims: y.dims };
    const unusual = g.node("Or", [g.node("IsNaN", [x], form), g.node("IsInf", [x], form)], form);
    return g.node("Not", [unusual], form);
  },
  stablehlo: "stablehlo.is_finite",
  samples: () => [
    sample(
      "all kinds",
      [values(aval("float32", [4]), 1, Infinity, -Infinity, NaN)],
      noParams,
      false,
    ),
  ],
});
export const isFiniteElement: Call1 = call1(isFiniteOp);

export const notOp: UnaryOp = unary("not", {
  dtypes: ["bool"],
  jvp: { none: "a truth value" },
  transpose: { none: "a truth value" },
  evaluate: (x) => 1 - x,
  onnx: "Not",
  stablehlo: "stablehlo.not",
  samples: () => [sample("both", [booleans(6)], noParams, false)],
});
export const not: Call1 = call1(notOp);

/** The value with its derivative cut off. */
export const stopGradientOp: UnaryOp = unary("stopGradient", {
  dtypes: ALL,
  jvp: { none: "cut off on purpose" },
  transpose: { none: "tangents do not pass" },
  evaluate: (x) => x,
  onnx: (_g, x) => x,
  stablehlo: "stablehlo.convert", // to its own dtype: XLA removes it
  samples: () => [sample("numbers", [random(2, 3)], noParams, false)],
});
export const stopGradient: Call1 = call1(stopGradientOp);

// ---- two operands -------------------------------------------------------------------------------

const bothWays = (sign: 1 | -1): TransposeRule<NoParams, Two, One> => ({
  kind: "rule",
  apply: ([ct], [x, y]) => [
    ct !== null && isLinear(x) ? ct : null,
    ct !== null && isLinear(y) ? (sign === 1 ? ct : neg(ct)) : null,
  ],
});

/** Turns products that leave the integer range back into it, as typed arrays cannot do for doubles. */
function wrap(product: (a: number, b: number) => number, exact: (a: number, b: number) => number) {
  return (a: number, b: number, dtype: DType) => {
    if (dtype === "uint32") return exact(a, b) >>> 0;
    return dtype === "int32" ? exact(a, b) | 0 : product(a, b);
  };
}

export const addOp: BinaryOp = binary("add", {
  dtypes: NUMBERS,
  jvp: (dx, dy) => (dx === null ? dy : dy === null ? dx : add(dx, dy)),
  transpose: bothWays(1),
  evaluate: (x, y) => x + y,
  onnx: "Add",
  stablehlo: "stablehlo.add",
  samples: () => [
    sample("numbers", [random(2, 3), random(2, 3)], noParams),
    sample("scalars", [random(), random()], noParams),
    sample("nothing", [random(0), random(0)], noParams),
    sample("wrapping words", [words(5), words(5)], noParams, false),
  ],
  simplify: (x, y) => (constantOf(x) === 0 ? y.tensor : constantOf(y) === 0 ? x.tensor : null),
});
export const add: Call2 = call2(addOp);

export const subOp: BinaryOp = binary("sub", {
  dtypes: NUMBERS,
  jvp: (dx, dy) => (dy === null ? dx : dx === null ? neg(dy) : sub(dx, dy)),
  transpose: bothWays(-1),
  evaluate: (x, y) => x - y,
  onnx: "Sub",
  stablehlo: "stablehlo.subtract",
  samples: () => [
    sample("numbers", [random(2, 3), random(2, 3)], noParams),
    sample("integers", [integers(-9, 9, 4), integers(-9, 9, 4)], noParams),
  ],
  simplify: (x, y) =>
    constantOf(y) === 0
      ? x.tensor
      : constantOf(x) === 0 && x.tensor.dtype !== "uint32"
        ? neg(y.tensor)
        : null,
});
export const sub: Call2 = call2(subOp);

const product: TransposeRule<NoParams, Two, One> = {
  kind: "rule",
  apply: ([ct], [x, y]) => [
    ct !== null && isLinear(x) && !isLinear(y) ? mul(ct, y) : null,
    ct !== null && isLinear(y) && !isLinear(x) ? mul(ct, x) : null,
  ],
};

export const mulOp: BinaryOp = binary("mul", {
  dtypes: NUMBERS,
  jvp: (dx, dy, x, y) => {
    const left = dx === null ? null : mul(dx, y);
    const right = dy === null ? null : mul(dy, x);
    return left === null ? right : right === null ? left : add(left, right);
  },
  transpose: product,
  evaluate: wrap((x, y) => x * y, Math.imul),
  onnx: "Mul",
  stablehlo: "stablehlo.multiply",
  samples: () => [
    sample("numbers", [random(2, 3), random(2, 3)], noParams),
    sample("wrapping words", [words(5), words(5)], noParams, false),
    sample("integers", [integers(-9, 9, 4), integers(-9, 9, 4)], noParams),
  ],
  simplify: (x, y) => simplifyProduct(x, y) ?? simplifyProduct(y, x),
});
export const mul: Call2 = call2(mulOp);

/** `1·y = y`, `c·(d·y) = (c d)·y`, `−1·y = −y`. */
function simplifyProduct(x: Made, y: Made): Tensor | null {
  const c = constantOf(x);
  if (c === null || !isFloat(y.tensor.dtype)) return null;
  if (c === 1) return y.tensor;
  if (c === -1) return neg(y.tensor);
  if (y.op !== (mulOp as unknown as Op)) return null;
  const [first, second] = y.operands;
  if (first === undefined || second === undefined) return null;
  const left = constantOf(first);
  if (left !== null) return scale(second.tensor, c * left);
  const right = constantOf(second);
  return right !== null ? scale(first.tensor, c * right) : null;
}

export const divOp: BinaryOp = binary("div", {
  dtypes: FLOATS,
  jvp: (dx, dy, _x, y, z) => {
    const left = dx === null ? null : div(dx, y);
    const right = dy === null ? null : mul(dy, div(z, y)); // d(x/y) = dx/y − (x/y²) dy
    return right === null ? left : left === null ? neg(right) : sub(left, right);
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [x, y]) => [ct !== null && isLinear(x) && !isLinear(y) ? div(ct, y) : null, null],
  },
  evaluate: (x, y) => x / y,
  onnx: "Div",
  stablehlo: "stablehlo.divide",
  samples: () => [
    sample("numbers", [random(2, 3), between(0.5, 3, 2, 3)], noParams),
    sample(
      "by zero",
      [values(aval("float32", [3]), 1, -1, 0), values(aval("float32", [3]), 0, 0, 0)],
      noParams,
      false,
    ),
  ],
  simplify: (x, y) => {
    const c = constantOf(y);
    // Powers of two divide exactly by their reciprocal; for others the last bit would change.
    return c === 1
      ? x.tensor
      : c !== null && c !== 0 && Number.isInteger(Math.log2(Math.abs(c)))
        ? scale(x.tensor, 1 / c)
        : null;
  },
});
export const div: Call2 = call2(divOp);

const chosen = (first: boolean) => (dx: MaybeZero, dy: MaybeZero, x: Tensor, y: Tensor) => {
  const winner = first ? greaterEqual(x, y) : greaterEqual(y, x);
  return select(winner, dx ?? fullLike(x, 0), dy ?? fullLike(y, 0));
};

export const maximumOp: BinaryOp = binary("maximum", {
  dtypes: NUMBERS,
  jvp: chosen(true),
  transpose: notLinear("its tangent is a selection"),
  evaluate: (x, y) => (Number.isNaN(x) ? x : Number.isNaN(y) ? y : Math.max(x, y)),
  onnx: "Max",
  stablehlo: "stablehlo.maximum",
  samples: () => [
    sample("numbers", [random(2, 3), random(2, 3)], noParams),
    sample("integers", [integers(-9, 9, 4), integers(-9, 9, 4)], noParams),
  ],
});
export const maximum: Call2 = call2(maximumOp);

export const minimumOp: BinaryOp = binary("minimum", {
  dtypes: NUMBERS,
  jvp: chosen(false),
  transpose: notLinear("its tangent is a selection"),
  evaluate: (x, y) => (Number.isNaN(x) ? x : Number.isNaN(y) ? y : Math.min(x, y)),
  onnx: "Min",
  stablehlo: "stablehlo.minimum",
  samples: () => [
    sample("numbers", [random(2, 3), random(2, 3)], noParams),
    sample("integers", [integers(-9, 9, 4), integers(-9, 9, 4)], noParams),
  ],
});
export const minimum: Call2 = call2(minimumOp);

const truth = { none: "a truth value" } as const;

function comparison(
  name: string,
  onnx: string,
  direction: string,
  test: (x: number, y: number) => boolean,
): BinaryOp {
  return binary(name, {
    dtypes: ["float32", "float64", "int32", "int64"],
    result: "bool",
    jvp: truth,
    transpose: notLinear("a truth value"),
    evaluate: (x, y) => Number(test(x, y)),
    onnx,
    stablehlo: `stablehlo.compare ${direction},`,
    samples: () => [
      sample(
        "numbers",
        [values(aval("float32", [4]), 1, 2, 3, NaN), values(aval("float32", [4]), 2, 2, 1, 1)],
        noParams,
        false,
      ),
      sample("integers", [integers(-2, 2, 6), integers(-2, 2, 6)], noParams, false),
    ],
  });
}

export const equalOp: BinaryOp = comparison("equal", "Equal", "EQ", (x, y) => x === y);
export const equal: Call2 = call2(equalOp);
export const lessOp: BinaryOp = comparison("less", "Less", "LT", (x, y) => x < y);
export const less: Call2 = call2(lessOp);
export const greaterEqualOp: BinaryOp = comparison(
  "greaterEqual",
  "GreaterOrEqual",
  "GE",
  (x, y) => x >= y,
);
export const greaterEqual: Call2 = call2(greaterEqualOp);

function bitwise(
  name: string,
  logical: string,
  stablehlo: string,
  f: (x: number, y: number) => number,
): BinaryOp {
  return binary(name, {
    dtypes: BITS,
    jvp: { none: "bits" },
    transpose: notLinear("bits"),
    evaluate: (x, y, dtype) => (dtype === "uint32" ? f(x, y) >>> 0 : f(x, y)),
    onnx: (g, x, y, z) => g.node(z.dtype === "bool" ? logical : `Bitwise${logical}`, [x, y], z),
    stablehlo,
    samples: () => [
      sample("words", [words(5), words(5)], noParams, false),
      sample("truth", [booleans(6), booleans(6)], noParams, false),
    ],
  });
}

export const andOp: BinaryOp = bitwise("and", "And", "stablehlo.and", (x, y) => x & y);
export const and: Call2 = call2(andOp);
export const orOp: BinaryOp = bitwise("or", "Or", "stablehlo.or", (x, y) => x | y);
export const or: Call2 = call2(orOp);
export const xorOp: BinaryOp = bitwise("xor", "Xor", "stablehlo.xor", (x, y) => x ^ y);
export const xor: Call2 = call2(xorOp);

function shift(
  name: string,
  direction: string,
  stablehlo: string,
  f: (x: number, y: number) => number,
): BinaryOp {
  return binary(name, {
    dtypes: ["uint32"],
    jvp: { none: "bits" },
    transpose: notLinear("bits"),
    evaluate: (x, y) => (y >= 32 ? 0 : f(x, y) >>> 0),
    onnx: (g, x, y, z) => g.node("BitShift", [x, y], z, { direction: { string: direction } }),
    stablehlo,
    samples: () => [
      sample(
        "words",
        [words(6), values(aval("uint32", [6]), 0, 1, 7, 13, 24, 31)],
        noParams,
        false,
      ),
    ],
  });
}

export const shiftLeftOp: BinaryOp = shift(
  "shiftLeft",
  "LEFT",
  "stablehlo.shift_left",
  (x, y) => x << y,
);
export const shiftLeft: Call2 = call2(shiftLeftOp);
export const shiftRightOp: BinaryOp = shift(
  "shiftRight",
  "RIGHT",
  "stablehlo.shift_right_logical",
  (x, y) => x >>> y,
);
export const shiftRight: Call2 = call2(shiftRightOp);

// ---- three operands, and conversion -------------------------------------------------------------

/** `test ? x : y`, element by element. */
export const selectOp: Op<NoParams, Three, One> = defineOp<NoParams, Three, One>({
  name: "select",
  infer([test, x, y]) {
    if (test.dtype !== "bool")
      throw new DTypeError("DTYPE-01", `select: the test must be bool, not ${showAval(test)}`);
    const value = sameForms("select", [x, y]);
    return [sameForms("select", [value, { ...test, dtype: value.dtype }])];
  },
  jvp: {
    kind: "rule",
    apply: ([, dx, dy], [test, x, y]) => [
      dx === null && dy === null ? null : select(test, dx ?? fullLike(x, 0), dy ?? fullLike(y, 0)),
    ],
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [test, x, y]) => {
      if (ct === null || isLinear(test)) return [null, null, null];
      const zero = fullLike(ct, 0);
      return [
        null,
        isLinear(x) ? select(test, ct, zero) : null,
        isLinear(y) ? select(test, zero, ct) : null,
      ];
    },
  },
  batch: (inputs, mapped, _params, size) => apply(selectOp, spread(inputs, mapped, size), noParams),
  shard: ([test]) => pointwise(test.dims.length, 3, noParams),
  evaluate: ([test, x, y], _params, [z]) => [
    build(z, (index) => (get(test, index) !== 0 ? get(x, index) : get(y, index))),
  ],
  simplify(inputs, params, outputs) {
    const test = constantOf(inputs[0]);
    if (test !== null) return [(test !== 0 ? inputs[1] : inputs[2]).tensor];
    return simplifyElementwise(selectOp, inputs, params, outputs);
  },
  lower: {
    onnx: (g, xs, _params, { outputs: [z] }) => [
      g.node("Where", xs, { dtype: z.dtype, dims: broadcastDims(...xs.map((x) => x.dims)) }),
    ],
    stablehlo: (h, [test, x, y], _params, [z]) => [
      h.line(
        `stablehlo.select ${test.name}, ${x.name}, ${y.name} : ${h.type(test)}, ${h.type(z)}`,
        z,
      ),
    ],
  },
  samples: () => [
    sample("numbers", [booleans(2, 3), random(2, 3), random(2, 3)], noParams),
    sample("integers", [booleans(4), integers(0, 5, 4), integers(0, 5, 4)], noParams),
  ],
  rejects: () => [
    rejects(
      "a test that is no truth value",
      [aval("float32", [2]), aval("float32", [2]), aval("float32", [2])],
      noParams,
      "select: the test must be bool, not float32[2]",
    ),
  ],
});

export function select(test: Tensor, x: Tensor, y: Tensor): Tensor {
  return apply(selectOp, [test, x, y], noParams)[0];
}

export interface ConvertParams {
  readonly dtype: DType;
}

/** Another dtype: floats to integers cut towards zero, numbers to bool test for not 0. */
export const convertOp: Op<ConvertParams, One, One> = defineOp<ConvertParams, One, One>({
  name: "convert",
  infer: ([x], { dtype }) => [{ ...x, dtype }],
  jvp: {
    kind: "rule",
    apply: ([dx], [x], _y, { dtype }) => [
      dx === null || !isFloat(dtype) || !isFloat(x.dtype) ? null : convert(dx, dtype),
    ],
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [x]) => [ct === null ? null : convert(ct, x.aval.dtype)],
  },
  batch: ([x], _mapped, { dtype }) => [convert(x, dtype)],
  shard: ([x], _y, p) => pointwise(x.dims.length, 1, p),
  evaluate: ([x], { dtype }) => [
    mapElements(x, dtype, (value) =>
      dtype === "bool" ? Number(value !== 0) : isFloat(dtype) ? value : Math.trunc(value),
    ),
  ],
  simplify: (inputs, p, outputs) =>
    inputs[0].tensor.dtype === p.dtype
      ? [inputs[0].tensor]
      : simplifyElementwise(convertOp, inputs, p, outputs),
  lower: {
    // Constants keep their rank, so a converted scalar stays a scalar. ONNX numbers its types: 1 f32, 5 … 13.
    onnx: (g, [x], { dtype }) => [
      g.node(
        "Cast",
        [x],
        { dtype, dims: x.dims },
        {
          to: { int: { float32: 1, float64: 11, int32: 6, int64: 7, uint32: 12, bool: 9 }[dtype] },
        },
      ),
    ],
    stablehlo: (h, [x], { dtype }, [y]) => {
      if (dtype !== "bool")
        return [h.line(`stablehlo.convert ${x.name} : (${h.type(x)}) -> ${h.type(y)}`, y)];
      const zero = h.splat(0, x);
      return [
        h.line(
          `stablehlo.compare NE, ${x.name}, ${zero.name} : (${h.type(x)}, ${h.type(x)}) -> ${h.type(y)}`,
          y,
        ),
      ];
    },
  },
  samples: () => [
    sample(
      "to integers",
      [values(aval("float32", [4]), 1.7, -1.7, 0, 3)],
      { dtype: "int32" },
      false,
    ),
    sample("to numbers", [integers(-5, 5, 4)], { dtype: "float32" }, false),
    sample("from truth", [booleans(4)], { dtype: "float32" }, false),
    sample("to truth", [values(aval("float32", [3]), 0, 0.5, -2)], { dtype: "bool" }, false),
    sample("from words", [words(4)], { dtype: "float32" }, false),
    sample("to words", [integers(0, 99, 4)], { dtype: "uint32" }, false),
  ],
  rejects: () => [],
});

export function convert(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : apply(convertOp, [x], { dtype })[0];
}
