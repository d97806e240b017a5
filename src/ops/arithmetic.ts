/** @file Sums, products and quotients, element by element. Operands have equal dims; `numpy/` broadcasts for the user. */

import { type DType, isFloat } from "../core/dtype.ts";
import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import {
  isLinear,
  type Made,
  notLinear,
  type One,
  type Op,
  type TransposeRule,
  type Two,
} from "../core/op.ts";
import {
  between,
  integers,
  pairs,
  random,
  type Sample,
  sample,
  specials,
  values,
  words,
} from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { and, xor } from "./bits.ts";
import { constantOf, fullLike } from "./creation.ts";
import { NUMBERS, SIGNED } from "./dtypes.ts";
import {
  type BinaryOp,
  binary,
  type Call1,
  type Call2,
  call1,
  call2,
  type NoParams,
  noParams,
  type UnaryOp,
  unary,
  whereOnnx,
} from "./families.ts";
import { less, notEqual, select } from "./logic.ts";

/** `c · x` for a number c. */
export function scale(x: Tensor, c: number): Tensor {
  return c === 1 ? x : mul(x, fullLike(x, c));
}

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
    sample("the least integer", [values(aval("int32", [2]), -(2 ** 31), 2 ** 31 - 1)], noParams),
    sample("specials", [specials()], noParams, false),
  ],
  simplify: (x) => negated(x),
});
export const neg: Call1 = call1(negOp);

const bothWays = (sign: 1 | -1): TransposeRule<NoParams, Two, One> => ({
  kind: "rule",
  apply: ([ct], [x, y]) => [
    ct !== null && isLinear(x) ? ct : null,
    ct !== null && isLinear(y) ? (sign === 1 ? ct : neg(ct)) : null,
  ],
});

/** Turns products that leave the integer range back into it, as typed arrays cannot do for doubles. */
export function wrapping(
  product: (a: number, b: number) => number,
  exact: (a: number, b: number) => number,
): (a: number, b: number, dtype: DType) => number {
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
  evaluate: wrapping((x, y) => x * y, Math.imul),
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

/**
 * Quotient. Integers are cut towards zero; there x / 0 is −1 (all bits set, the largest uint32), and the least
 * integer / −1 is itself.
 */
export const divOp: BinaryOp = binary("div", {
  dtypes: NUMBERS,
  jvp: (dx, dy, _x, y, z) => {
    const left = dx === null ? null : div(dx, y);
    const right = dy === null ? null : mul(dy, div(z, y)); // d(x/y) = dx/y − (x/y²) dy
    return right === null ? left : left === null ? neg(right) : sub(left, right);
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [x, y]) => [ct !== null && isLinear(x) && !isLinear(y) ? div(ct, y) : null, null],
  },
  evaluate: (x, y, dtype) => (isFloat(dtype) ? x / y : y === 0 ? -1 : Math.trunc(x / y)),
  onnx: (g, x, y, z) => {
    if (isFloat(z.dtype)) return g.node("Div", [x, y], z);
    const { safe, byZero, byMinusOne } = safeDivisor(g, y);
    const quotient = g.node("Div", [x, safe], z);
    const turned =
      byMinusOne === null
        ? quotient
        : whereOnnx(g, byMinusOne, g.node("Neg", [x], aval(z.dtype, x.dims)), quotient, z);
    return whereOnnx(g, byZero, g.constant(z.dtype, [], [-1]), turned, z);
  },
  stablehlo: "stablehlo.divide",
  samples: () => [
    sample("numbers", [random(2, 3), between(0.5, 3, 2, 3)], noParams),
    sample("specials", pairs(NaN, Infinity, -Infinity, -0, 0, 1, -2), noParams, false),
    ...integerDivisions(),
  ],
  simplify: (x, y) => {
    const c = constantOf(y);
    if (c === 1) return x.tensor;
    // Powers of two divide exactly by their reciprocal; for others the last bit would change.
    return isFloat(x.tensor.dtype) &&
      c !== null &&
      c !== 0 &&
      Number.isInteger(Math.log2(Math.abs(c)))
      ? scale(x.tensor, 1 / c)
      : null;
  },
});
export const div: Call2 = call2(divOp);

