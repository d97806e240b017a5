/** @file Nodes that compute 16-bit floats in float32, where rounding after each would lose too much. */

import { type DType, dtypeFacts, isFloat } from "../core/dtype.ts";
import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import type { Aval } from "../core/shape.ts";

/** `formula` on operands and a result with float32 in place of 16-bit floats. */
export function inSingle(
  g: OnnxEmitter,
  xs: readonly OnnxValue[],
  output: Aval,
  formula: (xs: readonly OnnxValue[], form: Aval) => OnnxValue,
): OnnxValue {
  const cast = (x: OnnxValue, dtype: DType) =>
    x.dtype === dtype
      ? x
      : g.node("Cast", [x], { dtype, dims: x.dims }, { to: { int: dtypeFacts(dtype).onnx } });
  const narrow = isFloat(output.dtype) && output.dtype !== "float64";
  const dtype = narrow ? "float32" : output.dtype;
  return cast(
    formula(
      xs.map((x) => cast(x, dtype)),
      { ...output, dtype },
    ),
    output.dtype,
  );
}
