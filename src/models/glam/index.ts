/** @file GLaM as a model family: what the commands train, describe and sample. */

import type { Tensor } from "../../core/tensor.ts";
import { initialise, listParams, parseGrouping } from "../../nn/index.ts";
import { maximum, zeros } from "../../numpy/index.ts";
import type { Key } from "../../numpy/random.ts";
import { fullLike } from "../../ops/creation.ts";
import type { LanguageModel, ModelFamily, Overrides } from "../../train/model.ts";
import { recipeFor } from "../../train/recipe.ts";
import {
  overrideTraining,
  readTrainingSettings,
  type TrainingSettings,
} from "../../train/settings.ts";
import { initialState, type StepRecipe, type TrainState, trainingStep } from "../../train/step.ts";
import { type GlamConfig, PRESETS, presetByName, slotsFor } from "./config.ts";
import { glamFacts } from "./facts.ts";
import { deployedRouting, type GlamReport, glamLoss, trainingRouting } from "./loss.ts";
import { type Glam, type GlamCache, glamParams, glamStep, isSparse } from "./model.ts";
import { readModel } from "./schema.ts";

/** Running thresholds of the routers, `[expert]` per sparse layer. */
type Thresholds = readonly Tensor[];
type State = TrainState<Glam<Tensor>, Thresholds>;

/** Whose settings are read, in errors. */
const OWNER = "a GLaM";

/** Weight of the past in a running threshold; less at the start, so that the first batch counts whole. */
const MEMORY = 0.98;

function recipeOf(
  model: GlamConfig,
  training: TrainingSettings,
): StepRecipe<Glam<Tensor>, Thresholds, GlamReport> {
  const paths = listParams(glamParams(model)).map(({ path }) => path);
  const recipe = recipeFor(training, paths);
  const routing = trainingRouting(model, sequencesAtOnce(training), training.length);
  return {
    ...recipe,
    loss: (params, _thresholds, batch) => glamLoss(params, batch, model, routing),
    nextExtra: (thresholds, { threshold }, step) => {
      const past = fullLike(step, 1).sub(maximum(fullLike(step, 1).div(step.add(1)), 1 - MEMORY));
      return thresholds.map((old, i) =>
        old.mul(past).add((threshold[i] ?? old).mul(fullLike(step, 1).sub(past))),
      );
    },
  };
}

/** Sequences that go through the model together, among which experts choose. */
function sequencesAtOnce({ batch, microBatches = 1 }: TrainingSettings): number {
  return batch / microBatches;
}

/** One GLaM with its recipe. @throws ConfigError when a capacity leaves an expert without a slot */
function languageModel(
  preset: string,
  model: GlamConfig,
  training: TrainingSettings,
): LanguageModel {
  const recipe = recipeOf(model, training);
  if (model.experts > 0) slotsFor(model, sequencesAtOnce(training), training.length);
  const sparse = Array.from({ length: model.layers }, (_, i) => isSparse(model, i)).filter(Boolean);
  return {
    preset,
    model: { ...model },
    training,
    vocab: model.vocab,
    initial(key: Key) {
      const thresholds = sparse.map(() => zeros([model.experts], "expert"));
      return initialState(initialise(glamParams(model), key), thresholds, recipe, key);
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
  const { layers, router, grouping, capacityFactor } = overrides;
  return languageModel(
    preset,
    readModel({
      ...model,
      layers: layers ?? model.layers,
      router: router ?? model.router,
      grouping: grouping === undefined ? model.grouping : parseGrouping(grouping),
      capacityFactor: capacityFactor ?? model.capacityFactor,
    }),
    overrideTraining(training, overrides, OWNER),
  );
}

export const family: ModelFamily = {
  name: "glam",
  presets: PRESETS.map(({ name, summary }) => ({ name, summary })),
  open: withOverrides,
  restore: (preset, model, training) =>
    languageModel(preset, readModel(model), readTrainingSettings(training, OWNER)),
};
