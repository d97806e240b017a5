/** @file The reference engine: every op by its own obvious evaluation. The oracle of all tests. */

import { EngineError } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Program, Variable } from "../../core/program.ts";
import { sameDims, showAval } from "../../core/shape.ts";
import { showSource } from "../../core/source.ts";
import { stored, type Tensor } from "../../core/tensor.ts";
import type { Engine, Executable } from "../engine.ts";

/** Values of a program's outputs, equation by equation. */
export function interpret(program: Program, inputs: readonly NdArray[]): readonly NdArray[] {
  const values = new Map<Variable, NdArray>();
  const get = (v: Variable): NdArray => {
    const value = values.get(v);
    if (value === undefined)
      throw new EngineError("ENGINE-02", `reference: ${showAval(v.aval)} has no value`);
    return value;
  };
  program.inputs.forEach((v, i) => {
    const input = inputs[i];
    if (input !== undefined) values.set(v, input);
  });
  for (const equation of program.equations) {
    const { op, params } = equation;
    const results = op.evaluate(
      equation.inputs.map(get),
      params,
      equation.outputs.map(({ aval }) => aval),
    );
    equation.outputs.forEach((v, i) => {
      const result = results[i];
      if (
        result === undefined ||
        result.dtype !== v.aval.dtype ||
        !sameDims(result.dims, v.aval.dims)
      ) {
        throw new EngineError(
          "ENGINE-02",
          `reference: ${op.name} computed another form than it infers.`,
          [
            ["inferred", showAval(v.aval)],
            ["where", showSource(equation.source)],
          ],
        );
      }
      values.set(v, result);
    });
  }
  return program.outputs.map(get);
}

/** Slow, obvious, exact in float64. Donation is ignored: it has no memory to save. */
export const referenceEngine: Engine = {
  name: "reference",
  compile: async (program, { constants }): Promise<Executable> => ({
    run: async (inputs: readonly Tensor[]) => {
      const arrays = [...inputs, ...constants].map(
        (x): NdArray => ({ dtype: x.dtype, dims: x.dims, data: x.data() }),
      );
      return interpret(program, arrays).map((y, i) =>
        stored(program.outputs[i]?.aval ?? { dtype: y.dtype, dims: y.dims, names: [] }, y.data),
      );
    },
    release: () => undefined,
  }),
};
