/** @file What is asked of the generation engine, and what it answers. */

import type { SamplingOptions } from "./sampling/options.ts";

export interface GenerationRequest {
  /** Token ids, at least one. */
  readonly prompt: Int32Array;
  /** Most tokens of the answer. */
  readonly maxTokens: number;
  readonly sampling: SamplingOptions;
  /** Texts at which the answer ends; they are no part of it. */
  readonly stop: readonly string[];
  /** Tokens at which the answer ends; they are no part of it. */
  readonly stopTokens: readonly number[];
  /** How many likeliest tokens to report beside each chosen one; undefined for no report at all. */
  readonly logProbabilities: number | undefined;
  /** Whether tokens of the prompt are reported as well. */
  readonly promptLogProbabilities: boolean;
}

/** A token with what the model thought of it, before any sampling rule. */
export interface TokenText {
  readonly id: number;
  readonly text: string;
  /** Natural logarithm of the probability; null for a prompt's first token, which nothing predicts. */
  readonly logProbability: number | null;
  readonly top: readonly { readonly text: string; readonly logProbability: number }[];
}

/** A piece of an answer. */
export interface Piece {
  /** Whole characters that no stop string can take back. */
  readonly text: string;
  /** Tokens whose text this piece ends; empty unless log-probabilities were asked for. */
  readonly tokens: readonly TokenText[];
}

/** `stop`: a stop string or token; `length`: as many tokens as allowed. */
export type FinishReason = "stop" | "length";

/** How an answer ended. */
export interface Finish {
  readonly reason: FinishReason;
  readonly promptTokens: number;
  /** Tokens that were computed, a stop token included. */
  readonly answerTokens: number;
  /** Sum over the answer's tokens; NaN unless log-probabilities were asked for. */
  readonly logProbability: number;
}
