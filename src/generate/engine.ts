/**
 * @file Continuous batching: many requests share one model, each as a row of its batch.
 *
 * Between two steps of the batch rows are let go whose answer has ended, new ones join, and a limited
 * number of prompt tokens is read, so that a long prompt delays nobody by more than that. What a request
 * gets depends on its own prompt, options and seed only: prompts are read alone, in chunks that depend on
 * nothing but their length, and a row of the batch knows nothing of its neighbours.
 */

import { setImmediate } from "node:timers/promises";
import { ConfigError } from "../core/errors.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import type { Answer } from "./answer.ts";
import { Batch } from "./batch.ts";
import type { Decoder } from "./decoder.ts";
import { PrefixStore } from "./prefix-store.ts";
import { PromptReader } from "./prompt-reader.ts";
import type { GenerationRequest } from "./request.ts";
import { checkSampling } from "./sampling/options.ts";
import { Sequence } from "./sequence.ts";

export interface EngineOptions {
  /** Requests that are written at once. */
  readonly slots: number;
  /** Places of one text, prompt and answer together. */
  readonly context: number;
  /**
   * Fewest rows of the batch. A product with one row is computed by other code than one with several, with
   * other rounding; from 2 on a request gets the same text whatever stands beside it. 1 is faster alone.
   */
  readonly minRows: number;
  /** Memory for prompts that may come again, in bytes. */
  readonly prefixBytes: number;
}

export const ENGINE_DEFAULTS: EngineOptions = {
  slots: 16,
  context: 1024,
  minRows: 2,
  prefixBytes: 64 * 2 ** 20,
};

/** What an engine has done since it started. */
export interface EngineCounters {
  promptTokens: number;
  /** Of those, found in the store of prompts. */
  reusedTokens: number;
  answerTokens: number;
  /** Steps of the batch. */
  steps: number;
  finished: number;
  cancelled: number;
  failed: number;
}

/** Prompt tokens read between two steps of the batch. */
const PROMPT_TOKENS = 128;
/** Prompts that are read by turns. */
const READING = 4;

export class GenerationEngine {
  readonly context: number;
  readonly counters: EngineCounters = {
    promptTokens: 0,
    reusedTokens: 0,
    answerTokens: 0,
    steps: 0,
    finished: 0,
    cancelled: 0,
    failed: 0,
  };
  readonly #decoder: Decoder;
  readonly #tokenizer: Tokenizer;
  readonly #vocab: number;
  readonly #slots: number;
  readonly #batch: Batch;
  readonly #reader: PromptReader;
  #waiting: Sequence[] = [];
  #reading: Sequence[] = [];
  #loop: Promise<void> | undefined;

  constructor(decoder: Decoder, tokenizer: Tokenizer, options: Partial<EngineOptions> = {}) {
    const { slots, context, minRows, prefixBytes } = { ...ENGINE_DEFAULTS, ...options };
    this.context = context;
    this.#decoder = decoder;
    this.#tokenizer = tokenizer;
    this.#vocab = Math.min(decoder.vocab, tokenizer.vocab);
    this.#slots = slots;
    this.#batch = new Batch(decoder, slots, minRows);
    this.#reader = new PromptReader(decoder, new PrefixStore(prefixBytes));
  }

  /** Requests whose tokens are being read or written. */
  get running(): number {
    return this.#reading.length + this.#batch.size;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Puts a request at the end of the queue.
   *
   * @throws ConfigError for options out of range, and for a prompt that leaves no place for an answer
   */
  submit(request: GenerationRequest): Answer {
    this.#check(request);
    const sequence = new Sequence(request, this.#tokenizer);
    this.#waiting.push(sequence);
    this.#loop ??= this.#run().finally(() => {
      this.#loop = undefined;
    });
    return sequence.answer;
  }

