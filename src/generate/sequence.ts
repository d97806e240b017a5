/** @file One request inside the engine: what it has been told, what it has said, how it ends. */

import type { Tokenizer } from "../data/tokenizer.ts";
import { Answer } from "./answer.ts";
import type { Cache } from "./cache.ts";
import type { Finish, FinishReason, GenerationRequest, TokenText } from "./request.ts";
import { createSampler, type Sampler } from "./sampling/choose.ts";
import { History } from "./sampling/history.ts";
import { type TokenReport, tokenReport } from "./sampling/log-probabilities.ts";
import { tokenText, Writer } from "./writer.ts";

export class Sequence {
  readonly request: GenerationRequest;
  readonly answer: Answer = new Answer();
  readonly history: History;
  /** Cache of its own while the prompt is being read. */
  cache: Cache | undefined;
  /** Tokens of the prompt that its cache holds. */
  read = 0;
  readonly #tokenizer: Tokenizer;
  readonly #sampler: Sampler;
  readonly #writer: Writer;
  readonly #promptTokens: TokenText[] = [];
  #logProbability: number;

  constructor(request: GenerationRequest, tokenizer: Tokenizer) {
    this.request = request;
    this.history = new History(request.prompt);
    this.#tokenizer = tokenizer;
    this.#sampler = createSampler(request.sampling);
    this.#writer = new Writer(tokenizer, request.stop);
    this.#logProbability = request.logProbabilities === undefined ? Number.NaN : 0;
  }

  /** The token that the next step reads. */
  get last(): number {
    return this.history.at(this.history.length - 1);
  }

  /** Where the next step writes it. */
  get place(): number {
    return this.history.length - 1;
  }

  /**
   * Notes what the model thought of tokens of the prompt.
   *
   * @param logits - `[pos, vocab]`, after the tokens from place `from` on
   */
  readPrompt(logits: Float32Array, vocab: number, from: number, count: number): void {
    const { prompt, promptLogProbabilities, logProbabilities = 0 } = this.request;
    if (!promptLogProbabilities) return;
    if (from === 0) {
      const first = { id: prompt[0] ?? 0, logProbability: null, top: [] };
      this.#promptTokens.push(tokenText(this.#tokenizer, first));
    }
    for (let i = 0; i < count; i++) {
      const id = prompt[from + i + 1];
      if (id === undefined) break;
      const row = logits.subarray(i * vocab, (i + 1) * vocab);
      this.#promptTokens.push(tokenText(this.#tokenizer, tokenReport(row, id, logProbabilities)));
    }
    this.answer.promptTokens = this.#promptTokens;
  }

  /**
   * Chooses the next token and writes what it completes.
   *
   * @param logits - `[vocab]`
   * @returns whether the answer has ended
   */
  advance(logits: Float32Array): boolean {
    const { request } = this;
    // Ids past the tokenizer's are places that a model was given to spare; nothing can be read there.
    const known = logits.subarray(0, this.#tokenizer.vocab);
    const id = this.#sampler.choose(known, this.history);
    const report = this.#report(known, id);
    this.history.add(id);
    if (request.stopTokens.includes(id)) return this.#end("stop");
    const { text, tokens, stopped } = this.#writer.push(id, report);
    this.answer.write({ text, tokens });
    if (stopped) return this.#finish("stop");
    return this.history.answer.length >= request.maxTokens && this.#end("length");
  }

  #report(logits: Float32Array, id: number): TokenReport | undefined {
    const { logProbabilities } = this.request;
    if (logProbabilities === undefined) return undefined;
    const report = tokenReport(logits, id, logProbabilities);
    this.#logProbability += report.logProbability;
    return report;
  }

  #end(reason: FinishReason): true {
    const { text, tokens, stopped } = this.#writer.end();
    this.answer.write({ text, tokens });
    return this.#finish(stopped ? "stop" : reason);
  }

  #finish(reason: FinishReason): true {
    const finish: Finish = {
      reason,
      promptTokens: this.request.prompt.length,
      answerTokens: this.history.answer.length,
      logProbability: this.#logProbability,
    };
    this.answer.end(finish);
    return true;
  }
}
