/** @file The reference engine in double precision, for programs that were traced in single. */

import type { DType } from "../core/dtype.ts";
import { interpret } from "../core/interpret.ts";
import type { NdArray } from "../core/ndarray.ts";
import { type Equation, isProgram, type Program, type Variable } from "../core/program.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import type { Engine, Executable } from "../engines/engine.ts";
import { type Jitted, jit } from "../engines/jit.ts";
import { simplify } from "../transforms/simplify.ts";

/** The program with every float32 turned to another float, in forms and in parameters of ops. */
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

/** Any value with the word "float32" replaced, however deep it stands. */
export function withFloat<T>(value: T, dtype: DType): T {
  if (value === "float32") return dtype as T;
  if (isProgram(value)) return programWithFloat(value, dtype) as T & Program;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map((child) => withFloat(child, dtype)) as T;
  const entries = Object.entries(value).map(([key, child]) => [key, withFloat(child, dtype)]);
  return Object.fromEntries(entries) as T;
}

function doublesOf(x: Tensor): NdArray {
  const { dtype, dims } = x;
  if (dtype !== "float32") return { dtype, dims, data: x.data() };
  return { dtype: "float64", dims, data: Float64Array.from(x.data(), Number) };
}

/**
 * Computes in float64 whatever says float32, so that formulas can be held against plain loops to
 * twelve digits. Constants that tracing or simplification folded stay as rounded as they are.
 *
 * Results keep the word float32 with doubles behind it: a loop can feed them back without a rounding.
 */
export const doubleEngine: Engine = {
  name: "reference in double precision",
  compile: async (traced, { constants }): Promise<Executable> => {
    const program = simplify(traced);
    const double = withFloat(program, "float64");
    return {
      compilation: { equations: traced.equations.length, from: "compiler" },
      run: async (inputs: readonly Tensor[]) =>
        interpret(double, [...inputs, ...constants].map(doublesOf)).map((y, i) =>
          stored(program.outputs[i]?.aval ?? { ...y, names: [] }, y.data),
        ),
      release: () => undefined,
    };
  },
};

/** `jit` on `doubleEngine`. */
export function double<A extends readonly unknown[], R>(f: (...args: A) => R): Jitted<A, R> {
  return jit(f, { name: "double", engine: doubleEngine });
}
