/** @file Programs in another floating-point format: what they say of float32, said of another. */

import type { DType } from "../core/dtype.ts";
import { type Equation, isProgram, type Program, type Variable } from "../core/program.ts";

/** Any value with the word "float32" replaced, however deep it stands; programs in forms and in parameters of ops. */
export function withFloat<T>(value: T, dtype: DType): T {
  if (value === "float32") return dtype as T;
  if (isProgram(value)) return programWithFloat(value, dtype) as T & Program;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map((child) => withFloat(child, dtype)) as T;
  const entries = Object.entries(value).map(([key, child]) => [key, withFloat(child, dtype)]);
  return Object.fromEntries(entries) as T;
}

function programWithFloat(program: Program, dtype: DType): Program {
  const seen = new Map<Variable, Variable>();
  const other = (v: Variable): Variable => {
    const known = seen.get(v);
    if (known !== undefined) return known;
    const made = { aval: withFloat(v.aval, dtype) };
    seen.set(v, made);
    return made;
  };
  const equation = ({ op, params, inputs, outputs, source }: Equation): Equation => ({
    op,
    params: withFloat(params, dtype),
    inputs: inputs.map(other),
    outputs: outputs.map(other),
    source,
  });
  return {
    name: program.name,
    inputs: program.inputs.map(other),
    equations: program.equations.map(equation),
    outputs: program.outputs.map(other),
  };
}