  /** Resolves once nothing is left to do. */
  async idle(): Promise<void> {
    while (this.#loop !== undefined) await this.#loop;
  }

  /** Ends every request, also those that wait, with an error. */
  fail(error: unknown): void {
    for (const sequence of [...this.#waiting, ...this.#reading, ...this.#batch.sequences]) {
      this.#failOne(sequence, error);
      sequence.answer.cancel();
    }
  }

  /**
   * Compiles what requests of any length will need, so that the first ones need not wait.
   *
   * @param onProgress - told after every program; false stops
   */
  async warm(onProgress: (done: number, of: number) => boolean = () => true): Promise<void> {
    const forms = [...this.#reader.forms(this.context), ...this.#batch.forms(this.context)];
    for (const [done, form] of forms.entries()) {
      await this.#decoder.compile(form);
      if (!onProgress(done + 1, forms.length)) return;
    }
  }

  async #run(): Promise<void> {
    for (;;) {
      this.#dropCancelled();
      this.#admit();
      if (this.running === 0) return;
      await this.#readPrompts();
      await this.#step();
      // Lets requests, and readers that went away, be heard also where a step is done at once.
      await setImmediate();
    }
  }

  #dropCancelled(): void {
    const live = (sequence: Sequence): boolean => {
      if (!sequence.answer.cancelled) return true;
      this.#reader.release(sequence);
      this.counters.cancelled++;
      return false;
    };
    this.#waiting = this.#waiting.filter(live);
    this.#reading = this.#reading.filter(live);
    for (const sequence of this.#batch.sequences) if (!live(sequence)) this.#batch.remove(sequence);
  }

  #admit(): void {
    while (this.running < this.#slots && this.#reading.length < READING) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#reading.push(next);
    }
  }

  /** Reads prompts by turns, a chunk each. */
  async #readPrompts(): Promise<void> {
    let left = PROMPT_TOKENS;
    while (left > 0) {
      const sequence = this.#reader.next(this.#reading);
      if (sequence === undefined) return;
      this.#reading = this.#reading.filter((other) => other !== sequence);
      try {
        const { logits, read, reused } = await this.#reader.read(sequence);
        left -= read;
        this.counters.promptTokens += read + reused;
        this.counters.reusedTokens += reused;
        if (logits === undefined) this.#reading.push(sequence);
        else await this.#begin(sequence, logits);
      } catch (error) {
        this.#reader.release(sequence);
        this.#failOne(sequence, error);
      }
      this.#admit();
    }
  }

  /** The first token comes from the prompt's last logits; for more the row joins the batch. */
  async #begin(sequence: Sequence, logits: Float32Array): Promise<void> {
    const ended = this.#advance(sequence, logits);
    if (!ended) await this.#batch.add(sequence);
    this.#reader.release(sequence);
  }

  async #step(): Promise<void> {
    if (this.#batch.size === 0) return;
    try {
      this.counters.steps++;
      for (const [sequence, logits] of await this.#batch.step())
        if (this.#advance(sequence, logits)) this.#batch.remove(sequence);
    } catch (error) {
      for (const sequence of this.#batch.sequences) this.#failOne(sequence, error);
      this.#batch.clear();
    }
  }

  #advance(sequence: Sequence, logits: Float32Array): boolean {
    const ended = sequence.advance(logits);
    this.counters.answerTokens++;
    if (ended) this.counters.finished++;
    return ended;
  }

  #failOne(sequence: Sequence, error: unknown): void {
    sequence.answer.fail(error);
    this.counters.failed++;
  }

  #check({ prompt, maxTokens, sampling, stopTokens, stop }: GenerationRequest): void {
    checkSampling(sampling, this.#vocab);
    const wrong = (text: string) => new ConfigError("CONFIG-01", `generate: ${text}`);
    if (prompt.length === 0) throw wrong("the prompt has no token; give at least one");
    const bad = prompt.find((id) => !(id >= 0 && id < this.#vocab));
    if (bad !== undefined)
      throw wrong(`the prompt holds token ${bad}, but tokens are 0 to ${this.#vocab - 1}`);
    if (!Number.isInteger(maxTokens) || maxTokens < 1)
      throw wrong(`maxTokens ${maxTokens} is out of range; choose a whole number from 1`);
    if (stop.includes("")) throw wrong("a stop string is empty, so nothing could be written");
    if (stopTokens.some((id) => !Number.isInteger(id)))
      throw wrong("a stop token is no whole number");
    if (prompt.length + maxTokens > this.context) {
      throw new ConfigError(
        "CONFIG-01",
        `generate: a prompt of ${prompt.length} tokens and an answer of ${maxTokens} do not fit into the context of ${this.context}.`,
        [["fix", "shorten the prompt, ask for fewer tokens, or choose a larger context"]],
      );
    }
  }
}
