/** @file GLaM's training by its settings: micro-batches are the batch, and every optimiser learns. */

import { describe, expect, test } from "vitest";
import { namedLeaves } from "../../core/tree.ts";
import { jit } from "../../engines/jit.ts";
import { createOnnxEngine } from "../../engines/onnx/onnx.ts";
import { random } from "../../numpy/index.ts";
import { differs, drawnIds, filled, numbers } from "../../testing/tensors.ts";
import type { LanguageModel, TokenBatch } from "../../train/model.ts";
import type { OptimizerSettings } from "../../train/settings.ts";
import type { TrainState } from "../../train/step.ts";
import { presetByName } from "./config.ts";
import { family } from "./index.ts";

const onnx = await createOnnxEngine();
const settings = { engine: onnx, threads: 1 };
const [BATCH, LENGTH] = [8, 16];
const SMALL = { layers: 2, embed: 16, mlp: 32, head: 2, dim: 8, vocab: 32 };

const begin = (model: LanguageModel): Promise<TrainState> =>
  jit((key: random.Key) => model.initial(key), settings)(random.key(1));
const stepOf = (model: LanguageModel) =>
  jit((state: TrainState, batch: TokenBatch) => model.step(state, batch), settings);

/** A small GLaM, changed. */
function opened(model: object, training: object): LanguageModel {
  const preset = presetByName("glam-pico");
  const sizes = { batch: BATCH, length: LENGTH };
  return family.restore(
    preset.name,
    { ...preset.model, ...model },
    { ...preset.training, ...sizes, ...training },
  );
}

/** Rows have from no to all of their targets. */
const BATCH_WITH_GAPS: TokenBatch = {
  tokens: drawnIds(1, { batch: BATCH, pos: LENGTH }, 32),
  targets: filled(
    { batch: BATCH, pos: LENGTH },
    (i) => (i % LENGTH < 2 * Math.floor(i / LENGTH) ? (7 * i) % 32 : -1),
    "int32",
  ),
};

describe("micro-batches", () => {
  const open = (microBatches: number, experts: number) =>
    opened(
      { ...SMALL, experts },
      { optimizer: "sgd", schedule: "constant", clip: 1000, learningRate: 1, microBatches },
    );

  test.each([2, 4, 8])("%d of them are the batch, however unequal their tokens", async (count) => {
    const [whole, pieces] = [open(1, 0), open(count, 0)];
    const start = await begin(whole);
    const [a, inOne] = await stepOf(whole)(start, BATCH_WITH_GAPS);
    const [b, inPieces] = await stepOf(pieces)(start, BATCH_WITH_GAPS);
    for (const name of ["loss", "gradientNorm"] as const)
      expect(inPieces[name].item() / inOne[name].item(), name).toBeCloseTo(1, 5);
    const wanted = new Map(namedLeaves(a.params).map(({ path, leaf }) => [path, leaf]));
    // Sums of single precision in another order.
    const close = { rtol: 1e-5, atol: 2e-6 };
    for (const { path, leaf } of namedLeaves(b.params))
      expect(differs(leaf, numbers(wanted.get(path) ?? leaf), close), path).toBeUndefined();
  });

  test("route experts one piece at a time, with slots for one", async () => {
    const model = open(2, 4);
    const [next, { loss, report }] = await stepOf(model)(await begin(model), BATCH_WITH_GAPS);
    expect(loss.item()).toBeGreaterThan(0);
    expect(next.step.item()).toBe(1);
    // Half the batch, twice: on average every expert serves its share.
    const load = numbers(report.load[0] ?? loss);
    expect(load.reduce((sum, x) => sum + x, 0) / load.length).toBeCloseTo(1, 1);
  });
});

const RATES: readonly (readonly [OptimizerSettings, number])[] = [
  [{ name: "sgd", momentum: 0.9, nesterov: true }, 0.3],
  [{ name: "adam" }, 0.01],
  [{ name: "adamw" }, 0.01],
  [{ name: "adafactor", momentum: 0.9, factorFrom: 16 }, 0.05],
  [{ name: "lion", weightDecay: 0.1 }, 0.002],
  [{ name: "muon" }, 0.02],
  [{ name: "shampoo", rootEvery: 5, block: 16 }, 0.02],
];

describe("the loss of one batch falls", () => {
  test.each(RATES)("by half with %j", async (optimizer, learningRate) => {
    const schedule = { name: "wsd" };
    const training = { optimizer, schedule, warmup: 3, ema: 0.9, steps: 60, learningRate };
    const model = opened({ ...SMALL, experts: 4 }, training);
    const step = stepOf(model);
    let state = await begin(model);
    const losses: number[] = [];
    for (let t = 0; t < 60; t++) {
      const [next, { report, skipped }] = await step(state, BATCH_WITH_GAPS);
      losses.push(report.crossEntropy.item());
      expect(skipped.item()).toBe(0);
      state = next;
    }
    expect(losses.at(-1)).toBeLessThan(0.5 * (losses[0] ?? 0));
  });
});
