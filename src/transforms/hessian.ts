/** @file Derivatives of derivatives, and whole matrices of them, from the two directions. */

import { asOneLine } from "../core/builder.ts";
import { GradError } from "../core/errors.ts";
import { aval, showAval, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { iota } from "../ops/creation.ts";
import { reshape, transpose } from "../ops/layout.ts";
import { convert, equal } from "../ops/logic.ts";
import { jvp } from "./jvp.ts";
import { grad, vjp } from "./vjp.ts";
import { vmap } from "./vmap.ts";

/**
 * The Hessian of a scalar function times a direction, forward over reverse: the derivative of the
 * gradient along it. Costs a few gradients, whatever the size of the argument.
 */
export function hvp<A extends readonly unknown[]>(
  f: (...args: A) => Tensor,
  args: A,
  direction: A[0],
): A[0] {
  const [first, ...rest] = args;
  const along = (x: A[0]) => grad(f)(...([x, ...rest] as unknown as A));
  return jvp(along, [first], [direction])[1];
}

/** One unit direction per element of x, as rows: `[size, …x]`. */
function directions(x: Tensor): Tensor {
  const size = sizeOf(x.dims);
  const form = aval("int32", [size, size]);
  const unit = convert(equal(iota(form, 0), iota(form, 1)), x.dtype);
  return reshape(unit, [size, ...x.dims], [null, ...x.names]);
}

function checkTensor(name: string, y: Tensor): void {
  if (typeof y !== "object" || !("aval" in y))
    throw new GradError("GRAD-01", `${name}: the function must return one tensor`);
  if (!y.dtype.includes("float"))
    throw new GradError("GRAD-01", `${name}: ${showAval(y.aval)} has no derivative`);
}

/**
 * The matrix of all derivatives of a function from tensor to tensor, `[…result, …argument]`, a column
 * at a time: for functions with more results than arguments.
 */
export function jacobianForward(f: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  return (x) =>
    asOneLine(() => {
      const [y] = jvp(f, [x], [x]);
      checkTensor("jacobianForward", y);
      const columns = vmap((dx: Tensor) => jvp(f, [x], [dx])[1])(directions(x));
      const last = moveFirstLast(columns);
      return reshape(last, [...y.dims, ...x.dims]);
    });
}

/** As `jacobianForward`, a row at a time: for functions with more arguments than results. */
export function jacobianReverse(f: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  return (x) =>
    asOneLine(() => {
      const [y, pullback] = vjp(f, x);
      checkTensor("jacobianReverse", y);
      const rows = vmap((ct: Tensor) => pullback(ct)[0])(directions(y));
      return reshape(rows, [...y.dims, ...x.dims]);
    });
}

/** All second derivatives of a scalar function, `[…argument, …argument]`. */
export function hessian(f: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  return jacobianForward(grad(f));
}

function moveFirstLast(x: Tensor): Tensor {
  return transpose(x, [...x.dims.map((_, i) => i).slice(1), 0]);
}
