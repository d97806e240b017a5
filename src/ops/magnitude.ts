/** @file Size and sign: abs, sign, maximum, minimum, clamp. NaN wins: any NaN among the operands is the result. */

import type { DType } from "../core/dtype.ts";
import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { type MaybeZero, notLinear } from "../core/op.ts";
import {
  integers,
  longIntegers,
  pairs,
  random,
  type Sample,
  sample,
  specials,
  values,
  words,
} from "../core/samples.ts";
import { type Aval, aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul } from "./arithmetic.ts";
import { fullLike } from "./creation.ts";
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
} from "./families.ts";
import { inSingle } from "./half.onnx.ts";
import { greaterEqual, select } from "./logic.ts";

const curved = { none: "its tangent is a product" } as const;

/** Size without sign. The least integer is its own. */
export const absOp: UnaryOp = unary("abs", {
  dtypes: SIGNED,
  jvp: (dx, x) => mul(dx, sign(x)),
  transpose: curved,
  evaluate: Math.abs,
  onnx: "Abs",
  stablehlo: "stablehlo.abs",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("integers", [values(aval("int32", [4]), -5, 0, 5, -(2 ** 31))], noParams, false),
    sample("specials", [specials()], noParams, false),
  ],
});
export const abs: Call1 = call1(absOp);

/** −1, 0 or 1; NaN for NaN. Of a zero it is a zero, whose sign is not defined. */
export const signOp: UnaryOp = unary("sign", {
  dtypes: SIGNED,
  jvp: { none: "constant between its steps" },
  transpose: curved,
  evaluate: Math.sign,
  // The kernel for float16 makes 0 of NaN.
  onnx: (g, x, y) => inSingle(g, [x], y, ([z = x], form) => g.node("Sign", [z], form)),
  stablehlo: "stablehlo.sign",
  samples: () => [
    sample("numbers", [random(2, 3)], noParams),
    sample("integers", [values(aval("int32", [3]), -5, 0, 5)], noParams, false),
    sample("specials", [specials()], noParams, false),
  ],
});
export const sign: Call1 = call1(signOp);

const chosen = (first: boolean) => (dx: MaybeZero, dy: MaybeZero, x: Tensor, y: Tensor) => {
  const winner = first ? greaterEqual(x, y) : greaterEqual(y, x);
  return select(winner, dx ?? fullLike(x, 0), dy ?? fullLike(y, 0));
};

type Choice = (
  g: OnnxEmitter,
  x: OnnxValue,
  y: OnnxValue,
  z: Pick<Aval, "dtype" | "dims">,
) => OnnxValue;

/** Max and Min of ONNX Runtime 1.30 look at the low words of int64 only; comparisons are right. */
function choice(kernel: "Max" | "Min"): Choice {
  return (g, x, y, z) => {
    if (z.dtype !== "int64") return g.node(kernel, [x, y], z);
    const [low, high] = kernel === "Max" ? [x, y] : [y, x];
    return g.node("Where", [g.node("Less", [low, high], { ...z, dtype: "bool" }), y, x], z);
  };
}
/** The elements of x or y that are larger, or smaller, as ONNX nodes. */
export const larger: Choice = choice("Max");
export const smaller: Choice = choice("Min");

const choices = (): readonly Sample<NoParams>[] => [
  sample("numbers", [random(2, 3), random(2, 3)], noParams),
  sample("integers", [integers(-9, 9, 4), integers(-9, 9, 4)], noParams),
  sample("words", [words(5), words(5)], noParams, false),
  sample("long integers", [longIntegers(6), longIntegers(6)], noParams, false),
  sample("specials and ties", pairs(NaN, Infinity, -Infinity, -0, 0, 1), noParams, false),
];

/** The larger. The gradient of a tie goes to the first operand; of −0 and 0 either may come out. */
export const maximumOp: BinaryOp = binary("maximum", {
  dtypes: NUMBERS,
  jvp: chosen(true),
  transpose: notLinear("its tangent is a selection"),
  evaluate: (x, y) => (Number.isNaN(x) ? x : Number.isNaN(y) ? y : Math.max(x, y)),
  onnx: larger,
  stablehlo: "stablehlo.maximum",
  samples: choices,
});
export const maximum: Call2 = call2(maximumOp);

/** The smaller; ties and zeros as for `maximum`. */
export const minimumOp: BinaryOp = binary("minimum", {
  dtypes: NUMBERS,
  jvp: chosen(false),
  transpose: notLinear("its tangent is a selection"),
  evaluate: (x, y) => (Number.isNaN(x) ? x : Number.isNaN(y) ? y : Math.min(x, y)),
  onnx: smaller,
  stablehlo: "stablehlo.minimum",
  samples: choices,
});
export const minimum: Call2 = call2(minimumOp);

/**
 * x held between two bounds: `min(max(x, low), high)`, so `high` wins where the bounds cross, and any NaN wins.
 * At a bound the gradient is that of x.
 */
export function clamp(x: Tensor, low: Tensor, high: Tensor): Tensor {
  return minimum(maximum(x, low), high);
}

/** What no element of a dtype is below: where a maximum over nothing starts. */
export const LEAST: Readonly<Record<DType, number>> = {
  float32: -Infinity,
  float64: -Infinity,
  float16: -Infinity,
  bfloat16: -Infinity,
  int32: -(2 ** 31),
  int64: -(2 ** 63),
  uint32: 0,
  bool: 0,
};

/** What no element of a dtype is above. int64 stops at the largest double below 2⁶³. */
export const GREATEST: Readonly<Record<DType, number>> = {
  float32: Infinity,
  float64: Infinity,
  float16: Infinity,
  bfloat16: Infinity,
  int32: 2 ** 31 - 1,
  int64: 2 ** 63 - 1024,
  uint32: 2 ** 32 - 1,
  bool: 1,
};
