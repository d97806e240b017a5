/** @file N-gram language models: what a neural one must beat. */

import { ConfigError } from "../../core/errors.ts";
import { countNGrams, NGramContext, type NGramCounts } from "./n-gram-counts.ts";

/** How counts become probabilities. */
export type Smoothing = "kneser-ney" | "witten-bell" | "add-one";

export interface NGramModel {
  /** N-grams kept. */
  readonly size: number;
  /** Probability of `token` after the tokens that `context` has seen; above 0, and over all tokens it sums to 1. */
  probability(context: NGramContext, token: number): number;
  /** A context at the start of a sequence. */
  start(): NGramContext;
  /** Bits to write the sequences: −Σ log₂ p of every token, each sequence from its start. */
  bits(sequences: Iterable<ArrayLike<number>>): number;
}

export interface NGramOptions {
  /** Ids lie in `[0, vocab)`; 256 for bytes. */
  readonly vocab: number;
  /** The longest n-gram: a token is predicted from up to `order − 1` before it; 1 to 16. */
  readonly order: number;
  readonly smoothing: Smoothing;
}

/**
 * Trains on sequences of ids. With h a context, h′ the same without its first token, w a token:
 *
 * - `kneser-ney`, interpolated, one discount per order (Kneser and Ney 1995; Chen and Goodman 1999, §2.7):
 *   p(w|h) = max(c(hw) − D, 0)/c(h•) + D·N₁₊(h•)/c(h•) · p(w|h′), where c counts occurrences at the highest order and
 *   below it N₁₊(•hw), the different tokens seen before; D = n₁/(n₁ + 2n₂) of the n-grams of that order with c of 1 and
 *   2, or ½ where that is 0.
 * - `witten-bell`, interpolated (Witten and Bell 1991, method C):
 *   p(w|h) = (c(hw) + N₁₊(h•)·p(w|h′))/(c(h•) + N₁₊(h•)).
 * - `add-one`: p(w|h) = (c(hw) + 1)/(c(h•) + vocab), of the highest order alone.
 *
 * Below order 1 stands the uniform distribution 1/vocab, so nothing is impossible. Contexts never seen are passed over.
 * A sequence begins with order − 1 start marks, which are never predicted.
 */
export function trainNGrams(
  sequences: Iterable<ArrayLike<number>>,
  options: NGramOptions,
): NGramModel {
  const { vocab, order, smoothing } = options;
  if (!Number.isInteger(order) || order < 1 || order > 16) {
    throw new ConfigError("CONFIG-01", `n-grams: order is ${order}.`, [
      ["fix", "give a whole number from 1 to 16; 5 or 6 are common"],
    ]);
  }
  const counts = countNGrams(sequences, vocab, order);
  const rule = { "kneser-ney": kneserNey, "witten-bell": wittenBell, "add-one": addOne }[smoothing];
  const probability = rule(counts);
  return {
    size: counts.size - 1,
    probability: ({ nodes }, token) => probability(nodes, token),
    start: () => new NGramContext(counts),
    bits(held) {
      let bits = 0;
      for (const sequence of held) {
        const context = new NGramContext(counts);
        for (let at = 0; at < sequence.length; at++) {
          const token = sequence[at] ?? 0;
          bits -= Math.log2(probability(context.nodes, token));
          context.push(token);
        }
      }
      return bits;
    },
  };
}

type Probability = (contexts: readonly number[], token: number) => number;

function kneserNey(counts: NGramCounts): Probability {
  const { order, vocab } = counts;
  const discounts = Array.from({ length: order + 1 }, (_, length) => {
    if (length === 0) return 0;
    const [ones, twos] = counts.onesAndTwos(length);
    return ones === 0 ? 0.5 : ones / (ones + 2 * twos);
  });
  return (contexts, token) => {
    let p = 1 / vocab;
    for (let length = 1; length <= order; length++) {
      const context = contexts[length - 1] ?? -1;
      if (context < 0) break;
      const highest = length === order;
      const sum = highest ? counts.countSum(context) : counts.continuationSum(context);
      if (sum === 0) continue;
      const node = counts.child(context, token);
      const seen = node < 0 ? 0 : highest ? counts.count(node) : counts.continuations(node);
      const discount = discounts[length] ?? 0;
      const left = (discount * counts.followers(context)) / sum;
      p = Math.max(seen - discount, 0) / sum + left * p;
    }
    return p;
  };
}

function wittenBell(counts: NGramCounts): Probability {
  return (contexts, token) => {
    let p = 1 / counts.vocab;
    for (const context of contexts) {
      if (context < 0) break;
      const types = counts.followers(context);
      if (types === 0) continue;
      const node = counts.child(context, token);
      const seen = node < 0 ? 0 : counts.count(node);
      p = (seen + types * p) / (counts.countSum(context) + types);
    }
    return p;
  };
}

function addOne(counts: NGramCounts): Probability {
  return (contexts, token) => {
    const context = contexts.at(-1) ?? -1;
    const node = counts.child(context, token);
    const seen = node < 0 ? 0 : counts.count(node);
    const sum = context < 0 ? 0 : counts.countSum(context);
    return (seen + 1) / (sum + counts.vocab);
  };
}
