/** @file The training step by its laws: micro-batches, skipped updates, loss scales, running means, frozen weights. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sampleStream } from "../core/samples.ts";
import type { Tensor } from "../core/tensor.ts";
import { namedLeaves } from "../core/tree.ts";
import type { Engine } from "../engines/engine.ts";
import { type Jitted, jit } from "../engines/jit.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { referenceEngine } from "../engines/reference/reference.ts";
import * as nn from "../nn/index.ts";
import { einsum, random, scalar, tanh, where } from "../numpy/index.ts";
import { adamw } from "../optim/adam.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import { byPath } from "../optim/parameters.ts";
import { constant } from "../optim/schedule.ts";
import { sgd } from "../optim/sgd.ts";
import { doubleEngine } from "../testing/double.ts";
import { differs, drawn, filled, numbers } from "../testing/tensors.ts";
import type { TokenBatch } from "./model.ts";
import { initialState, type StepRecipe, type TrainState, trainingStep, weightsOf } from "./step.ts";

const [BATCH, LENGTH, VOCAB] = [6, 4, 7];

interface Params {
  readonly table: Tensor;
  readonly head: { readonly weight: Tensor; readonly bias: Tensor };
}
interface Report {
  readonly crossEntropy: Tensor;
  /** Mean of the hidden values, `[embed]`. */
  readonly hidden: Tensor;
}
type Extra = { readonly seen: Tensor; readonly mean: Tensor };
type State = TrainState<Params, Extra>;
type Recipe = StepRecipe<Params, Extra, Report>;

const PARAMS: Params = {
  table: drawn(1, { vocab: VOCAB, embed: 5 }),
  head: { weight: drawn(2, { embed: 5, vocab: VOCAB }), bias: drawn(3, { vocab: VOCAB }) },
};
const EXTRA: Extra = { seen: filled({}, () => 0), mean: filled({ embed: 5 }, () => 0) };

/** A token that makes the loss what no number is. */
const POISON = 6;

const BASE: Recipe = {
  optimizer: adamw() as Optimizer,
  schedule: constant(0.05),
  clip: 1,
  loss(p, _extra, { tokens, targets }) {
    const hidden = tanh(nn.embed(p.table, tokens).as("batch pos embed"));
    const logits = einsum("batch pos embed, embed vocab -> batch pos vocab", hidden, p.head.weight);
    const { crossEntropy, count } = nn.tokenLoss(logits.add(p.head.bias), targets);
    const poison = where(tokens.equal(POISON), Number.NaN, 0).sum();
    const report = { crossEntropy, hidden: hidden.mean(["batch", "pos"]) };
    return { loss: crossEntropy.add(poison), count, report };
  },
  nextExtra: ({ seen }, { hidden }) => ({ seen: seen.add(1), mean: hidden }),
};

/** Tokens below `POISON`; each target is missing with the chance that its row has. */
function drawnBatch(seed: number, missing: (row: number) => number): TokenBatch {
  const next = sampleStream(seed);
  const id = () => Math.floor(next() * POISON);
  const sizes = { batch: BATCH, pos: LENGTH };
  return {
    tokens: filled(sizes, id, "int32"),
    targets: filled(sizes, (i) => (next() < missing(Math.floor(i / LENGTH)) ? -1 : id()), "int32"),
  };
}

function poisoned({ tokens, targets }: TokenBatch, row: number): TokenBatch {
  const at = row * LENGTH + 1;
  const ids = numbers(tokens).map((id, i) => (i === at ? POISON : id));
  return { tokens: filled({ batch: BATCH, pos: LENGTH }, (i) => ids[i] ?? 0, "int32"), targets };
}

const begin = (recipe: Recipe, engine: Engine = referenceEngine): Promise<State> =>
  jit((p: Params, e: Extra, key: random.Key) => initialState(p, e, recipe, key), { engine })(
    PARAMS,
    EXTRA,
    random.key(3),
  );
