/** @file Norms of rows as nodes, for where a kernel of ONNX Runtime is wrong or lacking. */

import type { OnnxEmitter, OnnxNodeSpec, OnnxValue } from "../../core/lowering.ts";
import type { Aval } from "../../core/shape.ts";
import type { Substitute } from "./emitter.ts";

type Form = Pick<Aval, "dtype" | "dims">;

/** `y = (x − mean) · factor · scale + bias`, mean, and `factor = 1 / √(mean (x − mean)² + ε)`. */
export const layerNormalization: Substitute = (g, spec) => {
  const [x, scale, bias] = spec.inputs;
  const [y, middle, inverse] = spec.outputs;
  if (x == null || scale == null || bias == null || y == null || middle == null || inverse == null)
    return undefined;
  const average = mean(g, x, middle);
  const centred = g.node("Sub", [x, average], x);
  const variance = mean(g, g.node("Mul", [centred, centred], x), middle);
  const factor = inverseRoot(g, spec, variance, inverse);
  const scaled = g.node("Mul", [g.node("Mul", [centred, factor], y), scale], y);
  return [g.node("Add", [scaled, bias], y), average, factor];
};

/** `y = x · factor · scale`, and `factor = 1 / √(mean x² + ε)`. */
export const simplifiedLayerNormalization: Substitute = (g, spec) => {
  const [x, scale] = spec.inputs;
  const [y, inverse] = spec.outputs;
  if (x == null || scale == null || y == null || inverse == null) return undefined;
  const factor = rowFactor(g, spec, x, inverse);
  return [g.node("Mul", [g.node("Mul", [x, factor], y), scale], y), factor];
};

/** `1 / √(mean x² + ε)` with the node's ε. */
export function rowFactor(g: OnnxEmitter, spec: OnnxNodeSpec, x: OnnxValue, form: Form): OnnxValue {
  return inverseRoot(g, spec, mean(g, g.node("Mul", [x, x], x), form), form);
}

function mean(g: OnnxEmitter, x: OnnxValue, form: Form): OnnxValue {
  return g.node("ReduceMean", [x, g.constant("int64", [1], [-1])], form);
}

/** `1 / √(x + ε)` with the node's ε. */
function inverseRoot(g: OnnxEmitter, spec: OnnxNodeSpec, x: OnnxValue, form: Form): OnnxValue {
  const epsilon = spec.attributes?.["epsilon"];
  const value = epsilon !== undefined && "float" in epsilon ? epsilon.float : 1e-5; // ONNX's default
  const shifted = g.node("Add", [x, g.constant(form.dtype, [], [value])], form);
  return g.node("Reciprocal", [g.node("Sqrt", [shifted], form)], form);
}
