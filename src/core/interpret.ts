/** @file The meaning of a program: every op by its own obvious evaluation. The oracle of all tests. */

import { EngineError } from "./errors.ts";
import type { NdArray } from "./ndarray.ts";
import type { Equation, Program, Variable } from "./program.ts";
import { sameDims, showAval } from "./shape.ts";
import { showSource } from "./source.ts";

/** Values of a program's outputs, equation by equation. */
export function interpret(program: Program, inputs: readonly NdArray[]): readonly NdArray[] {
  const memory = new Memory(program.inputs, inputs);
  for (const equation of program.equations)
    memory.store(equation, evaluateEquation(equation, memory));
  return program.outputs.map((v) => memory.get(v));
}

/** The results of one equation by its op's own evaluation. */
export function evaluateEquation(
  { op, params, inputs, outputs }: Equation,
  memory: Memory,
): readonly NdArray[] {
  return op.evaluate(
    inputs.map((v) => memory.get(v)),
    params,
    outputs.map(({ aval }) => aval),
  );
}

/** What the variables of a program hold on one device. */
export class Memory {
  readonly #values = new Map<Variable, NdArray>();

  constructor(variables: readonly Variable[], values: readonly NdArray[]) {
    variables.forEach((v, i) => {
      const value = values[i];
      if (value !== undefined) this.#values.set(v, value);
    });
  }

  /** @throws EngineError when the variable has no value yet */
  get(v: Variable): NdArray {
    const value = this.#values.get(v);
    if (value === undefined)
      throw new EngineError("ENGINE-02", `reference: ${showAval(v.aval)} has no value`);
    return value;
  }

  /** Keeps the results of an equation. @throws EngineError when one has another form than inferred */
  store({ op, outputs, source }: Equation, results: readonly NdArray[]): void {
    outputs.forEach((v, i) => {
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
            ["where", showSource(source)],
          ],
        );
      }
      this.#values.set(v, result);
    });
  }
}
