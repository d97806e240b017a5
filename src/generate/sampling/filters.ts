/**
 * @file Rules that leave some tokens out of the draw. Each is a record; the list is the order.
 *
 * The order is that of `transformers`: temperature, then top-k, top-p, min-p, typical. Each works on
 * what the one before left, with shares counted anew among those.
 */

import { largest } from "./largest.ts";
import type { SamplingOptions } from "./options.ts";

/** Tokens that may be drawn, with weights in proportion to their probabilities. */
export interface Candidates {
  /** Token ids; undefined means that token `i` stands at index `i`. */
  readonly ids: Int32Array | undefined;
  /** `exp((logit − largest logit) / temperature)`; 0 for logits that are −∞ or no numbers. */
  readonly weights: Float32Array;
}

/** One way to leave tokens out. */
export interface Filter {
  readonly name: string;
  applies(options: SamplingOptions): boolean;
  /** @returns indices into the candidates, at least one */
  keep(weights: Float32Array, options: SamplingOptions): Int32Array;
}

/** Candidates of all tokens at a temperature above 0. */
export function candidatesOf(logits: Float32Array, temperature: number): Candidates {
  let top = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > top) top = logit;
  const weights = new Float32Array(logits.length);
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] ?? Number.NaN;
    // The largest itself apart: ∞ − ∞ is no number.
    const weight = logit === top ? 1 : Math.exp((logit - top) / temperature);
    weights[i] = weight > 0 ? weight : 0;
  }
  return { ids: undefined, weights };
}

/** The candidates that a filter kept. */
export function narrow({ ids, weights }: Candidates, kept: Int32Array): Candidates {
  return {
    ids: ids === undefined ? kept : kept.map((i) => ids[i] ?? 0),
    weights: Float32Array.from(kept, (i) => weights[i] ?? 0),
  };
}

const topK: Filter = {
  name: "top-k",
  applies: (o) => o.topK > 0,
  keep: (weights, { topK: k }) => largest(weights, k),
};

/** Nucleus sampling: Holtzman et al., arXiv:1904.09751. */
const topP: Filter = {
  name: "top-p",
  applies: (o) => o.topP < 1,
  keep: (weights, { topP: share }) => reaching(weights, weights, share),
};

/** Nguyen et al., arXiv:2407.01082. The likeliest weight is 1 at first, and stays among those left. */
const minP: Filter = {
  name: "min-p",
  applies: (o) => o.minP > 0,
  keep(weights, { minP: share }) {
    let top = 0;
    for (const weight of weights) if (weight > top) top = weight;
    const kept: number[] = [];
    for (let i = 0; i < weights.length; i++) if ((weights[i] ?? 0) >= share * top) kept.push(i);
    return Int32Array.from(kept);
  },
};

/** Locally typical sampling: Meister et al., arXiv:2202.00666. Nearest to the entropy first. */
const typicalP: Filter = {
  name: "typical-p",
  applies: (o) => o.typicalP < 1,
  keep(weights, { typicalP: share }) {
    const total = sum(weights);
    let entropy = 0;
    for (const weight of weights)
      if (weight > 0) entropy -= (weight / total) * Math.log(weight / total);
    const nearness = weights.map((weight) =>
      weight > 0 ? -Math.abs(-Math.log(weight / total) - entropy) : Number.NEGATIVE_INFINITY,
    );
    return reaching(nearness, weights, share);
  },
};

export const FILTERS: readonly Filter[] = [topK, topP, minP, typicalP];

export function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/**
 * The fewest candidates, best scores first, whose weights reach a share of all weights.
 *
 * Mostly few are enough, so the best 64 are looked at before more are sorted.
 */
function reaching(scores: Float32Array, weights: Float32Array, share: number): Int32Array {
  const goal = share * sum(weights);
  for (let k = 64; ; k *= 8) {
    const order = largest(scores, k);
    let reached = 0;
    for (let count = 0; count < order.length; count++) {
      reached += weights[order[count] ?? 0] ?? 0;
      if (reached >= goal) return order.subarray(0, count + 1);
    }
    if (order.length === weights.length) return order;
  }
}
