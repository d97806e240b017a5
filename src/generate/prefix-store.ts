/** @file Keys and values of prompts seen lately, so that the same beginning is not computed twice. */

import { dtypeFacts } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import { stored } from "../core/tensor.ts";
import { leaves, mapTree } from "../core/tree.ts";
import type { Cache } from "./cache.ts";

/** A prompt that was computed to its end. */
export interface StoredPrompt {
  readonly ids: Int32Array;
  /** One row; its first `ids.length` places are filled. */
  readonly cache: Cache;
  /** `[vocab]`, after the last token. */
  readonly logits: Float32Array;
}

/** What of a prompt is known. */
export interface KnownPrefix {
  readonly from: StoredPrompt;
  /** Tokens that both begin with. */
  readonly count: number;
}

/** Keeps the prompts used last, up to a number of bytes. */
export class PrefixStore {
  readonly #limit: number;
  /** Least recently used first. */
  readonly #prompts: StoredPrompt[] = [];
  #bytes = 0;

  /** @param limit - in bytes; 0 keeps nothing */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The stored prompt that shares the longest beginning with this one. */
  longest(ids: Int32Array): KnownPrefix | undefined {
    let best: KnownPrefix | undefined;
    for (const from of this.#prompts) {
      const count = commonLength(from.ids, ids);
      if (count > (best?.count ?? 0)) best = { from, count };
    }
    if (best !== undefined) this.#touch(best.from);
    return best;
  }

  /** Keeps copies, and lets go of others for them. */
  put(ids: Int32Array, cache: Cache, logits: Float32Array): void {
    const bytes = bytesOf(cache) + logits.byteLength;
    if (bytes > this.#limit) return;
    const known = this.#prompts.find((one) => same(one.ids, ids));
    if (known !== undefined) {
      this.#touch(known);
      return;
    }
    const state = mapTree(cache.state, (leaf) => stored(leaf.aval, leaf.data().slice()));
    this.#prompts.push({ ids, cache: { ...cache, state }, logits: logits.slice() });
    this.#bytes += bytes;
    while (this.#bytes > this.#limit) {
      const oldest = this.#prompts.shift();
      if (oldest === undefined) return;
      this.#bytes -= bytesOf(oldest.cache) + oldest.logits.byteLength;
    }
  }

  #touch(prompt: StoredPrompt): void {
    this.#prompts.splice(this.#prompts.indexOf(prompt), 1);
    this.#prompts.push(prompt);
  }
}

function bytesOf({ state }: Cache): number {
  return leaves(state).reduce((sum, x) => sum + sizeOf(x.dims) * dtypeFacts(x.dtype).bytes, 0);
}

function commonLength(a: Int32Array, b: Int32Array): number {
  const limit = Math.min(a.length, b.length);
  let count = 0;
  while (count < limit && a[count] === b[count]) count++;
  return count;
}

export function same(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && commonLength(a, b) === a.length;
}
