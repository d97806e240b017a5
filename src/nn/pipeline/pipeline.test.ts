/** @file Pipelines: the values and gradients of their stages one after the other, whatever idle stages make. */

import { describe, expect, test } from "vitest";
import { ShardingError } from "../../core/errors.ts";
import { einsum, fromData, type Tensor } from "../../numpy/index.ts";
import { double } from "../../testing/double.ts";
import { differs, drawn, drawnIds, numbers, read } from "../../testing/tensors.ts";
import { trace } from "../../transforms/trace.ts";
import { valueAndGrad } from "../../transforms/vjp.ts";
import { type Attention, attentionParams } from "../attention/config.ts";
import { causalAttention } from "../attention/whole.ts";
import { layerOf } from "../stack/layers.ts";
import { pipeline } from "./pipeline.ts";
import { bubble, layersPerStage, scheduleOf, visitOf } from "./schedule.ts";
import { staged, unstaged } from "./staged.ts";

const CLOSE = { rtol: 1e-10, atol: 1e-11 };
const EMBED = 2;

interface Sizes {
  readonly stages: number;
  readonly microbatches: number;
  readonly rounds: number;
}

const leadOf = ({ stages, rounds }: Sizes): Readonly<Record<string, number>> =>
  rounds > 1 ? { round: rounds, stage: stages } : { stage: stages };

/** The stages of all rounds, one after the other. */
function inTurn<P, X>(stage: (p: P, x: X) => X, p: P, x: X, { stages, rounds }: Sizes): X {
  let y = x;
  for (let r = 0; r < rounds; r++)
    for (let s = 0; s < stages; s++) y = stage(layerOf(rounds > 1 ? layerOf(p, r) : p, s), y);
  return y;
}

/** Values, and gradients of a loss that is not symmetric in the examples. */
async function expectSame<P extends object>(
  stage: (p: P, x: Tensor) => Tensor,
  weights: P,
  x: Tensor,
  sizes: Sizes,
): Promise<void> {
  const both = (f: (p: P, y: Tensor) => Tensor) =>
    double((p: P, y: Tensor) => {
      const loss = (q: { p: P; y: Tensor }) => {
        const out = f(q.p, q.y);
        return [
          out
            .square()
            .mul(x.as(out.names.join(" ")))
            .sum(),
          out,
        ] as const;
      };
      const [value, slopes] = valueAndGrad((q: { p: P; y: Tensor }) => loss(q)[0])({ p, y });
      return { out: loss({ p, y })[1], value, slopes };
    })(weights, x);
  const piped = await both((p, y) => pipeline(stage, p, y, sizes));
  const plain = await both((p, y) => inTurn(stage, p, y, sizes));
  const flat = (tree: object): Tensor[] =>
    Object.values(tree).flatMap((node) => ("dims" in node ? [node as Tensor] : flat(node)));
  const wanted = flat(plain);
  flat(piped).forEach((value, i) => {
    expect(differs(value, numbers(wanted[i] as Tensor), CLOSE)).toBeUndefined();
  });
  expect(piped.out.names).toEqual(x.names);
}

interface Mlp {
  readonly wi: Tensor;
  readonly wo: Tensor;
}

const mlp = (p: Mlp, x: Tensor) => {
  const h = einsum("batch embed, embed mlp -> batch mlp", x.as("batch embed"), p.wi).tanh();
  return x.add(einsum("batch mlp, mlp embed -> batch embed", h, p.wo));
};

const weightsOf = (sizes: Sizes): Mlp => ({
  wi: drawn(1, { ...leadOf(sizes), embed: EMBED, mlp: 3 }),
  wo: drawn(2, { ...leadOf(sizes), mlp: 3, embed: EMBED }),
});

describe("a pipeline is its stages one after the other", () => {
  // Every number of stages to 4, every number of microbatches to 8; fewer, as many and more of these than of those.
  test.each([
    [1, 3, 1],
    [2, 1, 1],
    [2, 5, 1],
    [3, 2, 1],
    [3, 7, 1],
    [4, 4, 1],
    [4, 8, 1],
    // Around without waiting: stages divide microbatches.
    [1, 2, 2],
    [2, 6, 2],
    [4, 4, 2],
    // With waiting.
    [2, 3, 3],
    [3, 4, 2],
  ])("%i stages, %i microbatches, %i rounds", async (stages, microbatches, rounds) => {
    const sizes = { stages, microbatches, rounds };
    const x = drawn(3, { batch: 2 * microbatches, embed: EMBED });
    await expectSame(mlp, weightsOf(sizes), x, sizes);
  });

  test.each([
    [3, 2, 1],
    [2, 3, 2],
  ])(
    "of attention: %i stages, %i microbatches, %i rounds",
    async (stages, microbatches, rounds) => {
      const sizes = { stages, microbatches, rounds };
      const config = { embed: EMBED, head: 1, dim: 2, positions: "none" } as const;
      const specs = attentionParams(config);
      const weights = Object.fromEntries(
        Object.entries(specs).map(([name, { axes, dims }], i) => {
          const own = Object.fromEntries(
            axes.split(" ").map((axis: string, k: number) => [axis, dims[k] ?? 0]),
          );
          return [name, drawn(i + 5, { ...leadOf(sizes), ...own })];
        }),
      ) as unknown as Attention<Tensor>;
      const stage = (p: Attention<Tensor>, x: Tensor) => x.add(causalAttention(p, x, config));
      await expectSame(
        stage,
        weights,
        drawn(4, { batch: microbatches, pos: 3, embed: EMBED }),
        sizes,
      );
    },
  );

  test("whatever travels with a microbatch stays with it", async () => {
    const [sizes, batch] = [{ stages: 3, microbatches: 4 }, 8];
    const kept = drawnIds(1, { batch, pos: 2 }, 9);
    const flag = fromData("bool", [batch], Uint8Array.from({ length: batch }, (_, i) => i % 2), "batch"); // biome-ignore format: one line
    const x = drawn(2, { batch, pos: 2 });
    const w = drawn(3, { stage: 3 });
    type Carried = { readonly x: Tensor; readonly kept: Tensor; readonly flag: Tensor };
    const stage = (p: Tensor, one: Carried): Carried => ({
      ...one,
      x: one.x.add(one.kept.astype("float32").mul(p)),
    });
    const y = await double((p: Tensor, all: Carried) => pipeline(stage, p, all, sizes))(w, { x, kept, flag }); // biome-ignore format: one line
    expect(numbers(y.kept)).toEqual(numbers(kept));
    expect(numbers(y.flag)).toEqual(numbers(flag));
    const sum = numbers(w).reduce((a, b) => a + b, 0);
    const wanted = numbers(x).map((v, i) => v + (numbers(kept)[i] ?? 0) * sum);
    expect(differs(y.x, wanted, { rtol: 1e-6, atol: 1e-6 })).toBeUndefined();
  });
});

