/**
 * @file An engine that computes in float64 whatever says float32: where two runs still differ, it is not by rounding.
 *
 * Results keep the word float32 with doubles behind it, so that a loop feeds them back without losing a bit. Who writes
 * them to a file rounds them.
 */

import type { TypedArray } from "../core/dtype.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import { withFloat } from "../transforms/with-float.ts";
import type { Engine } from "./engine.ts";

/**
 * @param inner - runs the programs in float64. Nothing is donated to it: its memory is not that of the tensors that
 *   callers hold
 */
export function createDoubleEngine(inner: Engine): Engine {
  return {
    name: `${inner.name} in float64`,
    async compile(program, { threads, constants }) {
      const executable = await inner.compile(withFloat(program, "float64"), {
        ...{ threads, constants: constants.map(doublesOf) },
        donated: program.inputs.map(() => false),
      });
      return {
        compilation: executable.compilation,
        release: () => executable.release(),
        async run(inputs) {
          const results = await executable.run(inputs.map(doublesOf));
          return results.map((y, i) => stored(program.outputs[i]?.aval ?? y.aval, y.data()));
        },
      };
    },
  };
}

function doublesOf(x: Tensor): Tensor {
  if (x.dtype !== "float32") return x;
  const data: TypedArray = x.data();
  const doubles = data instanceof Float64Array ? data : Float64Array.from(data as Float32Array);
  return stored({ ...x.aval, dtype: "float64" }, doubles);
}