const stepOf = (
  recipe: Recipe,
  engine: Engine = referenceEngine,
): Jitted<[State, TokenBatch], ReturnType<typeof trainingStep<Params, Extra, Report>>> =>
  jit((state: State, batch: TokenBatch) => trainingStep(recipe, state, batch), {
    engine,
    threads: 1,
  });

/** Elements of every tensor by its path. */
const bits = (tree: object): Record<string, number[]> =>
  Object.fromEntries(namedLeaves(tree).map(({ path, leaf }) => [path, [...leaf.numbers()]]));

describe("k micro-batches are the one big batch", () => {
  const counts = [
    ["evenly spread", () => 0.3],
    ["unequally spread", (row: number) => row / BATCH],
    ["with a micro-batch that has none", (row: number) => (row < 3 ? 1 : 0.2)],
  ] as const;

  test.each([2, 3, 6])("%d, wherever the counted tokens are", async (microBatches) => {
    const whole = stepOf(BASE, doubleEngine);
    const pieces = stepOf({ ...BASE, microBatches }, doubleEngine);
    const start = await begin(BASE, doubleEngine);
    for (const [name, missing] of counts) {
      await fc.assert(
        fc.asyncProperty(fc.nat(10_000), async (seed) => {
          const batch = drawnBatch(seed, missing);
          const [[a, inOne], [b, inPieces]] = [
            await whole(start, batch),
            await pieces(start, batch),
          ];
          const close = { rtol: 1e-9, atol: 1e-11 };
          for (const part of ["loss", "gradientNorm"] as const)
            expect(differs(inPieces[part], numbers(inOne[part]), close), part).toBeUndefined();
          const { crossEntropy } = inPieces.report;
          expect(differs(crossEntropy, numbers(inOne.report.crossEntropy), close)).toBeUndefined();
          const wanted = bits({ params: a.params, optimizer: a.optimizer });
          for (const { path, leaf } of namedLeaves({ params: b.params, optimizer: b.optimizer }))
            expect(differs(leaf, wanted[path] ?? [], close), `${name}: ${path}`).toBeUndefined();
        }),
        { seed: 1, numRuns: 4 },
      );
    }
  });

  test("on the onnx engine, to single precision", async () => {
    const onnx = await createOnnxEngine();
    const start = await begin(BASE, onnx);
    const batch = drawnBatch(5, (row) => row / BATCH);
    const plain: Recipe = { ...BASE, optimizer: sgd() as Optimizer };
    const bare = { ...start, optimizer: [[], [], []] };
    const [a, inOne] = await stepOf(plain, onnx)(bare, batch);
    const [b, inPieces] = await stepOf({ ...plain, microBatches: 3 }, onnx)(bare, batch);
    expect(inPieces.loss.item() / inOne.loss.item()).toBeCloseTo(1, 6);
    expect(inPieces.gradientNorm.item() / inOne.gradientNorm.item()).toBeCloseTo(1, 6);
    const wanted = bits(a.params);
    for (const { path, leaf } of namedLeaves(b.params))
      expect(differs(leaf, wanted[path] ?? [], { rtol: 1e-6, atol: 1e-7 }), path).toBeUndefined();
  });

  test("without any counted token nothing moves, and nothing is NaN", async () => {
    const recipe = { ...BASE, optimizer: sgd() as Optimizer, microBatches: 2 };
    const [next, { loss }] = await stepOf(recipe)(
      await begin(recipe),
      drawnBatch(1, () => 1),
    );
    expect(loss.item()).toBe(0);
    expect(bits(next.params)).toEqual(bits(PARAMS));
  });

  test("terms that are not means over tokens are weighed by the tokens of their piece", async () => {
    const term = (tokens: Tensor) => tokens.astype("float32").max().square();
    const recipe: Recipe = {
      ...BASE,
      microBatches: 2,
      loss: (p, extra, batch, key) => {
        const own = BASE.loss(p, extra, batch, key);
        return { ...own, loss: own.loss.mul(0).add(term(batch.tokens)) };
      },
    };
    const batch = drawnBatch(8, (row) => (row < 3 ? 0.8 : 0.1));
    const [, { loss }] = await stepOf(recipe)(await begin(recipe), batch);
    const [tokens, targets] = [numbers(batch.tokens), numbers(batch.targets)];
    const half = (list: number[], i: number) => list.slice(12 * i, 12 * i + 12);
    const count = [0, 1].map((i) => half(targets, i).filter((x) => x >= 0).length);
    const terms = [0, 1].map((i) => Math.max(...half(tokens, i)) ** 2);
    const mean = (count[0]! * terms[0]! + count[1]! * terms[1]!) / (count[0]! + count[1]!);
    expect(loss.item()).toBeCloseTo(mean, 5);
  });

  test("each piece draws numbers of its own, and each step", async () => {
    const recipe: Recipe = {
      ...BASE,
      microBatches: 3,
      loss: (p, extra, batch, key) => {
        const own = BASE.loss(p, extra, batch, key);
        return {
          ...own,
          count: scalar(1),
          report: { ...own.report, hidden: random.uniform(key, [1]) },
        };
      },
      nextExtra: (extra) => extra,
    };
    const keys = new Set<number>();
    const draws = jit(
      (key: random.Key, tried: Tensor) => {
        const own = random.fold(key, tried.astype("uint32"));
        return [0, 1, 2].map((i) => random.uniform(random.fold(own, i), [1]));
      },
      { engine: referenceEngine },
    );
    const step = stepOf(recipe);
    let state = await begin(recipe);
    for (let t = 0; t < 3; t++) {
      const drawnNow = await draws(state.key, state.tried);
      for (const x of drawnNow) keys.add(x.item());
      const [next, { report }] = await step(
        state,
        drawnBatch(t, () => 0),
      );
      const mean = drawnNow.reduce((sum, x) => sum + x.item(), 0) / 3;
      expect(report.hidden.item()).toBeCloseTo(mean, 6);
      state = next;
    }
    expect(keys.size).toBe(9);
  });

  test("a batch that does not divide is named", async () => {
    const recipe = { ...BASE, microBatches: 4 };
    const start = await begin(recipe);
    await expect(
      stepOf(recipe)(
        start,
        drawnBatch(1, () => 0),
      ),
    ).rejects.toThrow(/microBatches: the batch does not divide evenly[\s\S]*multiple of 4/);
  });
});

