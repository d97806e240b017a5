/** @file Lowerings of an op that is written in other ops, for engines that do not know it by name. */

import { Builder, onBehalfOf, writing } from "../core/builder.ts";
import type { HloValue, OnnxValue } from "../core/lowering.ts";
import type { Each, Many, Op } from "../core/op.ts";
import { type Program, withoutDeadCode } from "../core/program.ts";
import { type Aval, aval } from "../core/shape.ts";
import { NO_SOURCE } from "../core/source.ts";
import type { Tensor } from "../core/tensor.ts";
import { convert } from "./logic.ts";

/** An op's value in terms of other ops. Its derivatives are still those of its own record. */
export type Decomposition<P, I extends Many, O extends Many> = (
  inputs: Each<I, Tensor>,
  params: P,
) => Each<O, Tensor>;

/** The program that a decomposition writes for operands of these forms. 16-bit floats are rounded at its end only. */
export function decomposed<P, I extends Many, O extends Many>(
  decompose: Decomposition<P, I, O>,
  forms: readonly Aval[],
  params: P,
): Program {
  const builder = new Builder("decomposition");
  const half = forms.find(({ dtype }) => dtype === "float16" || dtype === "bfloat16")?.dtype;
  return onBehalfOf(NO_SOURCE, () =>
    writing(builder, () => {
      const inputs = forms.map((form) => {
        const x = builder.input(form);
        return form.dtype === half ? convert(x, "float32") : x;
      });
      const outputs: readonly Tensor[] = decompose(inputs as unknown as Each<I, Tensor>, params);
      const rounded = outputs.map((y) =>
        half !== undefined && y.dtype === "float32" ? convert(y, half) : y,
      );
      return withoutDeadCode(builder.finish(rounded).program);
    }),
  );
}

/** Lowers to ONNX through the ops that `decompose` writes. */
export function onnxThrough<P, I extends Many, O extends Many>(
  decompose: Decomposition<P, I, O>,
): Op<P, I, O>["lower"]["onnx"] {
  return (g, inputs, params, { inputs: forms }) =>
    g.inline(decomposed(decompose, forms as readonly Aval[], params), inputs) as unknown as Each<
      O,
      OnnxValue
    >;
}

/** Lowers to StableHLO through the ops that `decompose` writes. */
export function stablehloThrough<P, I extends Many, O extends Many>(
  decompose: Decomposition<P, I, O>,
): Op<P, I, O>["lower"]["stablehlo"] {
  return (h, inputs, params) => {
    const forms = (inputs as readonly HloValue[]).map((x) => aval(x.dtype, x.dims));
    return h.inline(decomposed(decompose, forms, params), inputs) as unknown as Each<O, HloValue>;
  };
}
