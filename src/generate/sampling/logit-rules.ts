/**
 * @file Rules that change logits, before temperature. Each is a record; the list is the order.
 *
 * The order is that of `transformers`: bias, penalties, bans, forced tokens. A rule writes into the
 * array it is given.
 */

import type { History } from "./history.ts";
import type { SamplingOptions } from "./options.ts";

/** One way to make tokens more or less likely. */
export interface LogitRule {
  readonly name: string;
  /** Whether the rule does anything under these options. */
  applies(options: SamplingOptions): boolean;
  /** @param logits - `[vocab]`, changed in place */
  apply(logits: Float32Array, options: SamplingOptions, history: History): void;
}

const logitBias: LogitRule = {
  name: "logit bias",
  applies: (o) => o.logitBias.size > 0,
  apply(logits, { logitBias }) {
    for (const [id, bias] of logitBias) add(logits, id, bias);
  },
};

/** Keskar et al., arXiv:1909.05858, in the form that also works for negative logits. */
const repetition: LogitRule = {
  name: "repetition penalty",
  applies: (o) => o.repetitionPenalty !== 1,
  apply(logits, { repetitionPenalty }, { seen }) {
    for (const id of seen) {
      const logit = logits[id];
      if (logit === undefined) continue;
      logits[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    }
  },
};

/** `logit − presence · [count > 0] − frequency · count`, of tokens of the answer. */
const presenceAndFrequency: LogitRule = {
  name: "presence and frequency penalty",
  applies: (o) => o.presencePenalty !== 0 || o.frequencyPenalty !== 0,
  apply(logits, { presencePenalty, frequencyPenalty }, { counts }) {
    for (const [id, count] of counts) add(logits, id, -presencePenalty - frequencyPenalty * count);
  },
};

/** Forbids every token that once followed the last n − 1 tokens. */
const noRepeatNgram: LogitRule = {
  name: "no repeated n-gram",
  applies: (o) => o.noRepeatNgram > 0,
  apply(logits, { noRepeatNgram: n }, history) {
    const tail = history.length - (n - 1);
    for (let start = 0; start + n <= history.length; start++) {
      let same = true;
      for (let i = 0; same && i < n - 1; i++) same = history.at(start + i) === history.at(tail + i);
      if (same) forbid(logits, history.at(start + n - 1));
    }
  },
};

const banned: LogitRule = {
  name: "banned tokens",
  applies: (o) => o.banned.length > 0,
  apply(logits, { banned: ids }) {
    for (const id of ids) forbid(logits, id);
  },
};

/** Comes last: a forced token is taken whatever the other rules say. */
const forced: LogitRule = {
  name: "forced tokens",
  applies: (o) => o.forced.length > 0,
  apply(logits, { forced: ids }, { answer }) {
    const id = ids[answer.length];
    if (id === undefined) return;
    logits.fill(Number.NEGATIVE_INFINITY);
    logits[id] = 0;
  },
};

export const LOGIT_RULES: readonly LogitRule[] = [
  logitBias,
  repetition,
  presenceAndFrequency,
  noRepeatNgram,
  banned,
  forced,
];

function add(logits: Float32Array, id: number, amount: number): void {
  const logit = logits[id];
  if (logit !== undefined) logits[id] = logit + amount;
}

function forbid(logits: Float32Array, id: number): void {
  if (id < logits.length) logits[id] = Number.NEGATIVE_INFINITY;
}