describe("a step that is not finite", () => {
  const dynamic = { start: 8, growEvery: 100, min: 1, max: 64 };
  const recipes: Readonly<Record<string, Recipe>> = {
    plain: BASE,
    "with micro-batches": { ...BASE, microBatches: 3 },
    "with a running mean": { ...BASE, averageDecay: 0.9 },
    "with a loss scale": { ...BASE, lossScale: dynamic },
    "with all of them": { ...BASE, microBatches: 2, averageDecay: 0.9, lossScale: dynamic },
  };

  test.each(Object.entries(recipes))("changes nothing, bit for bit: %s", async (_, recipe) => {
    const step = stepOf(recipe);
    const [state] = await step(
      await begin(recipe),
      drawnBatch(1, () => 0.2),
    );
    for (const row of [0, BATCH - 1]) {
      const bad = poisoned(
        drawnBatch(2, () => 0.2),
        row,
      );
      const [after, { skipped }] = await step(state, bad);
      expect(skipped.item()).toBe(1);
      const [before, now] = [bits(state), bits(after)];
      const counted = { tried: [2], skipped: [1] };
      const scale =
        "lossScale/scale" in before ? { "lossScale/scale": [4], "lossScale/good": [0] } : {};
      expect(now).toEqual({ ...before, ...counted, ...scale });
      // And the next good one goes on from there, with randomness and data of its own place.
      const [good, metrics] = await step(
        after,
        drawnBatch(3, () => 0.2),
      );
      expect([good.step, good.tried, good.skipped, metrics.skipped].map((x) => x.item())).toEqual([
        2, 3, 0, 0,
      ]);
    }
  });

  test("pairs old and new by path, in whatever order the model builds them", async () => {
    const recipe: Recipe = {
      ...BASE,
      nextExtra: ({ seen }, { hidden }) => ({ mean: hidden, seen: seen.add(1) }),
    };
    const step = stepOf(recipe);
    const start = {
      ...(await begin(recipe)),
      extra: { ...EXTRA, mean: filled({ embed: 5 }, () => 9) },
    };
    const [after] = await step(
      start,
      poisoned(
        drawnBatch(2, () => 0),
        1,
      ),
    );
    expect(numbers(after.extra.mean)).toEqual([9, 9, 9, 9, 9]);
    expect(after.extra.seen.item()).toBe(0);
  });
});

