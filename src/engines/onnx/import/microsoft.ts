/** @file Operators of ONNX Runtime's own domain that its optimiser and our exports write. */

import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { reshape, transpose } from "../../../ops/layout.ts";
import type { Call, Result } from "./call.ts";
import { range } from "./forms.ts";
import { matmul } from "./matrix.ts";
import { type Operators, operator } from "./operator.ts";

/** `α A B`, each of A and B perhaps with its last two axes exchanged. */
function fusedMatMul(call: Call): Tensor {
  if (call.flag("transBatchA", false) || call.flag("transBatchB", false)) {
    throw call.unsupported("transBatch");
  }
  const turned = (x: Tensor, flag: string) => {
    if (!call.flag(flag, false) || x.rank < 2) return x;
    return transpose(x, [...range(x.rank - 2), x.rank - 1, x.rank - 2]);
  };
  const product = matmul(call, turned(call.x(0), "transA"), turned(call.x(1), "transB"));
  const alpha = call.float("alpha", 1);
  return alpha === 1 ? product : np.mul(product, alpha);
}

/** `x / √(mean x² + ε) · scale`, and the factor. */
function simplifiedLayerNorm(call: Call): readonly Result[] {
  const x = call.x(0);
  const axis = call.axis(call.int("axis", -1), x.rank);
  if (call.node.outputs.length === 1 && axis === x.rank - 1 && (x.dims[axis] ?? 0) > 0) {
    return [np.rmsNorm(x, { scale: call.x(1), epsilon: call.float("epsilon", 1e-5) })];
  }
  const axes = range(x.rank).slice(axis);
  const keep = x.dims.map((dim, i) => (i < axis ? dim : 1));
  const power = reshape(np.mean(np.square(x), axes), keep);
  const factor = np.rsqrt(np.add(power, call.float("epsilon", 1e-5)));
  return [np.mul(np.mul(x, factor), call.x(1)), factor];
}

export const MICROSOFT: Operators = {
  FusedMatMul: operator(1, fusedMatMul),
  SimplifiedLayerNormalization: operator(1, simplifiedLayerNorm),
};

/** ONNX Runtime keeps this one in the standard domain, though the standard does not know it. */
export const RUNTIME: Operators = {
  SimplifiedLayerNormalization: operator(1, simplifiedLayerNorm),
};
