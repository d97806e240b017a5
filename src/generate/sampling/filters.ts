/**
 * @file Rules that leave some tokens out of the draw. Each is a record; the list is the order.
 *
 * The order is that of `transformers`: temperature, then top-k, top-p, min-p, typical. Each works on
 * what the one before left, with shares counted anew among those.
 */

import { largest, reaching } from "./largest.ts";
import type { SamplingOptions } from "./options.ts";

/** Tokens that may be drawn. */
export class Candidates {
  /** Token ids; undefined means that token `i` stands at index `i`. */
  readonly #ids: Int32Array | undefined;
  readonly logits: Float32Array;
  readonly temperature: number;
  #weights: Float32Array | undefined;

  /** @param temperature - above 0 */
  constructor(logits: Float32Array, temperature: number, ids?: Int32Array) {
    this.logits = logits;
    this.temperature = temperature;
    this.#ids = ids;
  }

  /** In proportion to the probabilities: `exp((logit − largest logit) / temperature)`; 0 for NaN. */
  get weights(): Float32Array {
    this.#weights ??= weightsOf(this.logits, this.temperature);
    return this.#weights;
  }

  id(index: number): number {
    return this.#ids === undefined ? index : (this.#ids[index] ?? 0);
  }

  /** Those at some indices, in that order. */
  at(indices: Int32Array): Candidates {
    const logits = new Float32Array(indices.length);
    for (let i = 0; i < indices.length; i++) logits[i] = this.logits[indices[i] ?? 0] ?? 0;
    return new Candidates(
      logits,
      this.temperature,
      this.#ids === undefined ? indices : indices.map((i) => this.id(i)),
    );
  }
}

function weightsOf(logits: Float32Array, temperature: number): Float32Array {
  const top = largestOf(logits);
  const weights = new Float32Array(logits.length);
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] ?? Number.NaN;
    // The largest itself apart: ∞ − ∞ is no number.
    const weight = logit === top ? 1 : Math.exp((logit - top) / temperature);
    if (weight > 0) weights[i] = weight;
  }
  return weights;
}

/** One way to leave tokens out. */
export interface Filter {
  readonly name: string;
  applies(options: SamplingOptions): boolean;
  /** @returns indices into the candidates, at least one */
  keep(candidates: Candidates, options: SamplingOptions): Int32Array;
}

const topK: Filter = {
  name: "top-k",
  applies: (o) => o.topK > 0,
  keep: ({ logits }, { topK: k }) => largest(logits, k),
};

/** Nucleus sampling: Holtzman et al., arXiv:1904.09751. */
const topP: Filter = {
  name: "top-p",
  applies: (o) => o.topP < 1,
  keep: ({ logits, weights }, { topP: share }) => reaching(logits, weights, share * sum(weights)),
};

/** Nguyen et al., arXiv:2407.01082. */
const minP: Filter = {
  name: "min-p",
  applies: (o) => o.minP > 0,
  keep({ logits, temperature }, { minP: share }) {
    const bar = largestOf(logits) + temperature * Math.log(share);
    const kept: number[] = [];
    for (let i = 0; i < logits.length; i++) if ((logits[i] ?? 0) >= bar) kept.push(i);
    return Int32Array.from(kept);
  },
};

/** Locally typical sampling: Meister et al., arXiv:2202.00666. Nearest to the entropy first. */
const typicalP: Filter = {
  name: "typical-p",
  applies: (o) => o.typicalP < 1,
  keep({ weights }, { typicalP: share }) {
    const total = sum(weights);
    let entropy = 0;
    for (const weight of weights)
      if (weight > 0) entropy -= (weight / total) * Math.log(weight / total);
    const nearness = weights.map((weight) =>
      weight > 0 ? -Math.abs(-Math.log(weight / total) - entropy) : Number.NEGATIVE_INFINITY,
    );
    return reaching(nearness, weights, share * total);
  },
};

export const FILTERS: readonly Filter[] = [topK, topP, minP, typicalP];

export function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function largestOf(values: Float32Array): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const value of values) if (value > top) top = value;
  return top;
}
