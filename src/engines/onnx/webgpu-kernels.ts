/**
 * @file Nodes written otherwise for WebGPU, since ONNX Runtime's kernel there computes something else. Found in 1.30 by
 * the laws of the ops, run in a browser.
 */

import type { OnnxEmitter, OnnxNodeSpec, OnnxValue } from "../../core/lowering.ts";
import type { Aval } from "../../core/shape.ts";
import type { Substitute, Substitutes } from "./emitter.ts";

type Form = Pick<Aval, "dtype" | "dims">;

/** The second result ought to be `1 / √(mean x² + ε)`, and is `mean x`. */
const simplifiedLayerNormalization: Substitute = (g, spec) => {
  const [x] = spec.inputs;
  const [y, inverse] = spec.outputs;
  if (x == null || y == null || inverse == null) return undefined;
  const normal = g.nodes({ ...spec, outputs: [y, null] });
  return [...normal, inverseRoot(g, spec, mean(g, g.node("Mul", [x, x], x), inverse), inverse)];
};

/** The variance is `mean x² − (mean x)²`, which keeps few digits of values far from zero. */
const layerNormalization: Substitute = (g, spec) => {
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

export const WEBGPU_SUBSTITUTES: Substitutes = {
  LayerNormalization: layerNormalization,
  SimplifiedLayerNormalization: simplifiedLayerNormalization,
};
