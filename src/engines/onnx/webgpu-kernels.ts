/** @file Nodes written otherwise for WebGPU, since ONNX Runtime's kernel there computes something else. */

import type { Substitute, Substitutes } from "./emitter.ts";

/**
 * The second result ought to be `1 / √(mean x² + ε)`, and is `mean x`: the kernel gives what LayerNormalization has in
 * that place. Found in 1.30 by the laws of `rmsNorm`, run in a browser.
 */
const normalization: Substitute = (g, spec) => {
  const [x] = spec.inputs;
  const [y, inverse] = spec.outputs;
  if (x == null || y == null || inverse == null) return undefined;
  const epsilon = spec.attributes?.["epsilon"];
  if (epsilon === undefined || !("float" in epsilon)) return undefined;
  const [normal] = g.nodes({ ...spec, outputs: [y, null] });
  if (normal === undefined) return undefined;
  const last = g.constant("int64", [1], [-1]);
  const mean = g.node("ReduceMean", [g.node("Mul", [x, x], x), last], inverse);
  const shifted = g.node("Add", [mean, g.constant(inverse.dtype, [], [epsilon.float])], inverse);
  return [normal, g.node("Reciprocal", [g.node("Sqrt", [shifted], inverse)], inverse)];
};

export const WEBGPU_SUBSTITUTES: Substitutes = { SimplifiedLayerNormalization: normalization };
