/** @file Arithmetic with broadcasting. */

import type { DType } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import { fullLike } from "../ops/creation.ts";
import * as e from "../ops/elementwise.ts";
import * as logic from "../ops/logic.ts";
import { align, type TensorLike } from "./align.ts";

type Binary = (x: TensorLike, y: TensorLike) => Tensor;

function aligned(name: string, op: (x: Tensor, y: Tensor) => Tensor): Binary {
  return (x, y) => {
    const [a, b] = align(name, [x, y]) as [Tensor, Tensor];
    return op(a, b);
  };
}

export const add: Binary = aligned("add", e.add);
export const sub: Binary = aligned("sub", e.sub);
export const mul: Binary = aligned("mul", e.mul);
export const div: Binary = aligned("div", e.div);
export const maximum: Binary = aligned("maximum", e.maximum);
export const minimum: Binary = aligned("minimum", e.minimum);
export const equal: Binary = aligned("equal", logic.equal);
export const less: Binary = aligned("less", logic.less);
export const greaterEqual: Binary = aligned("greaterEqual", logic.greaterEqual);
export const greater: Binary = (x, y) => less(y, x);
export const lessEqual: Binary = (x, y) => greaterEqual(y, x);
export const notEqual: Binary = (x, y) => e.not(equal(x, y));
export const and: Binary = aligned("and", logic.and);
export const or: Binary = aligned("or", logic.or);
export const xor: Binary = aligned("xor", logic.xor);
export const shiftLeft: Binary = aligned("shiftLeft", logic.shiftLeft);
export const shiftRight: Binary = aligned("shiftRight", logic.shiftRight);

export {
  abs,
  exp,
  floor,
  isFiniteElement,
  log,
  logistic,
  neg,
  not,
  rsqrt,
  sign,
  sqrt,
  tanh,
} from "../ops/elementwise.ts";

/** `test ? x : y` with broadcasting of all three. */
export function where(test: Tensor, x: TensorLike, y: TensorLike): Tensor {
  const [t, a, b] = align("where", [test, x, y]) as [Tensor, Tensor, Tensor];
  if (typeof x !== "number" || typeof y !== "number") return logic.select(t, a, b);
  return logic.select(
    t,
    fullLike({ ...t.aval, dtype: "float32" }, x),
    fullLike({ ...t.aval, dtype: "float32" }, y),
  );
}

/** The elements under another dtype. */
export function astype(x: Tensor, dtype: DType): Tensor {
  return logic.convert(x, dtype);
}

/** x² */
export function square(x: Tensor): Tensor {
  return e.mul(x, x);
}

/** `x^p` for positive x, as `exp(p · log x)`. */
export function power(x: Tensor, p: number): Tensor {
  return e.exp(mul(e.log(x), p));
}
