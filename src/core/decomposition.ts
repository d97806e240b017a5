/** @file Lowerings of an op that is written in other ops, for engines that do not know it by name. */

import { Builder, onBehalfOf, writing } from "./builder.ts";
import type { HloValue, OnnxValue } from "./lowering.ts";
import type { Each, Many, Op } from "./op.ts";
import { type Equation, type Program, type Variable, withoutDeadCode } from "./program.ts";
import { type Aval, aval } from "./shape.ts";
import { NO_SOURCE } from "./source.ts";
import type { Tensor } from "./tensor.ts";

/** An op's value in terms of other ops. Its derivatives are still those of its own record. */
export type Decomposition<P, I extends Many, O extends Many> = (
  inputs: Each<I, Tensor>,
  params: P,
) => Each<O, Tensor>;

/** The program that a decomposition writes for operands of these forms. */
export function decomposed<P, I extends Many, O extends Many>(
  decompose: Decomposition<P, I, O>,
  forms: readonly Aval[],
  params: P,
): Program {
  const builder = new Builder("decomposition");
  return onBehalfOf(NO_SOURCE, () =>
    writing(builder, () => {
      const inputs = forms.map((form) => builder.input(form));
      const outputs = decompose(inputs as unknown as Each<I, Tensor>, params);
      return withoutDeadCode(builder.finish(outputs as readonly Tensor[]).program);
    }),
  );
}

/** Lowers to ONNX through the ops that `decompose` writes. */
export function onnxThrough<P, I extends Many, O extends Many>(
  decompose: Decomposition<P, I, O>,
): Op<P, I, O>["lower"]["onnx"] {
  return (g, inputs, params, { inputs: forms }) =>
    walk<OnnxValue>(decomposed(decompose, forms as readonly Aval[], params), inputs, (e, xs) =>
      e.op.lower.onnx(g, xs, e.params, {
        inputs: e.inputs.map((v) => v.aval),
        outputs: e.outputs.map((v) => v.aval),
      }),
    ) as unknown as Each<O, OnnxValue>;
}

/** Lowers to StableHLO through the ops that `decompose` writes. */
export function stablehloThrough<P, I extends Many, O extends Many>(
  decompose: Decomposition<P, I, O>,
): Op<P, I, O>["lower"]["stablehlo"] {
  return (h, inputs, params) => {
    const forms = (inputs as readonly HloValue[]).map((x) => aval(x.dtype, x.dims));
    return walk<HloValue>(decomposed(decompose, forms, params), inputs, (e, xs) =>
      e.op.lower.stablehlo(
        h,
        xs,
        e.params,
        e.outputs.map((v) => v.aval),
      ),
    ) as unknown as Each<O, HloValue>;
  };
}

function walk<V>(
  program: Program,
  inputs: readonly V[],
  lower: (equation: Equation, operands: readonly V[]) => readonly V[],
): readonly V[] {
  const values = new Map<Variable, V>();
  const bind = (variables: readonly Variable[], list: readonly V[]) => {
    variables.forEach((v, i) => {
      const value = list[i];
      if (value !== undefined) values.set(v, value);
    });
  };
  const read = (list: readonly Variable[]) => list.map((v) => values.get(v) as V);
  bind(program.inputs, inputs);
  for (const equation of program.equations)
    bind(equation.outputs, lower(equation, read(equation.inputs)));
  return read(program.outputs);
}
