/** @file The reference engine in double precision, for programs that were traced in single. */

import { interpret } from "../core/interpret.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Equation, Program, Variable } from "../core/program.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import type { Engine, Executable } from "../engines/engine.ts";
import { type Jitted, jit } from "../engines/jit.ts";

/** The program with every float32 turned to float64, in forms and in parameters of ops. */
export function inDouble(program: Program): Program {
  const seen = new Map<Variable, Variable>();
  const wide = (v: Variable): Variable => {
    const known = seen.get(v);
    if (known !== undefined) return known;
    const made = { aval: widened(v.aval) };
    seen.set(v, made);
    return made;
  };
  const equation = ({ op, params, inputs, outputs, source }: Equation): Equation => ({
    op,
    params: widened(params),
    inputs: inputs.map(wide),
    outputs: outputs.map(wide),
    source,
  });
  return {
    name: program.name,
    inputs: program.inputs.map(wide),
    equations: program.equations.map(equation),
    outputs: program.outputs.map(wide),
  };
}

/** Any value with the word "float32" replaced, however deep it stands. */
function widened<T>(value: T): T {
  if (value === "float32") return "float64" as T;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(widened) as T;
  const entries = Object.entries(value).map(([key, child]) => [key, widened(child)]);
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
  compile: async (program, { constants }): Promise<Executable> => {
    const double = inDouble(program);
    return {
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
