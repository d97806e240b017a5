/** @file The rules of the intermediate language, checked. Tests run this after every pass. */

import { ProgramError } from "./errors.ts";
import { mapPrograms, type Program, type Variable } from "./program.ts";
import { type Aval, sameDims, showAval } from "./shape.ts";
import { showSource } from "./source.ts";

/**
 * Checks that every variable is defined once and before its use, and that every equation's outputs
 * have the forms that its op infers.
 *
 * @throws ProgramError naming the pass, the equation and the rule
 */
export function verify(program: Program, pass: string): Program {
  const defined = new Set<Variable>();
  const define = (v: Variable, where: string) => {
    if (defined.has(v)) throw broken(program, pass, where, `${showAval(v.aval)} is defined twice`);
    checkForm(program, pass, where, v.aval);
    defined.add(v);
  };
  for (const input of program.inputs) define(input, "inputs");
  for (const equation of program.equations) {
    const where = `${equation.op.name} ${showSource(equation.source)}`.trim();
    for (const input of equation.inputs) {
      if (!defined.has(input))
        throw broken(
          program,
          pass,
          where,
          `operand ${showAval(input.aval)} is not defined before its use`,
        );
    }
    mapPrograms(equation.params, (inner) => verify(inner, pass));
    const inferred: readonly Aval[] = equation.op.infer(
      equation.inputs.map((v) => v.aval),
      equation.params,
    );
    if (inferred.length !== equation.outputs.length) {
      throw broken(
        program,
        pass,
        where,
        `${equation.outputs.length} outputs, the op has ${inferred.length}`,
      );
    }
    equation.outputs.forEach((output, i) => {
      const expected = inferred[i];
      if (expected === undefined || !sameForm(expected, output.aval)) {
        const is = expected === undefined ? "nothing" : showAval(expected);
        throw broken(
          program,
          pass,
          where,
          `output ${i} says ${showAval(output.aval)}, the op infers ${is}`,
        );
      }
      define(output, where);
    });
  }
  for (const output of program.outputs) {
    if (!defined.has(output))
      throw broken(program, pass, "outputs", `${showAval(output.aval)} is never defined`);
  }
  return program;
}

function checkForm(program: Program, pass: string, where: string, form: Aval): void {
  const bad = form.dims.find((dim) => !Number.isInteger(dim) || dim < 0);
  if (bad !== undefined)
    throw broken(program, pass, where, `${showAval(form)} has a size of ${bad}`);
  if (form.names.length !== form.dims.length) {
    throw broken(
      program,
      pass,
      where,
      `${showAval(form)} has ${form.names.length} names for ${form.dims.length} axes`,
    );
  }
}

export function sameForm(a: Aval, b: Aval): boolean {
  return (
    a.dtype === b.dtype &&
    sameDims(a.dims, b.dims) &&
    a.names.every((name, i) => name === b.names[i])
  );
}

function broken(program: Program, pass: string, where: string, rule: string): ProgramError {
  return new ProgramError("PROGRAM-01", `${pass}: left a program that is not well-formed.`, [
    ["program", program.name],
    ["at", where],
    ["rule", rule],
  ]);
}
