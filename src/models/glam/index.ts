/** @file GLaM as a model family: what the commands train, describe and sample. */

import type { Tensor } from "../../core/tensor.ts";
import {
  initialise,
  initialRouterState,
  listParams,
  parseGrouping,
  parseRouter,
} from "../../nn/index.ts";
import { zeros } from "../../numpy/index.ts";
import type { Key } from "../../numpy/random.ts";
import type { LanguageModel, ModelFamily, Overrides, PresetDefaults } from "../../train/model.ts";
import { recipeFor } from "../../train/recipe.ts";
import {
  overrideTraining,
  readTrainingSettings,
  type TrainingSettings,
} from "../../train/settings.ts";
import { initialState, type StepRecipe, type TrainState, trainingStep } from "../../train/step.ts";
import { checkRouting, type GlamConfig, PRESETS, presetByName, routerFor } from "./config.ts";
import { glamFacts } from "./facts.ts";
import {
  deployedRouting,
  type GlamReport,
  glamLoss,
  type RouterStates,
  trainingRouting,
} from "./loss.ts";
import { type Glam, type GlamCache, glamParams, glamStep, isSparse } from "./model.ts";
import { readModel } from "./schema.ts";

type State = TrainState<Glam<Tensor>, RouterStates>;

/** Whose settings are read, in errors. */
const OWNER = "a GLaM";

function recipeOf(
  model: GlamConfig,
  training: TrainingSettings,
): StepRecipe<Glam<Tensor>, RouterStates, GlamReport> {
  const paths = listParams(glamParams(model)).map(({ path }) => path);
  const recipe = recipeFor(training, paths);
  const router = routerFor(model);
  return {
    ...recipe,
    loss: (params, states, batch, key) => {
      const [rows, length] = [batch.tokens.size("batch"), batch.tokens.size("pos")];
      const routing = trainingRouting(model, rows, length, { states, key });
      return glamLoss(params, batch, model, routing);
    },
    nextExtra: (states, { observed }, step) =>
      states.map((state, layer) => router.nextState(state, observed[layer] ?? {}, step)),
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
  defaults?: PresetDefaults,
): LanguageModel {
  const recipe = recipeOf(model, training);
  checkRouting(model, sequencesAtOnce(training), training.length);
  const sparse = Array.from({ length: model.layers }, (_, i) => isSparse(model, i)).filter(Boolean);
  return {
    preset,
    defaults,
    model: { ...model },
    training,
    vocab: model.vocab,
    initial(key: Key) {
      const states = sparse.map(() => initialRouterState(routerFor(model), model.experts));
      return initialState(initialise(glamParams(model), key), states, recipe, key);
    },
    step: (state, batch) => trainingStep(recipe, state as State, batch),
    evaluate({ params, extra }, batch) {
      const routing = deployedRouting(model, extra as RouterStates);
      const { report, count } = glamLoss(params as Glam<Tensor>, batch, model, routing);
      return { nats: report.crossEntropy.mul(count), count };
    },
    startDecoding: (batch, length) =>
      Array.from({ length: model.layers }, () => ({
        key: zeros([batch, model.head, length, model.dim], "batch head mem dim"),
        value: zeros([batch, model.head, length, model.dim], "batch head mem dim"),
      })),
    decode({ params, extra }, cache, ids, at) {
      const routing = deployedRouting(model, extra as RouterStates);
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
  const { model, training, defaults } = presetByName(preset);
  const { layers, grouping, capacityFactor } = overrides;
  const router = overrides.router === undefined ? undefined : parseRouter(overrides.router);
  return languageModel(
    preset,
    readModel({
      ...model,
      layers: layers ?? model.layers,
      router: router?.name ?? model.router,
      routerOptions: router?.options ?? model.routerOptions,
      grouping: grouping === undefined ? model.grouping : parseGrouping(grouping),
      capacityFactor: capacityFactor ?? model.capacityFactor,
      dropless: overrides.dropless === true || model.dropless,
      sharedExperts: overrides.sharedExperts ?? model.sharedExperts,
    }),
    overrideTraining(training, overrides, OWNER),
    defaults,
  );
}

export const family: ModelFamily = {
  name: "glam",
  presets: PRESETS.map(({ name, summary }) => ({ name, summary })),
  open: withOverrides,
  restore: (preset, model, training) =>
    languageModel(preset, readModel(model), readTrainingSettings(training, OWNER)),
};
