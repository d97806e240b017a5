/** @file What a model folder offers whose data is no text: a model with its recipe, to be traced, partitioned and trained in code. */

import type { Tensor } from "../core/tensor.ts";
import { initialise, listParams } from "../nn/index.ts";
import type { Key } from "../numpy/random.ts";
import type { Overrides } from "./model.ts";
import { recipeFor } from "./recipe.ts";
import type { TrainingSettings } from "./settings.ts";
import {
  type BatchLoss,
  initialState,
  type StepMetrics,
  type StepRecipe,
  type TrainState,
  trainingStep,
} from "./step.ts";

/** Tensors by name, the examples along the first axis of each. */
export type TensorBatch<T = Tensor> = Readonly<Record<string, T>>;

/** Sizes of a model, known without allocating it. */
export interface TaskFacts {
  readonly parameters: number;
  /** Forward FLOPs of one batch. */
  readonly flopsPerStep: number;
  readonly sizes: Readonly<Record<string, string | number>>;
}

export interface TaskModel {
  readonly preset: string;
  /** Everything that decides the model's form. */
  readonly model: object;
  /** `length` is what examples are long in: frames, or the side of a volume. */
  readonly training: TrainingSettings;
  /** Fresh weights, traced. */
  initial(key: Key): TrainState;
  /** One training step, traced. */
  step(state: TrainState, batch: TensorBatch): readonly [TrainState, StepMetrics<unknown>];
  /** Stand-ins of one batch, for tracing. */
  batchForm(): TensorBatch;
  facts(): TaskFacts;
}

/** One model folder. `src/models/<name>/index.ts` exports it as `taskFamily`. */
export interface TaskFamily {
  readonly name: string;
  readonly presets: readonly { readonly name: string; readonly summary: string }[];
  /** @throws ConfigError for values out of range */
  open(preset: string, overrides: Overrides): TaskModel;
}

/** A model by its declarations and its loss: what its folder says beside the presets. */
export interface TaskSource<P> {
  readonly preset: string;
  readonly model: object;
  readonly training: TrainingSettings;
  /** Declarations of the parameters. */
  readonly specs: unknown;
  /** Loss of one batch, traced. */
  loss(params: P, batch: TensorBatch): BatchLoss<unknown>;
  batchForm(): TensorBatch;
  facts(): TaskFacts;
}

/** A model that keeps nothing beside its parameters, with the recipe that its settings say. */
export function taskModel<P>(source: TaskSource<P>): TaskModel {
  const { preset, model, training, specs, batchForm, facts } = source;
  const paths = listParams(specs).map(({ path }) => path);
  const recipe: StepRecipe<P, readonly [], unknown, TensorBatch> = {
    ...recipeFor(training, paths),
    loss: (params, _nothing, batch) => source.loss(params, batch),
    nextExtra: (nothing) => nothing,
  };
  return {
    ...{ preset, model, training, batchForm, facts },
    initial: (key) => initialState(initialise(specs, key) as P, [] as const, recipe, key),
    step: (state, batch) => trainingStep(recipe, state as TrainState<P, readonly []>, batch),
  };
}