describe("a loss scale", () => {
  test("that is a power of two changes no bit of a step", async () => {
    const onnx = await createOnnxEngine();
    const run = async (recipe: Recipe) => {
      let state = await begin(recipe, onnx);
      const step = stepOf(recipe, onnx);
      for (let t = 0; t < 5; t++)
        [state] = await step(
          state,
          drawnBatch(t, (row) => row / 9),
        );
      return bits({ params: state.params, optimizer: state.optimizer });
    };
    for (const microBatches of [1, 3]) {
      const plain = await run({ ...BASE, microBatches });
      expect(await run({ ...BASE, microBatches, lossScale: 1024 })).toEqual(plain);
      const dynamic = { start: 256, growEvery: 2, min: 1, max: 2 ** 20 };
      expect(await run({ ...BASE, microBatches, lossScale: dynamic })).toEqual(plain);
    }
  });

  test("doubles after good steps and halves after bad ones, within its bounds", async () => {
    const rule = { start: 8, growEvery: 3, min: 2, max: 16 };
    const recipe: Recipe = { ...BASE, lossScale: rule };
    const step = stepOf(recipe);
    const batches = [
      drawnBatch(1, () => 0),
      poisoned(
        drawnBatch(1, () => 0),
        2,
      ),
    ] as const;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 14 }), async (outcomes) => {
        let state = await begin(recipe);
        let [scale, good] = [rule.start, 0];
        for (const ok of outcomes) {
          const [next, { lossScale }] = await step(state, batches[ok ? 0 : 1]);
          expect(lossScale?.item()).toBe(scale);
          good = ok ? good + 1 : 0;
          if (!ok) scale = Math.max(rule.min, scale / 2);
          else if (good === rule.growEvery) [scale, good] = [Math.min(rule.max, scale * 2), 0];
          state = next;
          expect(state.lossScale?.scale.item()).toBe(scale);
        }
      }),
      { seed: 2, numRuns: 8 },
    );
  });

  /** A loss in float16 whose gradient is `2^−26`, which is below the smallest number there. */
  const half: Recipe = {
    ...BASE,
    optimizer: sgd() as Optimizer,
    clip: 1e9,
    loss: (p, _extra, { tokens }) => {
      const x = p.head.bias
        .astype("float16")
        .mul(2 ** -13)
        .mul(2 ** -13);
      const crossEntropy = x.astype("float32").sum();
      const hidden = tokens.astype("float32").mean().reshape([1]);
      return { loss: crossEntropy, count: scalar(1), report: { crossEntropy, hidden } };
    },
    nextExtra: (extra) => extra,
  };

  test("lifts gradients that float16 loses", async () => {
    const norm = async (recipe: Recipe) =>
      (
        await stepOf(recipe)(
          await begin(recipe),
          drawnBatch(1, () => 0),
        )
      )[1].gradientNorm.item();
    expect(await norm(half)).toBe(0);
    expect(await norm({ ...half, lossScale: 1024 })).toBeCloseTo(2 ** -26 * Math.sqrt(VOCAB), 12);
  });

  test("that overflows float16 comes down by itself, and then the run goes on", async () => {
    const steep: Recipe = {
      ...half,
      lossScale: { start: 65_536, growEvery: 100, min: 1, max: 65_536 },
      loss: (p, extra, batch, key) => {
        const own = half.loss(p, extra, batch, key);
        const x = p.head.bias.astype("float16").mul(16);
        return { ...own, loss: x.sum().astype("float32") };
      },
    };
    const step = stepOf(steep);
    let state = await begin(steep);
    const skips: number[] = [];
    for (let t = 0; t < 8; t++) {
      const [next, { skipped }] = await step(
        state,
        drawnBatch(1, () => 0),
      );
      skips.push(skipped.item());
      state = next;
    }
    // 16 · 65,536 and its halves are beyond float16's 65,504 until the scale is 2,048.
    expect(skips).toEqual([1, 2, 3, 4, 5, 0, 0, 0]);
    expect(state.step.item()).toBe(3);
  });
});

