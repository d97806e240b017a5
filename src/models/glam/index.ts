/** @file GLaM as a model family: what the commands train, describe and sample. */

import type { Tensor } from "../../core/tensor.ts";
import { initialise, parseGrouping } from "../../nn/index.ts";
import { maximum, zeros } from "../../numpy/index.ts";
import type { Key } from "../../numpy/random.ts";
import { fullLike } from "../../ops/creation.ts";
import { adafactor } from "../../optim/adafactor.ts";
import { adamw } from "../../optim/adamw.ts";
import type { Optimizer } from "../../optim/optimizer.ts";
import { cosine, inverseSquareRoot, type Schedule } from "../../optim/schedule.ts";
import type { LanguageModel, ModelFamily, Overrides } from "../../train/model.ts";
import { initialState, type StepRecipe, type TrainState, trainingStep } from "../../train/step.ts";
import { type GlamConfig, PRESETS, presetByName, slotsFor, type TrainingConfig } from "./config.ts";
import { glamFacts } from "./facts.ts";
import { deployedRouting, type GlamReport, glamLoss, trainingRouting } from "./loss.ts";
import { type Glam, type GlamCache, glamParams, glamStep, isSparse } from "./model.ts";
import { readModel, readTraining } from "./schema.ts";

/** Running thresholds of the routers, `[expert]` per sparse layer. */
type Thresholds = readonly Tensor[];
type State = TrainState<Glam<Tensor>, Thresholds>;

/** Weight of the past in a running threshold; less at the start, so that the first batch counts whole. */
const MEMORY = 0.98;

function optimizerOf({ optimizer }: TrainingConfig): Optimizer {
  return (optimizer === "adafactor" ? adafactor() : adamw()) as Optimizer;
}

function scheduleOf({ schedule, learningRate, warmup, steps }: TrainingConfig): Schedule {
  return schedule === "cosine"
    ? cosine(learningRate, warmup, steps)
    : inverseSquareRoot(learningRate, warmup);
}

function recipeOf(
  model: GlamConfig,
  training: TrainingConfig,
): StepRecipe<Glam<Tensor>, Thresholds, GlamReport> {
  const routing = trainingRouting(model, training.batch, training.length);
  return {
    optimizer: optimizerOf(training),
    schedule: scheduleOf(training),
    clip: training.clip,
    loss: (params, _thresholds, batch) => glamLoss(params, batch, model, routing),
    nextExtra: (thresholds, { threshold }, step) => {
      const past = fullLike(step, 1).sub(maximum(fullLike(step, 1).div(step.add(1)), 1 - MEMORY));
      return thresholds.map((old, i) =>
        old.mul(past).add((threshold[i] ?? old).mul(fullLike(step, 1).sub(past))),
      );
    },
  };
}

/** One GLaM with its recipe. @throws ConfigError when a capacity leaves an expert without a slot */
function languageModel(preset: string, model: GlamConfig, training: TrainingConfig): LanguageModel {
  if (model.experts > 0) slotsFor(model, training.batch, training.length);
  const recipe = recipeOf(model, training);
  const sparse = Array.from({ length: model.layers }, (_, i) => isSparse(model, i)).filter(Boolean);
  return {
    preset,
    model: { ...model },
    training,
    vocab: model.vocab,
    initial(key: Key) {
      const thresholds = sparse.map(() => zeros([model.experts], "expert"));
      return initialState(initialise(glamParams(model), key), thresholds, recipe.optimizer, key);
    },
    step: (state, batch) => trainingStep(recipe, state as State, batch),
    evaluate({ params, extra }, batch) {
      const routing = deployedRouting(model, extra as Thresholds);
      const { report, count } = glamLoss(params as Glam<Tensor>, batch, model, routing);
      return { nats: report.crossEntropy.mul(count), count };
    },
    startDecoding: (batch, length) =>
      Array.from({ length: model.layers }, () => ({
        key: zeros([batch, model.head, length, model.dim], "batch head mem dim"),
        value: zeros([batch, model.head, length, model.dim], "batch head mem dim"),
      })),
    decode({ params, extra }, cache, ids, at) {
      const routing = deployedRouting(model, extra as Thresholds);
      const next = glamStep(
        params as Glam<Tensor>,
        ids,
        cache as GlamCache<Tensor>,
        at,
        model,
        routing,
      );
      return [next.logits, next.cache];
    },
    facts: () => glamFacts(model, training),
  };
}

function withOverrides(preset: string, overrides: Overrides): LanguageModel {
  const { model, training } = presetByName(preset);
  const given = <T>(value: T | undefined, otherwise: T): T => value ?? otherwise;
  return languageModel(
    preset,
    readModel({
      ...model,
      layers: given(overrides.layers, model.layers),
      router: given(overrides.router, model.router),
      grouping:
        overrides.grouping === undefined ? model.grouping : parseGrouping(overrides.grouping),
      capacityFactor: given(overrides.capacityFactor, model.capacityFactor),
    }),
    readTraining({
      ...training,
      batch: given(overrides.batch, training.batch),
      length: given(overrides.length, training.length),
      steps: given(overrides.steps, training.steps),
      learningRate: given(overrides.learningRate, training.learningRate),
    }),
  );
}

export const family: ModelFamily = {
  name: "glam",
  presets: PRESETS.map(({ name, summary }) => ({ name, summary })),
  open: withOverrides,
  restore: (preset, model, training) =>
    languageModel(preset, readModel(model), readTraining(training)),
};
