/** @file Reads prompts: each alone, in chunks, starting from what is known of its beginning. */

import { type Cache, copyRow } from "./cache.ts";
import { placesFor, placesUpTo } from "./cache-pool.ts";
import type { Decoder, DecoderForm } from "./decoder.ts";
import { type PrefixStore, same } from "./prefix-store.ts";
import type { GenerationRequest } from "./request.ts";

/** Most tokens read at once. */
const CHUNK = 64;
/** Fewest: a shorter rest is filled up with tokens whose places are written again before they are read. */
const SMALLEST = 8;

/** A prompt on its way into a cache. */
export interface Reading {
  readonly request: Pick<GenerationRequest, "prompt" | "promptLogProbabilities">;
  /** The reader's, until it is released. */
  cache: Cache | undefined;
  /** Tokens of the prompt that the cache holds. */
  read: number;
  /** Told of logits `[count, vocab]` after the tokens from place `from` on. */
  readPrompt(logits: Float32Array, vocab: number, from: number, count: number): void;
}

/** One turn of reading. */
export interface ReadResult {
  /** `[vocab]` after the last token; undefined while there is more to read. */
  readonly logits: Float32Array | undefined;
  /** Tokens that went through the model. */
  readonly read: number;
  /** Tokens taken from the store instead. */
  readonly reused: number;
}

export class PromptReader {
  readonly #decoder: Decoder;
  readonly #store: PrefixStore;
  /** State of a fixed size cannot take back a token, so chunks are filled up only without any. */
  readonly #fillsUp: boolean;
  readonly #fresh = new Map<number, Cache>();

  constructor(decoder: Decoder, store: PrefixStore) {
    this.#decoder = decoder;
    this.#store = store;
    this.#fillsUp = !decoder.layout.includes(undefined);
  }

  /** Whose turn it is: the first whose prompt is not the one that another is reading just now. */
  next<R extends Reading>(sequences: readonly R[]): R | undefined {
    return sequences.find(
      (sequence) =>
        sequence.cache !== undefined ||
        !sequences.some(
          (other) =>
            other.cache !== undefined &&
            !other.request.promptLogProbabilities &&
            same(other.request.prompt, sequence.request.prompt),
        ),
    );
  }

  /** Reads one chunk of a prompt, or finds all of it in the store. */
  async read(sequence: Reading): Promise<ReadResult> {
    const { prompt } = sequence.request;
    let reused = 0;
    if (sequence.cache === undefined) {
      const known = await this.#open(sequence);
      reused = sequence.read;
      if (known !== undefined) return { logits: known, read: 0, reused };
    }
    const { cache } = sequence;
    if (cache === undefined) throw new Error("a sequence that reads has a cache");
    const count = this.#chunk(prompt.length - sequence.read);
    const ids = new Int32Array(this.#fillsUp ? filledUp(count) : count);
    ids.set(prompt.subarray(sequence.read, sequence.read + count));
    sequence.cache = undefined;
    const at = Int32Array.of(sequence.read);
    const { logits, cache: grown } = await this.#decoder.forward(cache, ids, at);
    sequence.cache = grown;
    const { vocab } = this.#decoder;
    sequence.readPrompt(logits, vocab, sequence.read, count);
    sequence.read += count;
    if (sequence.read < prompt.length) return { logits: undefined, read: count, reused };
    const last = logits.slice((count - 1) * vocab, count * vocab);
    this.#store.put(prompt, grown, last);
    return { logits: last, read: count, reused };
  }

  /** Gives the cache back. */
  release(sequence: Reading): void {
    if (sequence.cache !== undefined) this.#decoder.pool.give(sequence.cache);
    sequence.cache = undefined;
  }

  /** All programs for prompts of a context. */
  forms(context: number): DecoderForm[] {
    const sizes: number[] = [];
    for (let size = this.#fillsUp ? SMALLEST : 1; size <= CHUNK; size *= 2) sizes.push(size);
    return placesUpTo(context).flatMap((places) =>
      sizes.map((tokens) => ({ rows: 1, tokens, places })),
    );
  }

  /** @returns the last logits when the whole prompt is known */
  async #open(sequence: Reading): Promise<Float32Array | undefined> {
    const { prompt, promptLogProbabilities } = sequence.request;
    const places = placesFor(Math.ceil(prompt.length / CHUNK) * CHUNK);
    const cache = await this.#decoder.pool.take(1, places);
    sequence.cache = cache;
    const known = promptLogProbabilities ? undefined : this.#store.longest(prompt);
    const whole = known !== undefined && same(known.from.ids, prompt);
    // Chunks begin where they would begin alone, so that the same numbers are added in the same order.
    // The last token is read even where another prompt holds it too, since its logits are wanted.
    const shared = Math.min(known?.count ?? 0, prompt.length - 1);
    const chunks = this.#fillsUp ? Math.floor(shared / CHUNK) * CHUNK : 0;
    const count = whole ? prompt.length : chunks;
    sequence.read = count;
    const from = count === 0 ? await this.#start(places) : known?.from.cache;
    if (from !== undefined)
      copyRow(this.#decoder.layout, { cache: from, row: 0 }, { cache, row: 0 }, count);
    return whole ? known.from.logits : undefined;
  }

  /** What a text starts from, where that is more than places yet to be filled. */
  async #start(places: number): Promise<Cache | undefined> {
    if (this.#fillsUp) return undefined;
    const known = this.#fresh.get(places);
    if (known !== undefined) return known;
    const fresh = await this.#decoder.start(1, places);
    this.#fresh.set(places, fresh);
    return fresh;
  }

  #chunk(left: number): number {
    if (this.#fillsUp || left >= CHUNK) return Math.min(left, CHUNK);
    return 2 ** Math.floor(Math.log2(left));
  }
}

function filledUp(count: number): number {
  let size = SMALLEST;
  while (size < count) size *= 2;
  return size;
}
