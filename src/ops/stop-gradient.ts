/** @file A value with its derivative cut off. */

import { random, sample } from "../core/samples.ts";
import { ALL } from "./dtypes.ts";
import { type Call1, call1, noParams, type UnaryOp, unary } from "./families.ts";

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
