/** @file Sampling: one token after another, with the cache of what came before. */

import { ConfigError } from "../core/errors.ts";
import { fromData, type Tensor } from "../core/tensor.ts";
import { hash32 } from "../data/permutation.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { type JitOptions, jit } from "../engines/jit.ts";
import type { DecoderState, LanguageModel, Weights } from "./model.ts";

export interface SamplingOptions {
  /** Tokens to add to the prompt. */
  readonly tokens: number;
  /** Divides the logits; 0 always takes the likeliest token. */
  readonly temperature: number;
  /** Only the k likeliest tokens; 0 for all. */
  readonly topK: number;
  /** Only the likeliest tokens that together reach this share; 1 for all. */
  readonly topP: number;
  readonly seed: number;
}

/** Cache lengths are multiples of this, so that few programs are compiled. */
const BUCKET = 128;

/** A compiled decoder of one model; keeps its programs between calls. */
export interface Generator {
  /**
   * Text that goes on from the prompt, piece by piece as characters are completed.
   *
   * @throws ConfigError for sampling options out of range
   */
  stream(
    weights: Weights,
    prompt: string,
    options: SamplingOptions,
    signal?: AbortSignal,
  ): AsyncGenerator<string>;
}

export function createGenerator(
  model: LanguageModel,
  tokenizer: Tokenizer,
  engine: Pick<JitOptions, "engine" | "threads"> = {},
): Generator {
  const begin = new Map<number, () => Promise<DecoderState>>();
  const decode = jit(
    (cache: DecoderState, weights: Weights, ids: Tensor, at: Tensor) =>
      model.decode(weights, cache, ids, at),
    { ...engine, name: "decode", donate: [0] },
  );
  return {
    async *stream(weights, prompt, options, signal) {
      checkSampling(options);
      // A text has to start somewhere: an empty prompt starts at a new line.
      const ids = [...tokenizer.encode(prompt === "" ? "\n" : prompt)];
      const places = Math.ceil((ids.length + options.tokens) / BUCKET) * BUCKET;
      const start =
        begin.get(places) ??
        jit(() => model.startDecoding(1, places), { ...engine, name: "startDecoding" });
      begin.set(places, start);
      let cache = await start();
      const text = tokenizer.stream();
      const given = ids.length;
      for (let at = 0; at < given + options.tokens - 1 && signal?.aborted !== true; at++) {
        const ids32 = fromData("int32", [1, 1], Int32Array.of(ids[at] ?? 0), "batch pos");
        const [logits, next] = await decode(
          cache,
          weights,
          ids32,
          fromData("int32", [1], Int32Array.of(at), "batch"),
        );
        cache = next;
        if (at < given - 1) continue;
        const chosen = choose(logits.data() as Float32Array, options, at);
        ids.push(chosen);
        const piece = text.push(chosen);
        if (piece !== "") yield piece;
      }
      yield text.end();
    },
  };
}

/** Chooses a token id; a pure function of logits, options and place. */
export function choose(
  logits: Float32Array,
  { temperature, topK, topP, seed }: SamplingOptions,
  place: number,
): number {
  const order = Array.from(logits.keys()).sort(
    (a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b,
  );
  const best = order[0] ?? 0;
  if (temperature === 0) return best;
  const kept = topK > 0 ? order.slice(0, topK) : order;
  const top = logits[best] ?? 0;
  const weights = kept.map((id) => Math.exp(((logits[id] ?? 0) - top) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  let count = 0;
  let reached = 0;
  while (count < kept.length && reached < topP * total) reached += weights[count++] ?? 0;
  let left = (hash32(seed, place) / 2 ** 32) * reached;
  for (let i = 0; i < count; i++) {
    left -= weights[i] ?? 0;
    if (left < 0) return kept[i] ?? best;
  }
  return best;
}

/** @throws ConfigError for the first option that is out of range */
export function checkSampling({ tokens, temperature, topK, topP }: SamplingOptions): void {
  const bad = (name: string, value: number, rule: string) =>
    new ConfigError("CONFIG-01", `sample: ${name} ${value} is out of range; ${rule}`);
  if (!Number.isInteger(tokens) || tokens < 1)
    throw bad("tokens", tokens, "choose a whole number from 1");
  if (!(temperature >= 0))
    throw bad("temperature", temperature, "choose 0 (always the likeliest) or more");
  if (!Number.isInteger(topK) || topK < 0)
    throw bad("topK", topK, "choose a whole number, 0 for all tokens");
  if (!(topP > 0 && topP <= 1)) throw bad("topP", topP, "choose a share above 0 and up to 1");
}
