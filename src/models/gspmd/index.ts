/** @file GSPMD's decoder as a model family: what the commands train, partition and sample. */

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
import type { DecoderConfig } from "./config.ts";
import { decoderFacts } from "./facts.ts";
import { decoderLoss } from "./loss.ts";
import {
  type Decoder,
  type DecoderCache,
  decoderCache,
  decoderParams,
  decoderStep,
  layersOf,
} from "./model.ts";
import { PRESETS, presetByName } from "./presets.ts";
import { readModel } from "./schema.ts";

/** The decoder keeps nothing beside its parameters. */
type Nothing = readonly [];
type State = TrainState<Decoder<Tensor>, Nothing>;

/** Whose settings are read, in errors. */
const OWNER = "a GSPMD decoder";

function recipeOf(
  model: DecoderConfig,
  training: TrainingSettings,
): StepRecipe<Decoder<Tensor>, Nothing, LanguageModelReport> {
  const paths = listParams(decoderParams(model)).map(({ path }) => path);
  return {
    ...recipeFor(training, paths),
    loss: (params, _nothing, batch) => decoderLoss(params, batch, model),
    nextExtra: (nothing) => nothing,
  };
}

function withoutStages({ pipeline: _, ...model }: DecoderConfig): DecoderConfig {
  return model;
}

function languageModel(
  preset: string,
  model: DecoderConfig,
  training: TrainingSettings,
): LanguageModel {
  const recipe = recipeOf(model, training);
  return {
    preset,
    model: { ...model },
    training,
    vocab: model.vocab,
    initial: (key: Key) => initialState(initialise(decoderParams(model), key), [], recipe, key),
    step: (state, batch) => trainingStep(recipe, state as State, batch),
    evaluate({ params }, batch) {
      // Nothing is gained by microbatches on one device, and batches may have any size.
      const plain = {
        ...(params as Decoder<Tensor>),
        layers: layersOf(params as Decoder<Tensor>, model),
      };
      const { count, report } = decoderLoss(plain, batch, withoutStages(model));
      return { nats: report.crossEntropy.mul(count), count };
    },
    startDecoding: (batch, length) => decoderCache(batch, length, model),
    decode({ params }, cache, ids, at) {
      const before = cache as DecoderCache<Tensor>;
      const next = decoderStep(params as Decoder<Tensor>, ids, before, at, model);
      return [next.logits, next.cache];
    },
    facts: () => decoderFacts(model, training),
  };
}

function withOverrides(preset: string, overrides: Overrides): LanguageModel {
  const { model, training } = presetByName(preset);
  return languageModel(
    preset,
    readModel({
      ...model,
      layers: overrides.layers ?? model.layers,
      capacityFactor: overrides.capacityFactor ?? model.capacityFactor,
    }),
    overrideTraining(training, overrides, OWNER),
  );
}

export const family: ModelFamily = {
  name: "gspmd",
  presets: PRESETS.map(({ name, summary }) => ({ name, summary })),
  open: withOverrides,
  restore: (preset, model, training) =>
    languageModel(preset, readModel(model), readTrainingSettings(training, OWNER)),
};
