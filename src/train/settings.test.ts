/** @file Training settings: read strictly, and turned into the recipe that they name. */

import { describe, expect, test } from "vitest";
import { MeshloomError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { referenceEngine } from "../engines/reference/reference.ts";
import { applyUpdates, initOptimizer, type Optimizer } from "../optim/optimizer.ts";
import { drawn, filled, numbers } from "../testing/tensors.ts";
import { describeTraining, recipeFor, scheduleOf } from "./recipe.ts";
import { readTrainingSettings, type TrainingSettings } from "./settings.ts";

const BASE = {
  batch: 12,
  length: 8,
  steps: 100,
  optimizer: "adamw",
  learningRate: 0.5,
  schedule: "cosine",
  warmup: 10,
  clip: 1,
} as const satisfies TrainingSettings;
const PATHS = ["embedding", "layers/0/mlp/wi", "layers/0/norm", "layers/1/mlp/wi"];

const read = (changes: object): TrainingSettings =>
  readTrainingSettings({ ...BASE, ...changes }, "a test");

/** What an error says, its facts in one line each. */
function refusal(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    if (error instanceof MeshloomError)
      return [error.headline, ...error.facts.map(([name, text]) => `${name}: ${text}`)].join("\n");
    throw error;
  }
  return "";
}

describe("reading", () => {
  test("gives back what was written, so that a saved run says what it was told", () => {
    const all = {
      ...BASE,
      optimizer: { name: "muon", momentum: 0.9, scale: "spectral", decayed: "all" },
      schedule: { name: "wsd", decay: 0.1, fall: "one-minus-sqrt" },
      clipping: "adaptive",
      microBatches: 4,
      ema: 0.999,
      lossScale: "dynamic",
      trainable: ["layers/*/mlp"],
      rates: { embedding: 0.1 },
    };
    expect(readTrainingSettings(JSON.parse(JSON.stringify(all)), "a test")).toEqual(all);
    expect(read({})).toEqual(BASE);
  });

  test.each([
    [{ learningrate: 1 }, 'learningrate: is not a key here; did you mean "learningRate"?'],
    [{ microBatchs: 2 }, 'microBatchs: is not a key here; did you mean "microBatches"?'],
    [{ optimizer: "adamW8" }, 'optimizer: "adamW8" is not a choice; did you mean "adamw"?'],
    [
      { optimizer: { name: "lyon" } },
      'optimizer.name: "lyon" is not a choice; did you mean "lion"?',
    ],
    [
      { optimizer: { name: "adamw", beta_1: 0.9 } },
      'optimizer.beta_1: is not a key here; did you mean "beta1"?',
    ],
    [
      { optimizer: { name: "lion", epsilon: 1e-8 } },
      "optimizer.epsilon: is not a key here; one of: name, beta1, beta2, weightDecay, decayed",
    ],
    [
      { schedule: { name: "wsd", fall: "linaer" } },
      'schedule.fall: "linaer" is not a choice; did you mean "linear"?',
    ],
    [{ schedule: "cosin" }, 'schedule: "cosin" is not a choice; did you mean "cosine"?'],
    [{ schedule: { name: "steps" } }, "schedule.at: is missing"],
    [{ clipping: "globalnorm" }, 'clipping: "globalnorm" is not a choice; did you mean'],
    [{ lossScale: "dynamical" }, 'lossScale: "dynamical" is not a choice'],
    [{ steps: undefined }, "steps: is missing"],
  ] as const)("%j is refused with what was meant", (changes, text) => {
    expect(refusal(() => read(changes))).toContain(text);
    expect(refusal(() => read(changes))).toContain('the section "training" is not one of a test');
  });

  test("names every wrong key, not the first alone", () => {
    const text = refusal(() =>
      read({ optimizer: { name: "sgd", momentum: 2 }, clip: -1, warm: 1 }),
    );
    for (const name of ["optimizer.momentum", "clip", "warm"])
      expect(text).toContain(`\n${name}: `);
  });
});

