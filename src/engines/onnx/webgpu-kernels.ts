/**
 * @file Nodes written otherwise for WebGPU, or kept off it, since ONNX Runtime's kernel there computes something else
 * or refuses. Found in 1.30 by the laws of the ops, run in a browser.
 */

import type { OnnxNodeSpec } from "../../core/lowering.ts";
import type { Substitute, Target } from "./emitter.ts";
import { layerNormalization, rowFactor } from "./norm-formulas.ts";

/** The second result ought to be `1 / √(mean x² + ε)`, and is `mean x`. */
const simplifiedLayerNormalization: Substitute = (g, spec) => {
  const [x] = spec.inputs;
  const [y, inverse] = spec.outputs;
  if (x == null || y == null || inverse == null) return undefined;
  return [...g.nodes({ ...spec, outputs: [y, null] }), rowFactor(g, spec, x, inverse)];
};

/** Padding at the ends alone is lost where the kernel is as long as the image, or one element long. */
const conv: Substitute = (g, spec) => {
  const [x, w, ...rest] = spec.inputs;
  const [y] = spec.outputs;
  const pads = intsOf(spec, "pads");
  const space = pads.length / 2;
  const [starts, ends] = [pads.slice(0, space), pads.slice(space)];
  if (x == null || w == null || y == null) return undefined;
  if (starts.some((pad) => pad !== 0) || ends.every((pad) => pad === 0)) return undefined;
  const dims = x.dims.map((dim, i) => dim + (ends[i - 2] ?? 0));
  const amounts = g.constant("int64", [2 * dims.length], [0, 0, ...starts, 0, 0, ...ends]);
  const padded = g.node("Pad", [x, amounts], { dtype: x.dtype, dims });
  const attributes = { ...spec.attributes, pads: { ints: pads.map(() => 0) } };
  return g.nodes({ ...spec, inputs: [padded, w, ...rest], attributes });
};

function intsOf(spec: OnnxNodeSpec, name: string): readonly number[] {
  const attribute = spec.attributes?.[name];
  return attribute !== undefined && "ints" in attribute ? attribute.ints : [];
}

/** MaxPool has no places of the largest there, convolution over three axes no groups and no transpose. */
function withoutGpuKernel({ op, inputs, outputs, attributes }: OnnxNodeSpec): boolean {
  if (op === "MaxPool") return outputs[1] != null;
  if (op === "ConvTranspose") return inputs[0]?.dims.length === 5;
  const group = attributes?.["group"];
  const grouped = group !== undefined && "int" in group && group.int !== 1;
  return op === "Conv" && grouped && inputs[0]?.dims.length === 5;
}

export const WEBGPU: Target = {
  substitutes: {
    Conv: conv,
    // The variance is `mean x² − (mean x)²`, which keeps few digits of values far from zero.
    LayerNormalization: layerNormalization,
    SimplifiedLayerNormalization: simplifiedLayerNormalization,
  },
  onHost: withoutGpuKernel,
};
