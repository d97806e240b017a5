/** @file What a model folder offers to the commands: presets, and a model that can be trained and sampled. */

import type { Tensor } from "../core/tensor.ts";
import type { DecodingModel } from "../generate/model.ts";
import type { Key } from "../numpy/random.ts";
import type { TrainingSettings } from "./settings.ts";
import type { StepMetrics, TrainState } from "./step.ts";

/** One batch of token ids, int32 `[batch, pos]` each. */
export interface TokenBatch<T = Tensor> {
  readonly tokens: T;
  /** The tokens one place on; −1 where there is nothing to predict, such as padding. */
  readonly targets: T;
  /** Of packed batches: which document a place is of, from 0, −1 for padding. Attention stays inside one. */
  readonly segments?: T;
  /** Of packed batches: the place in its document, from 0. */
  readonly positions?: T;
}

/** What a model computes with: no optimiser in it. */
export type Weights = Pick<TrainState, "params" | "extra">;

/** What a language model reports of a batch, beside its loss. */
export interface LanguageModelReport {
  /** Nats per token. */
  readonly crossEntropy: Tensor;
  readonly auxLoss: Tensor;
  /** Per sparse layer, `[expert]` tokens served over the mean. */
  readonly load: readonly Tensor[];
  /** Per sparse layer, share of tokens that no expert served. */
  readonly dropped: readonly Tensor[];
  /** Per sparse layer, `[6]` shares of tokens that 0, 1, 2, 3, 4 and more experts served. */
  readonly served?: readonly Tensor[];
  /** Per sparse layer, mean entropy of the router's gates in nats. */
  readonly routerEntropy?: readonly Tensor[];
}

/** Sizes of a model, known without allocating it. */
export interface ModelFacts {
  readonly parameters: number;
  /** Parameters that one token uses. */
  readonly activatedParameters: number;
  /** Forward FLOPs per token, attention to a full context included. */
  readonly flopsPerToken: number;
  readonly sizes: Readonly<Record<string, string | number>>;
}

/** Settings of the sections `data` and `run` that belong to a preset. */
export interface PresetDefaults {
  readonly data?: { readonly name?: string; readonly tokenizer?: string };
  readonly run?: { readonly prompt?: string };
}

/** A language model with its recipe, ready to be traced. */
export interface LanguageModel extends DecodingModel {
  readonly preset: string;
  /** Everything that decides the model's form, saved with a run. */
  readonly model: Readonly<Record<string, unknown>>;
  readonly training: TrainingSettings;
  /** What a run of the preset reads and shows where nothing else is said. */
  readonly defaults?: PresetDefaults | undefined;
  /** Fresh weights, traced. */
  initial(key: Key): TrainState;
  /** One training step, traced. */
  step(
    state: TrainState,
    batch: TokenBatch,
  ): readonly [TrainState, StepMetrics<LanguageModelReport>];
  /** Nats over all counted tokens, by the rule that sampling uses, and how many those are; traced. */
  evaluate(weights: Weights, batch: TokenBatch): { readonly nats: Tensor; readonly count: Tensor };
  facts(): ModelFacts;
}

/** Settings that a user may change from the outside: what is absent stays the preset's. */
export interface Overrides {
  readonly layers?: number | undefined;
  readonly batch?: number | undefined;
  readonly length?: number | undefined;
  readonly steps?: number | undefined;
  readonly optimizer?: string | undefined;
  readonly learningRate?: number | undefined;
  readonly schedule?: string | undefined;
  readonly warmup?: number | undefined;
  readonly microBatches?: number | undefined;
  readonly ema?: number | undefined;
  /** A router, with options if need be: `gshard-top2:second=random`. */
  readonly router?: string | undefined;
  readonly dropless?: boolean | undefined;
  readonly sharedExperts?: number | undefined;
  readonly grouping?: string | undefined;
  readonly capacityFactor?: number | undefined;
}

/** One model folder. `src/models/<name>/index.ts` exports it as `family`. */
export interface ModelFamily {
  readonly name: string;
  readonly presets: readonly { readonly name: string; readonly summary: string }[];
  /** @throws ConfigError for values out of range */
  open(preset: string, overrides: Overrides): LanguageModel;
  /** The model of a saved run. @throws ConfigError when the config is not one of this family */
  restore(preset: string, model: unknown, training: unknown): LanguageModel;
}
