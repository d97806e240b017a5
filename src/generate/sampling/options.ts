/** @file What a caller may say about how the next token is chosen, with ranges. */

import { ConfigError } from "../../core/errors.ts";

/** How tokens are chosen. Every rule has a value at which it does nothing; those are in {@link PLAIN}. */
export interface SamplingOptions {
  /** Divides the logits; 0 always takes the likeliest token. */
  readonly temperature: number;
  /** Only the k likeliest tokens; 0 for all. */
  readonly topK: number;
  /** Only the likeliest tokens that together reach this share; 1 for all. */
  readonly topP: number;
  /** Only tokens at least this share as likely as the likeliest; 0 for all. */
  readonly minP: number;
  /** Only tokens about as surprising as expected, that together reach this share; 1 for all. */
  readonly typicalP: number;
  /** Logits of tokens in prompt or answer are divided by this where positive, multiplied where negative; 1 for none. */
  readonly repetitionPenalty: number;
  /** Taken off the logit of every token that the answer holds already; 0 for none. */
  readonly presencePenalty: number;
  /** Taken off a token's logit as often as the answer holds it; 0 for none. */
  readonly frequencyPenalty: number;
  /** No n-gram of this length may come twice in prompt and answer; 0 for no such rule. */
  readonly noRepeatNgram: number;
  /** Added to logits, by token id. */
  readonly logitBias: ReadonlyMap<number, number>;
  /** Tokens that are never chosen. */
  readonly banned: readonly number[];
  /** The first tokens of the answer, in order. */
  readonly forced: readonly number[];
  /** Fixes all choices, together with the logits. */
  readonly seed: number;
}

/** Chooses by the model's own probabilities: no rule does anything. */
export const PLAIN: SamplingOptions = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  typicalP: 1,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  noRepeatNgram: 0,
  logitBias: new Map(),
  banned: [],
  forced: [],
  seed: 0,
};

interface Range {
  readonly fits: (value: number) => boolean;
  readonly rule: string;
}

const share: Range = { fits: (x) => x > 0 && x <= 1, rule: "choose a share above 0 and up to 1" };
const penalty: Range = { fits: (x) => x >= -2 && x <= 2, rule: "choose a number from -2 to 2" };

type NumberOption = {
  [K in keyof SamplingOptions]: SamplingOptions[K] extends number ? K : never;
}[keyof SamplingOptions];

const RANGES: Readonly<Record<NumberOption, Range>> = {
  temperature: {
    fits: (x) => x >= 0 && Number.isFinite(x),
    rule: "choose 0 (always the likeliest) or more",
  },
  topK: { fits: whole, rule: "choose a whole number, 0 for all tokens" },
  topP: share,
  minP: { fits: (x) => x >= 0 && x <= 1, rule: "choose a share from 0 to 1" },
  typicalP: share,
  repetitionPenalty: {
    fits: (x) => x > 0 && Number.isFinite(x),
    rule: "choose a number above 0; 1 does nothing, 1.1 is usual",
  },
  presencePenalty: penalty,
  frequencyPenalty: penalty,
  noRepeatNgram: { fits: whole, rule: "choose a whole number of tokens, 0 for no such rule" },
  seed: { fits: whole, rule: "choose a whole number from 0" },
};

function whole(x: number): boolean {
  return Number.isSafeInteger(x) && x >= 0;
}

/**
 * @param vocab - tokens that the model knows
 * @throws ConfigError for the first option that is out of range
 */
export function checkSampling(options: SamplingOptions, vocab: number): void {
  for (const [name, { fits, rule }] of Object.entries(RANGES)) {
    const value = options[name as NumberOption];
    if (!fits(value)) throw refusal(`${name} ${value} is out of range; ${rule}`);
  }
  for (const [id, bias] of options.logitBias) {
    checkToken("logitBias", id, vocab);
    if (!(bias >= -100 && bias <= 100))
      throw refusal(`logitBias ${bias} of token ${id} is out of range; choose from -100 to 100`);
  }
  for (const id of options.banned) checkToken("banned", id, vocab);
  for (const id of options.forced) checkToken("forced", id, vocab);
}

function checkToken(name: string, id: number, vocab: number): void {
  if (whole(id) && id < vocab) return;
  throw refusal(`${name} names token ${id}, but tokens are 0 to ${vocab - 1}`);
}

function refusal(text: string): ConfigError {
  return new ConfigError("CONFIG-01", `sample: ${text}`);
}
