/** @file The meaning of a program: every op by its own obvious evaluation. The oracle of all tests. */

import { EngineError } from "./errors.ts";
import type { NdArray } from "./ndarray.ts";
import type { Program, Variable } from "./program.ts";
import { sameDims, showAval } from "./shape.ts";
import { showSource } from "./source.ts";

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