describe("the running mean of the weights", () => {
  test("forgets its start fast, follows its formula, and is what a run is judged by", async () => {
    const recipe: Recipe = { ...BASE, averageDecay: 0.3 };
    const step = stepOf(recipe, doubleEngine);
    let state = await begin(recipe, doubleEngine);
    let mean = numbers(PARAMS.table);
    for (let t = 0; t < 8; t++) {
      [state] = await step(
        state,
        drawnBatch(t, () => 0),
      );
      const decay = Math.min(0.3, (1 + t) / (10 + t));
      const now = numbers(state.params.table);
      mean = mean.map((old, i) => decay * old + (1 - decay) * now[i]!);
      const table = state.average?.table;
      // The decay is rounded to single precision where it is traced.
      expect(differs(table!, mean, { rtol: 1e-7, atol: 1e-8 })).toBeUndefined();
    }
    expect(weightsOf(state)).toEqual({ params: state.average, extra: state.extra });
    const { average: _, ...without } = state;
    expect(weightsOf(without).params).toBe(state.params);
  });
});

test("a state whose memory the step takes over is the state that it copies", async () => {
  const engine = await createOnnxEngine();
  const recipe: Recipe = { ...BASE, averageDecay: 0.9, microBatches: 2 };
  const f = (state: State, batch: TokenBatch) => trainingStep(recipe, state, batch);
  const settings = { engine, threads: 1 };
  const run = async (step: Jitted<[State, TokenBatch], ReturnType<typeof f>>) => {
    // Weights and their mean are one tensor at first.
    let state = await begin(recipe, engine);
    for (let t = 0; t < 3; t++)
      [state] = await step(
        state,
        drawnBatch(t, () => 0),
      );
    return bits(state);
  };
  expect(await run(jit(f, { ...settings, donate: [0] }))).toEqual(await run(jit(f, settings)));
});

describe("weights that do not train", () => {
  const recipe: Recipe = { ...BASE, trainable: byPath(["head/bias"]), averageDecay: 0.5 };

  test("stay as they are, and cost no optimiser state", async () => {
    const start = await begin(recipe);
    expect(start.optimizer.map((state) => Object.keys(state as object))).toEqual([
      [],
      [],
      ["first", "second"],
    ]);
    const [next] = await stepOf(recipe)(
      start,
      drawnBatch(1, () => 0),
    );
    expect(numbers(next.params.table)).toEqual(numbers(PARAMS.table));
    expect(numbers(next.params.head.weight)).toEqual(numbers(PARAMS.head.weight));
    expect(numbers(next.params.head.bias)).not.toEqual(numbers(PARAMS.head.bias));
    expect(numbers(next.average!.table)).toEqual(numbers(PARAMS.table));
  });

  test("count in no norm: the others move as if they were all there is", async () => {
    const plain = { optimizer: sgd() as Optimizer, clip: 1e9 };
    const batch = drawnBatch(1, () => 0);
    const all: Recipe = { ...BASE, ...plain };
    const [whole] = await stepOf(all)(await begin(all), batch);
    const some: Recipe = { ...recipe, ...plain };
    const [part, { gradientNorm }] = await stepOf(some)(await begin(some), batch);
    expect(numbers(part.params.head.bias)).toEqual(numbers(whole.params.head.bias));
    const moved = numbers(part.params.head.bias).map((x, i) => x - numbers(PARAMS.head.bias)[i]!);
    expect(gradientNorm.item()).toBeCloseTo(Math.hypot(...moved) / 0.05, 5);
  });
});
