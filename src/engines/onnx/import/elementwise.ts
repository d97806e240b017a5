/** @file Operators on elements: arithmetic, comparison, logic, bits. Operands broadcast as in NumPy. */

import { isFloat } from "../../../core/dtype.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { fullLike } from "../../../ops/creation.ts";
import { reshape } from "../../../ops/layout.ts";
import type { Call, Rule } from "./call.ts";
import { isNarrow, rangeOf } from "./elements.ts";
import { type Operator, type Operators, operator } from "./operator.ts";
import { type TensorValue, tensorValue } from "./value.ts";

type Unary = (x: Tensor) => Tensor;
type Binary = (x: Tensor, y: Tensor) => Tensor;

/** An operator of one operand; from version `since` on. */
export function unary(f: Unary, since = 1): Operator {
  return operator(since, (call) => f(call.x(0)), { wraps: true });
}

/**
 * The operands of a binary operator.
 *
 * Before opset 7 the second one does not broadcast by itself: with `broadcast` set, its axes stand for those of the
 * first from `axis` on.
 */
export function operands(call: Call): [Tensor, Tensor] {
  const [x, y] = [call.x(0), call.x(1)];
  if (call.opset >= 7 || !call.flag("broadcast", false) || !call.given("axis")) return [x, y];
  const axis = call.axis(call.int("axis"), x.rank);
  const after = Math.max(0, x.rank - axis - y.rank);
  return [x, reshape(y, [...y.dims, ...Array<number>(after).fill(1)])];
}

function binary(f: Binary, since = 1): Operator {
  return operator(since, (call) => f(...operands(call)), { wraps: true });
}

/** A sum of integers keeps what is known of it: slices of fixed length begin at a place that is data. */
function add(call: Call): Tensor | TensorValue {
  const sum = np.add(...operands(call));
  const values = [call.value(0), call.value(1)] as const;
  const [open, ...others] = values.filter(({ known }) => known === undefined);
  const more = values.find(({ known }) => known !== undefined)?.known;
  if (isFloat(sum.dtype) || open === undefined || more === undefined || others.length > 0)
    return sum;
  if (open.type !== sum.dtype) return sum;
  return { ...tensorValue(sum), sum: { of: open, more } };
}

/** An operator of any number of operands, from left to right. */
function many(f: Binary, finish: (x: Tensor, count: number) => Tensor = (x) => x): Operator {
  const rule: Rule = (call) => {
    const xs = call.all();
    const [first, ...rest] = xs;
    if (first === undefined) throw call.wrong("it has no inputs");
    return finish(rest.reduce(f, first), xs.length);
  };
  return operator(1, rule, { wraps: true });
}

/** The remainder: of the sign of the divisor, or with `fmod` of the dividend. */
function modulo(call: Call): Tensor {
  const [x, y] = operands(call);
  return call.flag("fmod", false) ? np.rem(x, y) : np.mod(x, y);
}

/** `x^y` in the dtype of x, whatever the exponent's. */
function power(call: Call): Tensor {
  const [x, y] = operands(call);
  if (isFloat(x.dtype)) return np.power(x, np.astype(y, x.dtype));
  const known = call.value(1).known;
  const [first, ...rest] = known === undefined ? [] : call.numbers(1, "the power");
  // One whole power is a product; others go by way of single precision, which holds 24 bits.
  if (
    first !== undefined &&
    rest.every((p) => p === first) &&
    Number.isInteger(first) &&
    first >= 0
  )
    return np.add(np.power(x, first), np.mul(np.astype(y, x.dtype), 0));
  const raised = np.power(np.astype(x, "float32"), np.astype(y, "float32"));
  return np.astype(np.round(raised), x.dtype);
}

/** Least and greatest are attributes before opset 11. */
function clip(call: Call): Tensor {
  const x = call.x(0);
  const attribute = (name: string) => (call.given(name) ? call.float(name) : undefined);
  const low = call.maybe(1) ?? attribute("min");
  const high = call.maybe(2) ?? attribute("max");
  const raised = low === undefined ? x : np.maximum(x, low);
  return high === undefined ? raised : np.minimum(raised, high);
}

