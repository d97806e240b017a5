/** @file Llama as a model family: what the commands train, describe and sample. */

import type { Tensor } from "../../core/tensor.ts";
import { initialise } from "../../nn/index.ts";
import type { Key } from "../../numpy/random.ts";
import { adafactor } from "../../optim/adafactor.ts";
import { adamw } from "../../optim/adamw.ts";
import type { Optimizer } from "../../optim/optimizer.ts";
import { cosine, inverseSquareRoot, type Schedule } from "../../optim/schedule.ts";
import type {
  LanguageModel,
  LanguageModelReport,
  ModelFamily,
  Overrides,
} from "../../train/model.ts";
import { initialState, type StepRecipe, type TrainState, trainingStep } from "../../train/step.ts";
import { type LlamaConfig, PRESETS, presetByName, type TrainingConfig } from "./config.ts";
import { llamaFacts } from "./facts.ts";
import { llamaLoss } from "./loss.ts";
import { emptyCache, type Llama, type LlamaCache, llamaParams, llamaStep } from "./model.ts";
import { readModel, readTraining } from "./schema.ts";

/** A Llama keeps nothing beside its parameters. */
type Nothing = readonly [];
type State = TrainState<Llama<Tensor>, Nothing>;

function optimizerOf({ optimizer }: TrainingConfig): Optimizer {
  return (optimizer === "adafactor" ? adafactor() : adamw()) as Optimizer;
}

function scheduleOf({ schedule, learningRate, warmup, steps }: TrainingConfig): Schedule {
  return schedule === "cosine"
    ? cosine(learningRate, warmup, steps)
    : inverseSquareRoot(learningRate, warmup);
}

function recipeOf(
  model: LlamaConfig,
  training: TrainingConfig,
): StepRecipe<Llama<Tensor>, Nothing, LanguageModelReport> {
  return {
    optimizer: optimizerOf(training),
    schedule: scheduleOf(training),
    clip: training.clip,
    loss: (params, _nothing, batch) => llamaLoss(params, batch, model),
    nextExtra: (nothing) => nothing,
  };
}

function languageModel(
  preset: string,
  model: LlamaConfig,
  training: TrainingConfig,
): LanguageModel {
  const recipe = recipeOf(model, training);
  return {
    preset,
    model: { ...model },
    training,
    vocab: model.vocab,
    initial: (key: Key) =>
      initialState(initialise(llamaParams(model), key), [], recipe.optimizer, key),
    step: (state, batch) => trainingStep(recipe, state as State, batch),
    evaluate({ params }, batch) {
      const { count, report } = llamaLoss(params as Llama<Tensor>, batch, model);
      return { nats: report.crossEntropy.mul(count), count };
    },
    startDecoding: (batch, length) => emptyCache(model, batch, length),
    decode({ params }, cache, ids, at) {
      const before = cache as LlamaCache<Tensor>;
      const next = llamaStep(params as Llama<Tensor>, ids, before, at, model);
      return [next.logits, next.cache];
    },
    facts: () => llamaFacts(model, training),
  };
}

function withOverrides(preset: string, overrides: Overrides): LanguageModel {
  const { model, training } = presetByName(preset);
  const given = <T>(value: T | undefined, otherwise: T): T => value ?? otherwise;
  return languageModel(
    preset,
    readModel({ ...model, layers: given(overrides.layers, model.layers) }),
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
  name: "llama",
  presets: PRESETS.map(({ name, summary }) => ({ name, summary })),
  open: withOverrides,
  restore: (preset, model, training) =>
    languageModel(preset, readModel(model), readTraining(training)),
};
