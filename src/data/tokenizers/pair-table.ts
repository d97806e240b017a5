/** @file A hash table from pairs of ids to the order in which they came: the heart of BPE. */

const EMPTY = -1;

/** Numbers pairs of non-negative integers 0, 1, 2 … in the order of their first `add`. */
export class PairTable {
  /** Pairs known so far. */
  size = 0;
  #slots: Int32Array;
  #mask: number;
  #left: Int32Array;
  #right: Int32Array;

  constructor(expected = 1024) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, 2 * expected)));
    this.#slots = new Int32Array(capacity).fill(EMPTY);
    this.#mask = capacity - 1;
    this.#left = new Int32Array(capacity >> 1);
    this.#right = new Int32Array(capacity >> 1);
  }

  /** The pair's number, −1 when it is not known. */
  find(left: number, right: number): number {
    let slot = scatter(left, right) & this.#mask;
    for (;;) {
      const index = this.#slots[slot] as number;
      if (index === EMPTY || (this.#left[index] === left && this.#right[index] === right)) {
        return index;
      }
      slot = (slot + 1) & this.#mask;
    }
  }

  /** The pair's number, a new one when it was not known. */
  add(left: number, right: number): number {
    const known = this.find(left, right);
    if (known !== EMPTY) return known;
    if (this.size === this.#left.length) this.#grow();
    const index = this.size++;
    this.#left[index] = left;
    this.#right[index] = right;
    this.#place(index);
    return index;
  }

  left(index: number): number {
    return this.#left[index] as number;
  }

  right(index: number): number {
    return this.#right[index] as number;
  }

  #place(index: number): void {
    let slot = scatter(this.#left[index] as number, this.#right[index] as number) & this.#mask;
    while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = index;
  }

  #grow(): void {
    const capacity = 2 * this.#slots.length;
    this.#slots = new Int32Array(capacity).fill(EMPTY);
    this.#mask = capacity - 1;
    this.#left = longer(this.#left, capacity >> 1);
    this.#right = longer(this.#right, capacity >> 1);
    for (let index = 0; index < this.size; index++) this.#place(index);
  }
}

/** A copy with room for more. */
function longer(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length);
  copy.set(array);
  return copy;
}

function scatter(left: number, right: number): number {
  let h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return h ^ (h >>> 13);
}
