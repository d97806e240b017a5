/** @file The reference engine: the interpreter behind the interface of an engine. */

import { interpret } from "../../core/interpret.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { stored, type Tensor } from "../../core/tensor.ts";
import { simplify } from "../../transforms/simplify.ts";
import type { Engine, Executable } from "../engine.ts";

/** Slow, obvious, exact in float64. Donation is ignored: it has no memory to save. */
export const referenceEngine: Engine = {
  name: "reference",
  compile: async (traced, { constants }): Promise<Executable> => {
    const program = simplify(traced);
    return {
      compilation: { equations: traced.equations.length, from: "compiler" },
      run: async (inputs: readonly Tensor[]) => {
        const arrays = [...inputs, ...constants].map(
          (x): NdArray => ({ dtype: x.dtype, dims: x.dims, data: x.data() }),
        );
        return interpret(program, arrays).map((y, i) =>
          stored(program.outputs[i]?.aval ?? { dtype: y.dtype, dims: y.dims, names: [] }, y.data),
        );
      },
      release: () => undefined,
    };
  },
};
