/** @file What a model folder offers to the commands: presets, and a model that can be trained and sampled. */

import type { Tensor } from "../core/tensor.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import type { Key } from "../numpy/random.ts";
import type { StepMetrics, TrainState } from "./step.ts";

/** How a run trains; flags override a preset's values. */
export interface TrainingSettings {
  /** Sequences per step. */
  readonly batch: number;
  /** Tokens per sequence. */
  readonly length: number;
  readonly steps: number;
  readonly optimizer: string;
  readonly learningRate: number;
  readonly schedule: string;
  readonly warmup: number;
  readonly clip: number;
}

/** What a language model reports of a batch, beside its loss. */
export interface LanguageModelReport {
  /** Nats per token. */
  readonly crossEntropy: Tensor;
  readonly auxLoss: Tensor;
  /** Per sparse layer, `[expert]` tokens served over the mean. */
  readonly load: readonly Tensor[];
  /** Per sparse layer, share of tokens that no expert served. */
  readonly dropped: readonly Tensor[];
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

/** State of a decoder between tokens: a tree of tensors. */
export type DecoderState = object;

/** A language model with its recipe, ready to be traced. */
export interface LanguageModel {
  readonly preset: string;
  /** Everything that decides the model's form, saved with a run. */
  readonly model: Readonly<Record<string, unknown>>;
  readonly training: TrainingSettings;
  readonly tokenizer: Tokenizer;
  /** Fresh weights, traced. */
  initial(key: Key): TrainState;
  /** One training step, traced. */
  step(
    state: TrainState,
    tokens: Tensor,
    targets: Tensor,
  ): readonly [TrainState, StepMetrics<LanguageModelReport>];
  /** Nats per token by the rule that sampling uses, traced. */
  evaluate(state: Pick<TrainState, "params" | "extra">, tokens: Tensor, targets: Tensor): Tensor;
  /** An empty cache for `length` places, traced. */
  startDecoding(batch: number, length: number): DecoderState;
  /** Logits `[batch, vocab]` after one more token `[batch, pos 1]` at place `at`, traced. */
  decode(
    state: Pick<TrainState, "params" | "extra">,
    cache: DecoderState,
    ids: Tensor,
    at: Tensor,
  ): readonly [logits: Tensor, cache: DecoderState];
  facts(): ModelFacts;
}

/** Settings that a user may change from the outside. */
export interface Overrides {
  readonly layers?: number | undefined;
  readonly batch?: number | undefined;
  readonly length?: number | undefined;
  readonly steps?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly router?: string | undefined;
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
