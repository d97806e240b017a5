/** @file What the model itself thought of a token, before any sampling rule. */

import { largest } from "./largest.ts";

/** A token with the natural logarithm of its probability. */
export interface TokenLogProbability {
  readonly id: number;
  readonly logProbability: number;
}

/** A chosen token, and the likeliest ones at its place. */
export interface TokenReport extends TokenLogProbability {
  readonly top: readonly TokenLogProbability[];
}

/**
 * @param logits - `[vocab]`, as the model gave them
 * @param id - the token that was chosen
 * @param count - likeliest tokens to name beside it
 */
export function tokenReport(logits: Float32Array, id: number, count: number): TokenReport {
  const offset = logSumExp(logits);
  const report = (token: number): TokenLogProbability => ({
    id: token,
    logProbability: (logits[token] ?? Number.NEGATIVE_INFINITY) - offset,
  });
  return { ...report(id), top: Array.from(largest(logits, count), report) };
}

/** `log Σ exp(logit)`, without overflow. */
export function logSumExp(logits: Float32Array): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > top) top = logit;
  if (top === Number.NEGATIVE_INFINITY) return top;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - top);
  return top + Math.log(total);
}
