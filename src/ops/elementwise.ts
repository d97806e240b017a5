/** @file Element-wise ops. Operands of one op have equal dims; `numpy/` broadcasts for the user. */

import { type DType, isFloat } from "../core/dtype.ts";
import {
  isLinear,
  type Made,
  type MaybeZero,
  notLinear,
  type One,
  type Op,
  type TransposeRule,
  type Two,
} from "../core/op.ts";
import { between, booleans, integers, random, sample, values, words } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { constantOf, fullLike } from "./creation.ts";
import {
  ALL,
  type BinaryOp,
  binary,
  type Call1,
  type Call2,
  call1,
  call2,
  FLOATS,
  type NoParams,
  NUMBERS,
  noParams,
  SIGNED,
  type UnaryOp,
  unary,
} from "./families.ts";
import { greaterEqual, select } from "./logic.ts";

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
  simplify: (x) => negated(x),
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
  simplify: (x, y) => {
    if (constantOf(x) === 0) return y.tensor;
    if (constantOf(y) === 0) return x.tensor;
    const [left, right] = [negated(x), negated(y)];
    return right !== null ? sub(x.tensor, right) : left !== null ? sub(y.tensor, left) : null;
  },
});
/** z where x is −z, of a signed dtype. */
function negated(x: Made): Tensor | null {
  return x.op === (negOp as unknown as Op) ? (x.inputs[0] ?? null) : null;
}
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
  simplify: (x, y) => {
    if (constantOf(y) === 0) return x.tensor;
    if (constantOf(x) === 0 && x.tensor.dtype !== "uint32") return neg(y.tensor);
    const right = negated(y);
    return right === null ? null : add(x.tensor, right);
  },
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
