/** @file One text at a time, as training asks for while its weights change. */

import { ConfigError } from "../core/errors.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import type { JitOptions } from "../engines/jit.ts";
import { decoderPrograms } from "./decoder.ts";
import { GenerationEngine } from "./engine.ts";
import type { DecodingModel, DecodingWeights } from "./model.ts";
import { PLAIN, type SamplingOptions } from "./sampling/options.ts";

/** What to add to a prompt, and how. Rules that are left out do nothing. */
export interface TextOptions extends Partial<SamplingOptions> {
  /** Tokens to add at most. */
  readonly tokens: number;
}

/** A compiled decoder of one model; keeps its programs between calls. */
export interface Generator {
  /**
   * Text that goes on from the prompt, piece by piece as characters are completed.
   *
   * @throws ConfigError for options out of range
   */
  stream(
    weights: DecodingWeights,
    prompt: string,
    options: TextOptions,
    signal?: AbortSignal,
  ): AsyncGenerator<string>;
}

export function createGenerator(
  model: DecodingModel,
  tokenizer: Tokenizer,
  engine: Pick<JitOptions, "engine" | "threads"> = {},
): Generator {
  const programs = decoderPrograms(model, engine);
  return {
    async *stream(weights, text, { tokens, ...rules }, signal) {
      if (!Number.isInteger(tokens) || tokens < 1) {
        throw new ConfigError(
          "CONFIG-01",
          `sample: tokens ${tokens} is out of range; choose a whole number from 1`,
        );
      }
      const prompt = promptIds(tokenizer, text);
      const alone = {
        slots: 1,
        minRows: 1,
        prefixBytes: 0,
        context: prompt.length + tokens,
      };
      const answer = new GenerationEngine(programs.with(weights), tokenizer, alone).submit({
        prompt,
        maxTokens: tokens,
        sampling: { ...PLAIN, ...rules },
        stop: [],
        stopTokens: stopTokensOf(tokenizer),
        logProbabilities: undefined,
        promptLogProbabilities: false,
      });
      const cancel = () => answer.cancel();
      if (signal?.aborted === true) return cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      try {
        for await (const piece of answer) yield piece.text;
      } finally {
        signal?.removeEventListener("abort", cancel);
      }
    },
  };
}

/**
 * Tokens to go on from, with those that the tokenizer puts before every text.
 *
 * A text has to start somewhere: an empty one starts where a document has ended, or at a new line.
 */
export function promptIds(tokenizer: Tokenizer, text: string): Int32Array {
  const ids = tokenizer.encode(text, { addSpecial: true });
  if (ids.length > 0) return ids;
  const { endOfText } = tokenizer;
  return endOfText === undefined ? tokenizer.encode("\n") : Int32Array.of(endOfText);
}

/** The token at which texts of this tokenizer end, where it has one. */
export function stopTokensOf(tokenizer: Tokenizer): readonly number[] {
  return tokenizer.endOfText === undefined ? [] : [tokenizer.endOfText];
}
