/** @file Beam search: the likeliest answer that a limited search finds, where nothing needs to be streamed. */

import { ConfigError } from "../core/errors.ts";
import { type Cache, copyRow } from "./cache.ts";
import { placesFor } from "./cache-pool.ts";
import type { Decoder } from "./decoder.ts";
import { PrefixStore } from "./prefix-store.ts";
import { PromptReader, type Reading } from "./prompt-reader.ts";
import { History } from "./sampling/history.ts";
import { largest } from "./sampling/largest.ts";
import { logSumExp } from "./sampling/log-probabilities.ts";
import { LOGIT_RULES } from "./sampling/logit-rules.ts";
import { PLAIN, type SamplingOptions } from "./sampling/options.ts";

export interface BeamOptions {
  /** Answers that are followed at once. */
  readonly beams: number;
  readonly maxTokens: number;
  /** The score is `log p / length^penalty`: 0 likes short answers, 1 the mean of tokens, more long ones. */
  readonly lengthPenalty: number;
  readonly stopTokens: readonly number[];
  /** Its logit rules hold here as well; temperature, filters and seed do not. */
  readonly sampling?: SamplingOptions;
  readonly signal?: AbortSignal;
}

export interface BeamAnswer {
  /** Without the stop token. */
  readonly tokens: readonly number[];
  /** Sum over tokens, the stop token included. */
  readonly logProbability: number;
  readonly score: number;
  readonly finished: boolean;
}

interface Beam {
  readonly history: History;
  readonly logProbability: number;
}

interface Step {
  readonly parent: number;
  readonly token: number;
  readonly logProbability: number;
}

/**
 * The best answers found, best first, at most as many as beams.
 *
 * At every step each beam is continued by its likeliest tokens, and the best of all continuations are
 * kept. An answer that ends is set aside; the search is over when none that goes on can become better
 * than the worst set aside.
 *
 * @throws ConfigError for options out of range
 */
export async function beamSearch(
  decoder: Decoder,
  prompt: Int32Array,
  options: BeamOptions,
): Promise<readonly BeamAnswer[]> {
  const { beams: width, maxTokens, signal } = options;
  check(prompt, options);
  const reader = new PromptReader(decoder, new PrefixStore(0));
  const reading: Reading = {
    request: { prompt, promptLogProbabilities: false },
    cache: undefined,
    read: 0,
    readPrompt: () => {},
  };
  let logits: Float32Array | undefined;
  while (logits === undefined) logits = (await reader.read(reading)).logits;

  // One row is computed by other code than several: see `minRows` of the engine.
  const rows = new BeamRows(decoder, Math.max(2, width), placesFor(prompt.length + maxTokens));
  let beams: Beam[] = [{ history: new History(prompt), logProbability: 0 }];
  if (reading.cache !== undefined)
    await rows.fill([{ cache: reading.cache, row: 0 }], prompt.length);
  reader.release(reading);

  const done: BeamAnswer[] = [];
  let rowsOfLogits = [logits];
  for (let length = 1; length <= maxTokens && signal?.aborted !== true; length++) {
    const steps = continuations(beams, rowsOfLogits, options);
    const next: Step[] = [];
    for (const step of steps) {
      if (next.length === width) break;
      if (options.stopTokens.includes(step.token)) {
        const tokens = beams[step.parent]?.history.answer ?? [];
        keep(done, answerOf(tokens, step.logProbability, length, true, options), width);
      } else next.push(step);
    }
    if (next.length === 0 || finished(done, next, length, options)) break;
    const parents = next.map(({ parent }) => parent);
    beams = next.map(({ parent, token, logProbability }) => ({
      history: new History(prompt, [...(beams[parent]?.history.answer ?? []), token]),
      logProbability,
    }));
    if (length === maxTokens) break;
    await rows.reorder(parents, prompt.length + length - 1);
    rowsOfLogits = await rows.step(
      next.map(({ token }) => token),
      prompt.length + length - 1,
    );
  }
  rows.release();
  for (const { history, logProbability } of beams) {
    const { answer } = history;
    if (answer.length > 0)
      keep(done, answerOf(answer, logProbability, answer.length, false, options), width);
  }
  return done;
}

