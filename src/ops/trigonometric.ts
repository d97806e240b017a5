/** @file Trigonometric functions and their inverses; angles in radians. */

import type { OnnxValue } from "../core/lowering.ts";
import { notLinear } from "../core/op.ts";
import { between, pairs, random, sample, specials } from "../core/samples.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul, neg, sub } from "./arithmetic.ts";
import { fullLike } from "./creation.ts";
import { FLOATS } from "./dtypes.ts";
import { sqrt } from "./exponential.ts";
import {
  type BinaryOp,
  binary,
  type Call1,
  type Call2,
  call1,
  call2,
  noParams,
  type UnaryOp,
  unary,
} from "./families.ts";
import { inSingle } from "./half.onnx.ts";

const curved = { none: "its tangent is a product" } as const;

export const sinOp: UnaryOp = unary("sin", {
  dtypes: FLOATS,
  jvp: (dx, x) => mul(dx, cos(x)),
  transpose: curved,
  evaluate: Math.sin,
  onnx: "Sin",
  stablehlo: "stablehlo.sine",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("specials", [specials(1e3)], noParams, false),
  ],
});
export const sin: Call1 = call1(sinOp);

export const cosOp: UnaryOp = unary("cos", {
  dtypes: FLOATS,
  jvp: (dx, x) => neg(mul(dx, sin(x))),
  transpose: curved,
  evaluate: Math.cos,
  onnx: "Cos",
  stablehlo: "stablehlo.cosine",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("specials", [specials(1e3)], noParams, false),
  ],
});
export const cos: Call1 = call1(cosOp);

export const tanOp: UnaryOp = unary("tan", {
  dtypes: FLOATS,
  jvp: (dx, _x, y) => mul(dx, add(mul(y, y), fullLike(y, 1))),
  transpose: curved,
  evaluate: Math.tan,
  onnx: "Tan",
  stablehlo: "stablehlo.tan",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("specials", [specials()], noParams, false),
  ],
});
export const tan: Call1 = call1(tanOp);

/** √(1 − x²) without cancellation near ±1. */
function cosine(x: Tensor): Tensor {
  const one = fullLike(x, 1);
  return sqrt(mul(sub(one, x), add(one, x)));
}

/** In [−π/2, π/2]; NaN outside [−1, 1]. */
export const asinOp: UnaryOp = unary("asin", {
  dtypes: FLOATS,
  jvp: (dx, x) => div(dx, cosine(x)),
  transpose: curved,
  evaluate: Math.asin,
  onnx: "Asin",
  stablehlo: "chlo.asin",
  samples: () => [
    sample("numbers", [between(-0.9, 0.9, 2, 3)], noParams),
    sample("specials", [specials()], noParams, false),
  ],
});
export const asin: Call1 = call1(asinOp);

/** In [0, π]; NaN outside [−1, 1]. */
export const acosOp: UnaryOp = unary("acos", {
  dtypes: FLOATS,
  jvp: (dx, x) => neg(div(dx, cosine(x))),
  transpose: curved,
  evaluate: Math.acos,
  onnx: "Acos",
  stablehlo: "chlo.acos",
  samples: () => [
    sample("numbers", [between(-0.9, 0.9, 2, 3)], noParams),
    sample("specials", [specials()], noParams, false),
  ],
});
export const acos: Call1 = call1(acosOp);

/** In [−π/2, π/2]. */
export const atanOp: UnaryOp = unary("atan", {
  dtypes: FLOATS,
  jvp: (dx, x) => div(dx, add(mul(x, x), fullLike(x, 1))),
  transpose: curved,
  evaluate: Math.atan,
  onnx: "Atan",
  stablehlo: "chlo.atan",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("specials", [specials(1e30)], noParams, false),
  ],
});
export const atan: Call1 = call1(atanOp);

/**
 * The angle of the point (x, y), in [−π, π]: `atan2(y, x)`. Signs of zeros count, as in IEEE 754.
 *
 * ONNX has none: the angle of (|x|, |y|) is turned to the other side where x is negative, and takes the
 * sign of y. The reciprocal tells −0 from 0.
 */
export const atan2Op: BinaryOp = binary("atan2", {
  dtypes: FLOATS,
  jvp: (dy, dx, y, x) => {
    const square = add(mul(x, x), mul(y, y));
    const up = dy === null ? null : mul(dy, div(x, square));
    const along = dx === null ? null : mul(dx, div(y, square));
    return along === null ? up : up === null ? neg(along) : sub(up, along);
  },
  transpose: notLinear("its tangent is a sum of products"),
  evaluate: Math.atan2,
  onnx: (g, first, second, z) =>
    inSingle(g, [first, second], z, ([y = first, x = second], form) => {
      const truth = { ...form, dtype: "bool" as const };
      const constant = (value: number) => g.constant(form.dtype, [], [value]);
      const both = (a: OnnxValue, b: OnnxValue) => g.node("And", [a, b], truth);
      const is = (a: OnnxValue, value: number) => g.node("Equal", [a, constant(value)], truth);
      const negative = (a: OnnxValue) => {
        const below = (b: OnnxValue) => g.node("Less", [b, constant(0)], truth);
        return g.node("Or", [below(a), below(g.node("Reciprocal", [a], form))], truth);
      };
      const [high, wide] = [g.node("Abs", [y], form), g.node("Abs", [x], form)];
      const origin = both(is(high, 0), is(wide, 0));
      const corner = both(is(high, Infinity), is(wide, Infinity));
      const slope = g.node(
        "Where",
        [
          origin,
          constant(0),
          g.node("Where", [corner, constant(1), g.node("Div", [high, wide], form)], form),
        ],
        form,
      );
      const acute = g.node("Atan", [slope], form);
      const blunt = g.node("Sub", [constant(Math.PI), acute], form);
      const upper = g.node("Where", [negative(x), blunt, acute], form);
      // A product keeps the sign of a zero; Where loses it.
      const sign = g.node("Where", [negative(y), constant(-1), constant(1)], form);
      return g.node("Mul", [upper, sign], form);
    }),
  stablehlo: "stablehlo.atan2",
  samples: () => [
    sample("numbers", [random(2, 3), random(2, 3)], noParams),
    sample("specials", pairs(NaN, Infinity, -Infinity, -0, 0, 1, -2), noParams, false),
  ],
});
export const atan2: Call2 = call2(atan2Op);