/** Integer division traps at 0, and at the least integer / −1: there it divides by 1, and others mend the result. */
function safeDivisor(
  g: OnnxEmitter,
  y: OnnxValue,
): {
  readonly safe: OnnxValue;
  readonly byZero: OnnxValue;
  readonly byMinusOne: OnnxValue | null;
} {
  const is = (value: number) =>
    g.node("Equal", [y, g.constant(y.dtype, [], [value])], aval("bool", y.dims));
  const byZero = is(0);
  const byMinusOne = y.dtype === "uint32" ? null : is(-1);
  const unsafe =
    byMinusOne === null ? byZero : g.node("Or", [byZero, byMinusOne], aval("bool", y.dims));
  return {
    safe: whereOnnx(g, unsafe, g.constant(y.dtype, [], [1]), y, y),
    byZero,
    byMinusOne,
  };
}

function integerDivisions(): readonly Sample<NoParams>[] {
  const five = (dtype: DType, ...elements: number[]) => values(aval(dtype, [5]), ...elements);
  return [
    sample(
      "integers",
      [five("int32", 7, -7, 7, -7, 0), five("int32", 2, 2, -2, -2, 3)],
      noParams,
      false,
    ),
    sample(
      "by zero and past the range",
      [five("int32", 7, -7, 0, -(2 ** 31), -(2 ** 31)), five("int32", 0, 0, 0, -1, 1)],
      noParams,
      false,
    ),
    sample(
      "words",
      [five("uint32", 2 ** 32 - 1, 7, 0, 2 ** 31, 5), five("uint32", 2, 0, 0, 2 ** 32 - 1, 7)],
      noParams,
      false,
    ),
  ];
}

/** Remainder of a division cut towards zero: it has the sign of x. For integers, x rem 0 is x. */
export const remOp: BinaryOp = binary("rem", {
  dtypes: NUMBERS,
  jvp: (dx, dy, x, y, z) => {
    // x rem y = x − y · trunc(x / y), and the quotient is (x − z) / y.
    const right = dy === null ? null : mul(dy, div(sub(z, x), y));
    return dx === null ? right : right === null ? dx : add(dx, right);
  },
  transpose: notLinear("its tangent is a sum"),
  evaluate: (x, y, dtype) => (isFloat(dtype) || y !== 0 ? x % y : x),
  onnx: (g, x, y, z) => {
    const mod = (divisor: OnnxValue) => g.node("Mod", [x, divisor], z, { fmod: { int: 1 } });
    if (isFloat(z.dtype)) return mod(y);
    const { safe, byZero } = safeDivisor(g, y);
    return whereOnnx(g, byZero, x, mod(safe), z);
  },
  stablehlo: "stablehlo.remainder",
  samples: () => [
    sample(
      "numbers",
      [
        values(aval("float32", [4]), 5.25, -5.25, 5.25, -5.25),
        values(aval("float32", [4]), 2, 2, -2, -2),
      ],
      noParams,
    ),
    sample("specials", pairs(NaN, Infinity, -Infinity, -0, 0, 1, -2.5), noParams, false),
    ...integerDivisions(),
  ],
});
export const rem: Call2 = call2(remOp);

/** Remainder with the sign of y: `rem`, plus y where their signs differ. For integers, x mod 0 is x. */
export function mod(x: Tensor, y: Tensor): Tensor {
  const r = rem(x, y);
  if (x.dtype === "uint32") return r;
  const zero = fullLike(r, 0);
  const other = xor(less(r, zero), less(y, zero));
  return select(and(other, notEqual(r, zero)), add(r, y), r);
}
