/**
 * @file What ONNX Runtime's CPU computes in float64 for want of a kernel: by a formula where there is a short one, and
 * not at all where there is none. Found in 1.30 by the laws of the ops, run in float64.
 */

import { EngineError } from "../../core/errors.ts";
import type { Substitute, Target } from "./emitter.ts";
import { layerNormalization, simplifiedLayerNormalization } from "./norm-formulas.ts";

/** `max(x, 0) + log (1 + e^−|x|)` */
const softplus: Substitute = (g, { inputs: [x] }) => {
  if (x == null) return undefined;
  const constant = (value: number) => g.constant(x.dtype, [], [value]);
  const small = g.node("Exp", [g.node("Neg", [g.node("Abs", [x], x)], x)], x);
  const rest = g.node("Log", [g.node("Add", [constant(1), small], x)], x);
  return [g.node("Add", [g.node("Max", [x, constant(0)], x), rest], x)];
};

const refused: Substitute = (_g, { op }) => {
  throw new EngineError("ENGINE-02", `onnx: ONNX Runtime has no kernel of ${op} for float64.`, [
    ["fix", "use float32, or jit(f, { engine: referenceEngine }) for float64"],
  ]);
};

/** Substitutes for float64 alone. */
const inDouble =
  (substitute: Substitute): Substitute =>
  (g, spec) => {
    const wide = [...spec.inputs, ...spec.outputs].some((form) => form?.dtype === "float64");
    return wide ? substitute(g, spec) : undefined;
  };

const REFUSED = [
  ...["Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"],
  ...["Conv", "ConvTranspose", "AveragePool"],
];

/** ONNX Runtime on a CPU, in Node and in a browser. */
export const CPU: Target = {
  substitutes: {
    LayerNormalization: inDouble(layerNormalization),
    SimplifiedLayerNormalization: inDouble(simplifiedLayerNormalization),
    Softplus: inDouble(softplus),
    ...Object.fromEntries(REFUSED.map((op) => [op, inDouble(refused)])),
  },
};