/** The best continuations of all beams, best first; twice as many as beams, since some may end. */
function continuations(
  beams: readonly Beam[],
  rows: readonly Float32Array[],
  { beams: width, sampling = PLAIN }: BeamOptions,
): Step[] {
  const rules = LOGIT_RULES.filter((rule) => rule.applies(sampling));
  const steps = beams.flatMap(({ history, logProbability }, parent) => {
    const logits = (rows[parent] ?? new Float32Array(0)).slice();
    for (const rule of rules) rule.apply(logits, sampling, history);
    const offset = logSumExp(logits);
    return Array.from(largest(logits, 2 * width), (token) => ({
      parent,
      token,
      logProbability: logProbability + (logits[token] ?? 0) - offset,
    }));
  });
  return steps
    .filter(({ logProbability }) => logProbability > Number.NEGATIVE_INFINITY)
    .sort((a, b) => b.logProbability - a.logProbability)
    .slice(0, 2 * width);
}

function answerOf(
  tokens: readonly number[],
  logProbability: number,
  length: number,
  finished: boolean,
  { lengthPenalty }: BeamOptions,
): BeamAnswer {
  return { tokens, logProbability, score: logProbability / length ** lengthPenalty, finished };
}

/** Keeps the best few, in order. */
function keep(done: BeamAnswer[], answer: BeamAnswer, width: number): void {
  done.push(answer);
  done.sort((a, b) => b.score - a.score);
  done.splice(width);
}

/** Whether the best that goes on cannot become better than the worst set aside. */
function finished(
  done: readonly BeamAnswer[],
  next: readonly Step[],
  length: number,
  { beams, maxTokens, lengthPenalty }: BeamOptions,
): boolean {
  const worst = done[beams - 1];
  if (worst === undefined) return false;
  const best = next[0]?.logProbability ?? Number.NEGATIVE_INFINITY;
  // Log-probabilities only fall; a penalty above 0 forgives most at the greatest length.
  return best / (lengthPenalty > 0 ? maxTokens : length) ** lengthPenalty <= worst.score;
}

/** The cache of all beams; a second one takes the rows in their new order. */
class BeamRows {
  readonly #decoder: Decoder;
  readonly #rows: number;
  readonly #places: number;
  #cache: Cache | undefined;

  constructor(decoder: Decoder, rows: number, places: number) {
    this.#decoder = decoder;
    this.#rows = rows;
    this.#places = places;
  }

  /** Fills rows from others, up to a place. */
  async fill(
    from: readonly { readonly cache: Cache; readonly row: number }[],
    places: number,
  ): Promise<void> {
    const { pool, layout } = this.#decoder;
    const cache = await pool.take(this.#rows, this.#places);
    for (const [row, source] of from.entries()) copyRow(layout, source, { cache, row }, places);
    this.release();
    this.#cache = cache;
  }

  async reorder(parents: readonly number[], places: number): Promise<void> {
    const cache = this.#cache;
    if (cache === undefined || parents.every((parent, row) => parent === row)) return;
    await this.fill(
      parents.map((row) => ({ cache, row })),
      places,
    );
  }

  /** Logits after one token of every row. */
  async step(tokens: readonly number[], place: number): Promise<Float32Array[]> {
    if (this.#cache === undefined) throw new Error("rows are filled first");
    const ids = new Int32Array(this.#rows);
    ids.set(tokens);
    const at = new Int32Array(this.#rows).fill(place);
    const { logits, cache } = await this.#decoder.forward(this.#cache, ids, at);
    this.#cache = cache;
    const { vocab } = this.#decoder;
    return tokens.map((_, row) => logits.subarray(row * vocab, (row + 1) * vocab));
  }

  release(): void {
    if (this.#cache !== undefined) this.#decoder.pool.give(this.#cache);
    this.#cache = undefined;
  }
}

function check(prompt: Int32Array, { beams, maxTokens, lengthPenalty }: BeamOptions): void {
  const wrong = (text: string) => new ConfigError("CONFIG-01", `beam search: ${text}`);
  if (prompt.length === 0) throw wrong("the prompt has no token; give at least one");
  if (!Number.isInteger(beams) || beams < 1)
    throw wrong(`beams ${beams} is out of range; choose a whole number from 1`);
  if (!Number.isInteger(maxTokens) || maxTokens < 1)
    throw wrong(`maxTokens ${maxTokens} is out of range; choose a whole number from 1`);
  if (!Number.isFinite(lengthPenalty))
    throw wrong(`lengthPenalty ${lengthPenalty} is out of range; choose a number`);
}
