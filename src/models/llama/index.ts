/** @file Llama as a model family: what the commands train, describe and sample. */

import type { Tensor } from "../../core/tensor.ts";
import { initialise, listParams } from "../../nn/index.ts";
import type { Key } from "../../numpy/random.ts";
import type {
  LanguageModel,
  LanguageModelReport,
  ModelFamily,
  Overrides,
} from "../../train/model.ts";
import { recipeFor } from "../../train/recipe.ts";
import {
  overrideTraining,
  readTrainingSettings,
  type TrainingSettings,
} from "../../train/settings.ts";
import { initialState, type StepRecipe, type TrainState, trainingStep } from "../../train/step.ts";
import { type LlamaConfig, PRESETS, presetByName } from "./config.ts";
import { llamaFacts } from "./facts.ts";
import { llamaLoss } from "./loss.ts";
import { emptyCache, type Llama, type LlamaCache, llamaParams, llamaStep } from "./model.ts";
import { readModel } from "./schema.ts";

/** A Llama keeps nothing beside its parameters. */
type Nothing = readonly [];
type State = TrainState<Llama<Tensor>, Nothing>;

/** Whose settings are read, in errors. */
const OWNER = "a Llama";

function recipeOf(
  model: LlamaConfig,
  training: TrainingSettings,
): StepRecipe<Llama<Tensor>, Nothing, LanguageModelReport> {
  const paths = listParams(llamaParams(model)).map(({ path }) => path);
  return {
    ...recipeFor(training, paths),
    loss: (params, _nothing, batch) => llamaLoss(params, batch, model),
    nextExtra: (nothing) => nothing,
  };
}

function languageModel(
  preset: string,
  model: LlamaConfig,
  training: TrainingSettings,
): LanguageModel {
  const recipe = recipeOf(model, training);
  return {
    preset,
    model: { ...model },
    training,
    vocab: model.vocab,
    initial: (key: Key) => initialState(initialise(llamaParams(model), key), [], recipe, key),
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
  return languageModel(
    preset,
    readModel({ ...model, layers: overrides.layers ?? model.layers }),
    overrideTraining(training, overrides, OWNER),
  );
}

export const family: ModelFamily = {
  name: "llama",
  presets: PRESETS.map(({ name, summary }) => ({ name, summary })),
  open: withOverrides,
  restore: (preset, model, training) =>
    languageModel(preset, readModel(model), readTrainingSettings(training, OWNER)),
};