describe("the recipe", () => {
  test("a path that no parameter has is refused, with the nearest", () => {
    const recipe = (changes: object) => () => recipeFor(read(changes), PATHS);
    expect(refusal(recipe({ trainable: ["embeding"] }))).toBe(
      'trainable: "embeding" matches no parameter.\nfix: did you mean "embedding"?',
    );
    expect(refusal(recipe({ rates: { "layers/*/mlp": 1, "layers/7": 2 } }))).toContain(
      'rates: "layers/7" matches no parameter.',
    );
    expect(refusal(recipe({ microBatches: 5 }))).toContain("12 sequences do not divide into 5");
  });

  test("asks for nothing that the settings do not name", () => {
    const { averageDecay, lossScale, trainable, clip, microBatches } = recipeFor(read({}), PATHS);
    expect([averageDecay, lossScale, trainable, clip, microBatches]).toEqual([
      undefined,
      undefined,
      undefined,
      1,
      1,
    ]);
  });

  test("says in one line how a run trains", () => {
    const optimizer = { name: "muon", momentum: 0.9 };
    expect(describeTraining(read({ optimizer, schedule: "constant", microBatches: 3 }))).toBe(
      "muon (momentum 0.9); 10 steps of warm-up; then constant 0.5; global-norm at most 1; 3 micro-batches",
    );
  });

  const params = {
    embedding: drawn(1, { vocab: 6, embed: 4 }),
    layers: [
      { mlp: { wi: drawn(2, { embed: 4, mlp: 5 }) }, norm: drawn(3, { embed: 4 }) },
      { mlp: { wi: drawn(4, { embed: 4, mlp: 5 }) } },
    ],
  };
  type Params = typeof params;

  /** The parameters after one update with the gradients all `slope`. */
  async function updated(optimizer: Optimizer, slope: number): Promise<Params> {
    const update = jit(
      (p: Params, g: Params, rate: Tensor) =>
        applyUpdates(optimizer, p, g, initOptimizer(optimizer, p), rate.mul(0), rate).params,
      { engine: referenceEngine },
    );
    const like = ({ aval }: Tensor) =>
      filled(Object.fromEntries(aval.dims.map((d, i) => [`${aval.names[i]}`, d])), () => slope);
    const [first, second] = params.layers as [Params["layers"][0], Params["layers"][1]];
    const gradients = {
      embedding: like(params.embedding),
      layers: [
        { mlp: { wi: like(first.mlp.wi) }, norm: like(first.norm as Tensor) },
        { mlp: { wi: like(second.mlp.wi) } },
      ],
    };
    return update(
      params,
      gradients as Params,
      filled({}, () => 0.5),
    );
  }

  test.each(["sgd", "adam", "adamw", "adafactor", "lion", "muon", "shampoo"] as const)(
    "%s decays matrices, and leaves embeddings and norms alone",
    async (name) => {
      const settings = read({ optimizer: { name, weightDecay: 0.2 } });
      const { optimizer } = recipeFor(settings, PATHS);
      // No gradient: what moves is decayed. (Adam's own decay goes through its normalisation.)
      const next = await updated(optimizer, 0);
      expect(numbers(next.embedding)).toEqual(numbers(params.embedding));
      expect(numbers(next.layers[0]!.norm!)).toEqual(numbers(params.layers[0]!.norm!));
      const [before, now] = [params, next].map((p) => numbers(p.layers[1]!.mlp.wi));
      before!.forEach((w, i) => {
        if (name === "adam") expect(Math.abs(now![i]! - w)).toBeGreaterThan(0.1);
        else expect(now![i]).toBeCloseTo(w * (1 - 0.5 * 0.2), 6);
      });
    },
  );

  test("rates are factors of the learning rate", async () => {
    const settings = read({ optimizer: "sgd", rates: { embedding: 0.1, "layers/*/mlp": 2 } });
    const next = await updated(recipeFor(settings, PATHS).optimizer, 1);
    const moved = (name: (p: Params) => Tensor) =>
      numbers(name(params))[0]! - numbers(name(next))[0]!;
    expect(moved((p) => p.embedding)).toBeCloseTo(0.05, 6);
    expect(moved((p) => p.layers[1]!.mlp.wi)).toBeCloseTo(1, 6);
    expect(moved((p) => p.layers[0]!.norm!)).toBeCloseTo(0.5, 6);
  });
});

describe("schedules by name", () => {
  const rates = async (schedule: TrainingSettings["schedule"], at: readonly number[]) => {
    const f = scheduleOf(read({ schedule }));
    const run = jit((t: Tensor) => f(t), { engine: referenceEngine });
    return Promise.all(at.map(async (t) => (await run(filled({}, () => t))).item()));
  };

  // A peak of 0.5, a warm-up of 10 of 100 steps.
  test.each([
    ["constant", [0.05, 0.5, 0.5, 0.5]],
    ["linear", [0.05, 0.5, 0.25, 0]],
    ["cosine", [0.05, 0.5, 0.275, 0.05]],
    ["polynomial", [0.05, 0.5, 0.125, 0]],
    ["wsd", [0.05, 0.5, 0.5, 0]],
    ["inverse-square-root", [0.5, 0.5, 0.5 * Math.sqrt(10 / 55), 0.5 * Math.sqrt(0.1)]],
    [{ name: "exponential", factor: 0.5, every: 45 }, [0.05, 0.5, 0.25, 0.125]],
    [{ name: "steps", at: [20, 60] }, [0.05, 0.5, 0.05, 0.005]],
    [{ name: "warm-restarts", period: 30, floor: 0.2 }, [0.05, 0.5, 0.3, 0.5]],
  ] as const)("%j", async (schedule, wanted) => {
    const got = await rates(schedule as TrainingSettings["schedule"], [0, 10, 55, 100]);
    for (const [i, rate] of wanted.entries()) expect(got[i]).toBeCloseTo(rate, 5);
  });

  test("say what they are", () => {
    const text = (schedule: TrainingSettings["schedule"]) =>
      scheduleOf(read({ schedule })).description;
    expect(text("cosine")).toBe("10 steps of warm-up; then cosine 0.5 → 0.05 over 90 steps");
    expect(text("wsd")).toBe(
      "10 steps of warm-up; then constant 0.5; after 70 steps linear 0.5 → 0 over 20 steps",
    );
  });
});
