/** @file From the body of a request to what the engine is asked. */

import { randomInt } from "node:crypto";
import { hash32 } from "../data/permutation.ts";
import { stopTokensOf } from "../generate/generator.ts";
import type { GenerationRequest } from "../generate/request.ts";
import { PLAIN, type SamplingOptions } from "../generate/sampling/options.ts";
import { ApiError, badRequest } from "./api-error.ts";
import type { CommonBody } from "./request-schema.ts";
import type { ServedModel, ServeLimits } from "./served-model.ts";

/** A null stands for what was not said. */
function given<T>(value: T | null | undefined, otherwise: T): T {
  return value ?? otherwise;
}

/** Sampling as the body says; without a seed, one drawn now. */
export function samplingOf(body: CommonBody): SamplingOptions {
  return {
    temperature: given(body.temperature, PLAIN.temperature),
    // −1 is another word for "all".
    topK: Math.max(0, given(body.top_k, PLAIN.topK)),
    topP: given(body.top_p, PLAIN.topP),
    minP: given(body.min_p, PLAIN.minP),
    typicalP: given(body.typical_p, PLAIN.typicalP),
    repetitionPenalty: given(body.repetition_penalty, PLAIN.repetitionPenalty),
    presencePenalty: given(body.presence_penalty, PLAIN.presencePenalty),
    frequencyPenalty: given(body.frequency_penalty, PLAIN.frequencyPenalty),
    noRepeatNgram: given(body.no_repeat_ngram_size, PLAIN.noRepeatNgram),
    logitBias: new Map(
      Object.entries(body.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias]),
    ),
    banned: given(body.bad_token_ids, []),
    forced: [],
    seed: Math.abs(given(body.seed, randomInt(2 ** 47))),
  };
}

/** The seed of a choice among several; the first has the request's own. */
export function seedOf(seed: number, choice: number): number {
  return choice === 0 ? seed : hash32(seed, choice);
}

export function stopsOf(body: CommonBody): readonly string[] {
  const stop = body.stop ?? [];
  return typeof stop === "string" ? [stop] : stop;
}

export function stopTokens(body: CommonBody, { tokenizer }: ServedModel): readonly number[] {
  const own = body.ignore_eos === true ? [] : stopTokensOf(tokenizer);
  return [...own, ...(body.stop_token_ids ?? [])];
}

/** What a prompt asks for, before it is known whether it fits. */
export interface Wish {
  readonly ids: Int32Array;
  /** Undefined: as many as fit. */
  readonly maxTokens: number | undefined;
  /** Names for errors. */
  readonly promptParam: "prompt" | "messages";
  readonly maxTokensParam: string;
  readonly truncate: number | null | undefined;
}

/** The prompt and the number of tokens for a wish. @throws ApiError 400 when they do not fit the context */
export function fitToContext(
  wish: Wish,
  { engine: { context } }: Pick<ServedModel, "engine">,
  limits: Pick<ServeLimits, "maxTokens">,
): Pick<GenerationRequest, "prompt" | "maxTokens"> {
  const { maxTokens: asked, truncate } = wish;
  if (asked !== undefined && asked > limits.maxTokens) {
    throw badRequest(
      wish.maxTokensParam,
      `"${wish.maxTokensParam}": ${asked} is more than the ${limits.maxTokens} tokens that this server allows`,
    );
  }
  // The last ones are kept: they are what is gone on from.
  const prompt = wish.ids.slice(-given(truncate, wish.ids.length));
  const room = context - prompt.length;
  const maxTokens = asked ?? Math.min(limits.maxTokens, room);
  if (maxTokens > room || room < 1) {
    const answer = asked === undefined ? "" : ` and ${asked} of an answer`;
    throw new ApiError(
      400,
      "invalid_request_error",
      `this model's context is ${context} tokens, but ${prompt.length} of the prompt${answer} were asked for; shorten the prompt, ask for fewer tokens, or set truncate_prompt_tokens`,
      { code: "context_length_exceeded", param: wish.promptParam },
    );
  }
  return { prompt, maxTokens };
}