test("what idle stages make reaches neither results nor gradients, NaN included", async () => {
  // The second stage sees values above 3; of what fills its idle slot it takes the root of a negative number.
  const shift = fromData("float32", [2], Float32Array.of(10, -2), "stage");
  const x = drawn(1, { batch: 3 });
  const sizes = { stages: 2, microbatches: 3, rounds: 1 };
  const stage = (p: { shift: Tensor }, y: Tensor) => y.add(p.shift).sqrt();
  await expectSame(stage, { shift }, x, sizes);
  const { slopes } = await double((p: Tensor, y: Tensor) => ({
    slopes: valueAndGrad((q: Tensor) => pipeline(stage, { shift: q }, y, sizes).sum())(p)[1],
  }))(shift, x);
  expect(numbers(slopes).every(Number.isFinite)).toBe(true);
});

describe("a schedule", () => {
  test.each([
    [1, 4, 1, 0],
    [4, 4, 1, 3 / 7],
    [8, 32, 1, 7 / 39],
    [4, 8, 2, 3 / 19],
    [8, 12, 4, 7 / 55],
  ])(
    "of %i stages, %i microbatches, %i rounds idles %f of its time",
    (stages, microbatches, rounds, share) => {
      expect(bubble({ stages, microbatches, rounds })).toBeCloseTo(share, 12);
    },
  );

  test.each([
    [3, 5, 1],
    [2, 6, 3],
    [3, 7, 2],
  ])(
    "%i stages, %i microbatches, %i rounds: a stage has all visits, rounds in order, each after the last stage was left",
    (stages, microbatches, rounds) => {
      const schedule = scheduleOf({ stages, microbatches, rounds });
      const seen = new Map<number, number[]>();
      for (let tick = 0; tick < rounds * microbatches; tick++) {
        const { microbatch, round } = visitOf(schedule, tick);
        const ticks = seen.get(microbatch) ?? [];
        seen.set(microbatch, [...ticks, tick]);
        expect(round).toBe(ticks.length);
        const last = ticks.at(-1);
        if (last !== undefined) expect(tick - last).toBe(stages + schedule.wait);
      }
      expect(seen.size).toBe(microbatches);
      expect([...seen.values()].every(({ length }) => length === rounds)).toBe(true);
    },
  );
});

test("layers become stages in their order and layers again", async () => {
  const layers = { w: drawn(1, { layer: 12, embed: 2 }) };
  const sizes = { stages: 3, rounds: 2 };
  const { stages, again } = await double((p: typeof layers) => {
    const cut = staged(p, sizes);
    return { stages: cut.w, again: unstaged(cut, sizes).w };
  })(layers);
  expect(stages.toString()).toContain("[round 2, stage 3, layer 2, embed 2]");
  expect(again.toString()).toContain("[layer 12, embed 2]");
  // The second stage of the second round has layers 8 and 9.
  expect(read(stages)(1, 1, 0, 1)).toBe(read(layers.w)(8, 1));
  expect(numbers(again)).toEqual(numbers(layers.w));
});

describe("refuses", () => {
  const run =
    (batch: number, sizes: Sizes, stacked = sizes) =>
    () =>
      trace("pipeline", (p: Mlp, x: Tensor) => pipeline(mlp, p, x, sizes), [
        weightsOf(stacked),
        drawn(1, { batch, embed: EMBED }),
      ]);
  test.each([
    [
      "a batch that microbatches do not divide",
      run(10, { stages: 2, microbatches: 4, rounds: 1 }),
      "pipeline: a batch of 10 is not 4 microbatches of one size.",
    ],
    [
      "rounds of fewer microbatches than stages",
      run(6, { stages: 4, microbatches: 3, rounds: 2 }),
      "pipeline: 2 rounds need as many microbatches as stages.",
    ],
    [
      "weights of other stages",
      run(8, { stages: 4, microbatches: 4, rounds: 1 }, { stages: 3, microbatches: 4, rounds: 1 }),
      "pipeline: weights do not have the stages in front.",
    ],
    [
      "layers that stages do not divide",
      () => layersPerStage(10, { stages: 4 }),
      "pipeline: 10 layers are not 4 stages of equally many layers.",
    ],
    [
      "no stages",
      () => bubble({ stages: 0, microbatches: 2 }),
      "pipeline: stages must be a whole number ≥ 1, not 0.",
    ],
  ])("%s", (_, f, headline) => {
    expect(f).toThrow(ShardingError);
    expect(f).toThrow(headline);
  });
});
