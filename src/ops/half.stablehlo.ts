/** @file Lines that compute 16-bit floats in float32, where sums or differences would lose too much. */

import type { DType } from "../core/dtype.ts";
import type { HloEmitter, HloValue } from "../core/lowering.ts";
import type { Each, Many } from "../core/op.ts";
import { type Aval, aval } from "../core/shape.ts";

function isHalf(dtype: DType): boolean {
  return dtype === "float16" || dtype === "bfloat16";
}

function converted(h: HloEmitter, x: HloValue, dtype: DType): HloValue {
  const y = aval(dtype, x.dims);
  if (x.dtype === dtype) return x;
  return h.line(`stablehlo.convert ${x.name} : (${h.type(x)}) -> ${h.type(y)}`, y);
}

/** `lines` on operands and results with float32 in place of 16-bit floats. */
export function inSingle<I extends Many, O extends Many>(
  h: HloEmitter,
  inputs: Each<I, HloValue>,
  outputs: Each<O, Aval>,
  lines: (inputs: Each<I, HloValue>, outputs: Each<O, Aval>) => Each<O, HloValue>,
): Each<O, HloValue> {
  const forms: readonly Aval[] = outputs;
  if (!forms.some(({ dtype }) => isHalf(dtype))) return lines(inputs, outputs);
  const wide = (inputs as readonly HloValue[]).map((x) =>
    isHalf(x.dtype) ? converted(h, x, "float32") : x,
  );
  const wideForms = forms.map((y) => (isHalf(y.dtype) ? aval("float32", y.dims) : y));
  const results: readonly HloValue[] = lines(
    wide as unknown as Each<I, HloValue>,
    wideForms as unknown as Each<O, Aval>,
  );
  return results.map((y, i) => converted(h, y, forms[i]?.dtype ?? y.dtype)) as unknown as Each<
    O,
    HloValue
  >;
}
