/**
 * @file Words numbered in the order they are first met, looked up by their place in a text.
 *
 * No string is cut out of the text to be looked up: characters are hashed and compared where they stand.
 */

import type { Span } from "./splitting.ts";

const EMPTY = -1;

export class WordTable {
  /** Words known so far. */
  size = 0;
  #slots = new Int32Array(1 << 12).fill(EMPTY);
  #hashes = new Int32Array(1 << 11);
  /** Where each word's characters begin in `#characters`; one entry more than words. */
  #starts = new Int32Array((1 << 11) + 1);
  #characters = new Uint16Array(1 << 14);
  #hash = 0;

  /** The word's number, −1 when it is not known. */
  find(text: string, start: number, end: number): number {
    let hash = 0x811c9dc5;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    hash ^= hash >>> 15;
    this.#hash = hash;
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const word = this.#slots[slot] as number;
      if (word === EMPTY) return EMPTY;
      if (this.#hashes[word] === hash && this.#is(word, text, start, end)) return word;
    }
  }

  /** The word's number, a new one when it was not known. */
  add: Span<number> = (text, start, end) => {
    const known = this.find(text, start, end);
    if (known !== EMPTY) return known;
    if (this.size === this.#hashes.length) this.#grow();
    const word = this.size++;
    const from = this.#starts[word] as number;
    const to = from + end - start;
    while (to > this.#characters.length) {
      const more = new Uint16Array(2 * this.#characters.length);
      more.set(this.#characters);
      this.#characters = more;
    }
    for (let at = start; at < end; at++) this.#characters[from + at - start] = text.charCodeAt(at);
    this.#starts[word + 1] = to;
    this.#hashes[word] = this.#hash;
    this.#place(word);
    return word;
  };

  word(index: number): string {
    const [from, to] = [this.#starts[index] as number, this.#starts[index + 1] as number];
    return Buffer.from(this.#characters.buffer, 2 * from, 2 * (to - from)).toString("utf16le");
  }

  #is(word: number, text: string, start: number, end: number): boolean {
    const from = this.#starts[word] as number;
    if ((this.#starts[word + 1] as number) - from !== end - start) return false;
    for (let at = start, own = from; at < end; at++, own++) {
      if (this.#characters[own] !== text.charCodeAt(at)) return false;
    }
    return true;
  }

  #place(word: number): void {
    const mask = this.#slots.length - 1;
    let slot = (this.#hashes[word] as number) & mask;
    while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#slots[slot] = word;
  }

  #grow(): void {
    const capacity = 2 * this.#hashes.length;
    const hashes = new Int32Array(capacity);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const starts = new Int32Array(capacity + 1);
    starts.set(this.#starts);
    this.#starts = starts;
    this.#slots = new Int32Array(2 * capacity).fill(EMPTY);
    for (let word = 0; word < this.size; word++) this.#place(word);
  }
}
