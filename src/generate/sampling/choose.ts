/** @file The choice of one token: a pure function of logits, options, what came before, and a counter. */

import { drawBelow } from "../../data/permutation.ts";
import { Candidates, FILTERS, sum } from "./filters.ts";
import type { History } from "./history.ts";
import { LOGIT_RULES } from "./logit-rules.ts";
import type { SamplingOptions } from "./options.ts";

/** What is chosen next. */
export interface Sampler {
  /**
   * @param logits - `[vocab]`, left as they are
   * @param history - what came before; its answer's length is the counter of the random draw
   */
  choose(logits: Float32Array, history: History): number;
}

/**
 * A sampler that runs the rules which these options switch on, and no others.
 *
 * Order: logit rules, temperature, filters, draw. At temperature 0 the likeliest token after the logit
 * rules is taken, of equals the first.
 *
 * @see LOGIT_RULES and FILTERS for the order within
 */
export function createSampler(options: SamplingOptions): Sampler {
  const rules = LOGIT_RULES.filter((rule) => rule.applies(options));
  const filters = FILTERS.filter((filter) => filter.applies(options));
  return {
    choose(logits, history) {
      const own = rules.length === 0 ? logits : logits.slice();
      for (const rule of rules) rule.apply(own, options, history);
      if (options.temperature === 0) return likeliest(own);
      let candidates = new Candidates(own, options.temperature);
      for (const filter of filters) candidates = candidates.at(filter.keep(candidates, options));
      return draw(candidates, uniform(options.seed, history.answer.length));
    },
  };
}

/** The first of the largest; 0 where nothing is larger than −∞. */
export function likeliest(logits: Float32Array): number {
  let best = 0;
  let top = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] ?? Number.NaN;
    if (!(logit > top)) continue;
    top = logit;
    best = i;
  }
  return best;
}

/** A number in `[0, 1)` that depends on nothing but a request's seed and the place in its answer. */
export function uniform(seed: number, place: number): number {
  return drawBelow(2 ** 53, seed, place) / 2 ** 53;
}

function draw(candidates: Candidates, at: number): number {
  const { weights } = candidates;
  let left = at * sum(weights);
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] ?? 0;
    if (weight === 0) continue;
    last = i;
    left -= weight;
    if (left < 0) break;
  }
  return candidates.id(last);
}