function isInfinite(call: Call): Tensor {
  const x = call.x(0);
  const up = np.equal(x, Infinity);
  const down = np.equal(x, -Infinity);
  const [seeUp, seeDown] = [call.flag("detect_positive", true), call.flag("detect_negative", true)];
  if (seeUp && seeDown) return np.isInfElement(x);
  if (!seeUp && !seeDown) return np.and(up, down);
  return seeUp ? up : down;
}

/**
 * Bits moved left or right; to the right, the sign of a signed number comes in. By the width or more all of them
 * leave, and so they do by less than nothing.
 */
function bitShift(call: Call): Tensor {
  const left = call.oneOf("direction", ["LEFT", "RIGHT"], "LEFT") === "LEFT";
  const [x, y] = operands(call);
  if (x.dtype === "int64") throw call.unsupported("int64");
  const count = x.dtype === "uint32" ? y : np.where(np.less(y, 0), fullLike(y, 32), y);
  // A narrow type is wrapped to its bits afterwards.
  return left ? np.shiftLeft(x, count) : np.shiftRight(x, count);
}

/** All bits turned round: −1 − x in two's complement, `max − x` without a sign. */
function bitwiseNot(call: Call): Tensor {
  const x = call.x(0);
  const type = call.type(0);
  if (isNarrow(type)) {
    const [low, high] = rangeOf(type);
    return np.sub(low + high, x);
  }
  return type === "uint32" ? np.xor(x, 2 ** 32 - 1) : np.sub(-1, x);
}

function where(call: Call): Tensor {
  return np.where(call.x(0), call.x(1), call.x(2));
}

export const ELEMENTWISE: Operators = {
  Abs: unary(np.abs),
  Neg: unary(np.neg),
  Sign: unary(np.sign),
  Floor: unary(np.floor),
  Sqrt: unary(np.sqrt),
  Exp: unary(np.exp),
  Log: unary(np.log),
  Reciprocal: unary((x) => np.div(1, x)),
  Add: operator(1, add, { wraps: true }),
  Sub: binary(np.sub),
  Mul: binary(np.mul),
  Div: binary(np.div),
  Sum: many(np.add),
  Mean: many(np.add, (x, count) => np.div(x, count)),
  Max: many(np.maximum),
  Min: many(np.minimum),
  Clip: operator(1, clip),
  Equal: binary(np.equal),
  Less: binary(np.less),
  Greater: binary(np.greater),
  LessOrEqual: binary(np.lessEqual, 12),
  GreaterOrEqual: binary(np.greaterEqual, 12),
  Not: unary(np.not),
  And: binary(np.and),
  Or: binary(np.or),
  Xor: binary(np.xor),
  BitwiseAnd: binary(np.and, 18),
  BitwiseOr: binary(np.or, 18),
  BitwiseXor: binary(np.xor, 18),
  BitwiseNot: operator(18, bitwiseNot, { wraps: true }),
  BitShift: operator(11, bitShift, { wraps: true }),
  IsNaN: unary(np.isNaNElement, 9),
  IsInf: operator(10, isInfinite),
  Where: operator(9, where),
};

/** Functions. */
export const FUNCTIONS: Operators = {
  Ceil: unary(np.ceil),
  Round: unary(np.round, 11),
  Erf: unary(np.erf, 9),
  Sin: unary(np.sin, 7),
  Cos: unary(np.cos, 7),
  Tan: unary(np.tan, 7),
  Asin: unary(np.asin, 7),
  Acos: unary(np.acos, 7),
  Atan: unary(np.atan, 7),
  Sinh: unary(np.sinh, 9),
  Cosh: unary(np.cosh, 9),
  Asinh: unary(np.asinh, 9),
  Acosh: unary(np.acosh, 9),
  Atanh: unary(np.atanh, 9),
  Mod: operator(10, modulo, { wraps: true }),
  Pow: operator(1, power, { wraps: true }),
};
