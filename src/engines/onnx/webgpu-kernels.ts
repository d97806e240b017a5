/**
 * @file Nodes written otherwise for WebGPU, or kept off it, since ONNX Runtime's kernel there computes something else
 * or refuses. Found in 1.30 by the laws of the ops, run in a browser.
 */

import type { OnnxEmitter, OnnxNodeSpec, OnnxValue } from "../../core/lowering.ts";
import type { Aval } from "../../core/shape.ts";
import type { Substitute, Target } from "./emitter.ts";

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
    LayerNormalization: layerNormalization,
    SimplifiedLayerNormalization: simplifiedLayerNormalization,
  },
  onHost: withoutGpuKernel,
};
