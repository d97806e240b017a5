/** @file Hyperbolic functions and their inverses. */

import { between, random, sample, specials } from "../core/samples.ts";
import { add, div, mul, sub } from "./arithmetic.ts";
import { fullLike } from "./creation.ts";
import { FLOATS } from "./dtypes.ts";
import { sqrt } from "./exponential.ts";
import { type Call1, call1, noParams, type UnaryOp, unary } from "./families.ts";

const curved = { none: "its tangent is a product" } as const;

export const sinhOp: UnaryOp = unary("sinh", {
  dtypes: FLOATS,
  jvp: (dx, x) => mul(dx, cosh(x)),
  transpose: curved,
  evaluate: Math.sinh,
  onnx: "Sinh",
  stablehlo: "chlo.sinh",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("specials", [specials(40)], noParams, false),
  ],
});
export const sinh: Call1 = call1(sinhOp);

export const coshOp: UnaryOp = unary("cosh", {
  dtypes: FLOATS,
  jvp: (dx, x) => mul(dx, sinh(x)),
  transpose: curved,
  evaluate: Math.cosh,
  onnx: "Cosh",
  stablehlo: "chlo.cosh",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("specials", [specials(40)], noParams, false),
  ],
});
export const cosh: Call1 = call1(coshOp);

export const tanhOp: UnaryOp = unary("tanh", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => mul(dx, sub(fullLike(y, 1), mul(y, y))), // d tanh = (1 − tanh²) dx
  transpose: curved,
  evaluate: Math.tanh,
  onnx: "Tanh",
  stablehlo: "stablehlo.tanh",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("saturated", [specials(-40, 40)], noParams, false),
  ],
});
export const tanh: Call1 = call1(tanhOp);

export const asinhOp: UnaryOp = unary("asinh", {
  dtypes: FLOATS,
  jvp: (dx, x) => div(dx, sqrt(add(mul(x, x), fullLike(x, 1)))),
  transpose: curved,
  evaluate: Math.asinh,
  onnx: "Asinh",
  stablehlo: "chlo.asinh",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("specials", [specials(1e30)], noParams, false),
  ],
});
export const asinh: Call1 = call1(asinhOp);

/** NaN below 1; the slope at 1 is infinite. */
export const acoshOp: UnaryOp = unary("acosh", {
  dtypes: FLOATS,
  jvp: (dx, x) => {
    const one = fullLike(x, 1);
    return div(dx, mul(sqrt(sub(x, one)), sqrt(add(x, one))));
  },
  transpose: curved,
  evaluate: Math.acosh,
  onnx: "Acosh",
  stablehlo: "chlo.acosh",
  samples: () => [
    sample("numbers", [between(1.2, 4, 2, 3)], noParams),
    sample("specials", [specials(1e30)], noParams, false),
  ],
});
export const acosh: Call1 = call1(acoshOp);

/** ±∞ at ±1, NaN beyond. */
export const atanhOp: UnaryOp = unary("atanh", {
  dtypes: FLOATS,
  jvp: (dx, x) => {
    const one = fullLike(x, 1);
    return div(dx, mul(sub(one, x), add(one, x)));
  },
  transpose: curved,
  evaluate: Math.atanh,
  onnx: "Atanh",
  stablehlo: "chlo.atanh",
  samples: () => [
    sample("numbers", [between(-0.9, 0.9, 2, 3)], noParams),
    sample("specials", [specials()], noParams, false),
  ],
});
export const atanh: Call1 = call1(atanhOp);
