/** @file Rounding to whole numbers that stay floats; infinities and NaN stay. */

import { random, type Sample, sample, specials } from "../core/samples.ts";
import type { Tensor } from "../core/tensor.ts";
import { fullLike } from "./creation.ts";
import { FLOATS } from "./dtypes.ts";
import { type Call1, call1, type NoParams, noParams, type UnaryOp, unary } from "./families.ts";
import { less, select } from "./logic.ts";

const steps = { none: "constant between its steps" } as const;

const rounded = (): readonly Sample<NoParams>[] => [
  sample("numbers", [random(2, 3)], noParams),
  sample("specials", [specials(2.5, 3.5, -1.5, 0.49999997, 1e30)], noParams, false),
];

export const floorOp: UnaryOp = unary("floor", {
  dtypes: FLOATS,
  jvp: steps,
  transpose: steps,
  evaluate: Math.floor,
  onnx: "Floor",
  stablehlo: "stablehlo.floor",
  samples: rounded,
});
export const floor: Call1 = call1(floorOp);

export const ceilOp: UnaryOp = unary("ceil", {
  dtypes: FLOATS,
  jvp: steps,
  transpose: steps,
  evaluate: Math.ceil,
  onnx: "Ceil",
  stablehlo: "stablehlo.ceil",
  samples: rounded,
});
export const ceil: Call1 = call1(ceilOp);

/** To the nearest whole number, halves to the even one. */
export const roundOp: UnaryOp = unary("round", {
  dtypes: FLOATS,
  jvp: steps,
  transpose: steps,
  evaluate: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
  onnx: "Round",
  stablehlo: "stablehlo.round_nearest_even",
  samples: rounded,
});
export const round: Call1 = call1(roundOp);

/** Towards zero. */
export function trunc(x: Tensor): Tensor {
  return select(less(x, fullLike(x, 0)), ceil(x), floor(x));
}
