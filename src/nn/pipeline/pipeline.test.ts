/** @file Pipelines: the same values and gradients as layers one after the other, and one exchange a tick on a mesh. */

import { describe, expect, test } from "vitest";
import { einsum, type Tensor } from "../../numpy/index.ts";
import { double } from "../../testing/double.ts";
import { differs, drawn, numbers } from "../../testing/tensors.ts";
import { valueAndGrad } from "../../transforms/vjp.ts";
import { layerOf } from "../stack/layers.ts";
import { pipeline } from "./pipeline.ts";

const CLOSE = { rtol: 1e-10, atol: 1e-11 };
const EMBED = 3;

interface Mlp {
  readonly wi: Tensor;
  readonly wo: Tensor;
}

/** A residual block. */
const mlp = (p: Mlp, x: Tensor) => {
  const h = einsum("batch embed, embed mlp -> batch mlp", x.as("batch embed"), p.wi).tanh();
  return x.add(einsum("batch mlp, mlp embed -> batch embed", h, p.wo));
};

const weightsOf = (rounds: number, stages: number): Mlp => {
  const lead = rounds > 1 ? { round: rounds, stage: stages } : { stage: stages };
  return {
    wi: drawn(1, { ...lead, embed: EMBED, mlp: 4 }),
    wo: drawn(2, { ...lead, mlp: 4, embed: EMBED }),
  };
};

/** The stages of all rounds, one after the other. */
function inTurn(p: Mlp, x: Tensor, rounds: number, stages: number): Tensor {
  let y = x;
  for (let r = 0; r < rounds; r++)
    for (let s = 0; s < stages; s++) y = mlp(layerOf(rounds > 1 ? layerOf(p, r) : p, s), y);
  return y;
}

describe("a pipeline is its stages one after the other", () => {
  for (const [stages, microbatches, rounds] of [
    [1, 1, 1],
    [2, 4, 1],
    [4, 2, 1],
    [3, 6, 2],
    [2, 3, 3],
  ] as const) {
    test(`${stages} stages, ${microbatches} microbatches, ${rounds} rounds`, async () => {
      const weights = weightsOf(rounds, stages);
      const x = drawn(3, { batch: 2 * microbatches, embed: EMBED });
      const both = (f: (p: Mlp, y: Tensor) => Tensor) =>
        double((p: Mlp, y: Tensor) => {
          const [loss, slopes] = valueAndGrad((q: { p: Mlp; y: Tensor }) =>
            f(q.p, q.y).square().sum(),
          )({ p, y });
          return { y: f(p, y), loss, ...slopes.p, x: slopes.y };
        })(weights, x);
      const piped = await both((p, y) => pipeline(mlp, p, y, { stages, microbatches, rounds }));
      const plain = await both((p, y) => inTurn(p, y, rounds, stages));
      for (const [name, value] of Object.entries(piped))
        expect(
          differs(value, numbers(plain[name as keyof typeof plain]), CLOSE),
          name,
        ).toBeUndefined();
    });
  }
});
