/**
 * @file Byte-pair encoding, trained: merge the most frequent pair of neighbours, again and again.
 *
 * Sennrich et al. 2016 (arXiv:1508.07909), incrementally: a merge touches only the words that hold the
 * pair, and a heap whose counts may be out of date says which pair is next. Of pairs that are equally
 * frequent, the one with the smaller left id is merged first, then the one with the smaller right id:
 * the rule of the `tokenizers` package, so that both give the same merges.
 */

import { PairTable } from "./pair-table.ts";

/** Words as runs of symbols, and how often each of them occurs. */
export interface CountedWords {
  /** Symbols of all words, one word after another; the trainer merges them in place. */
  readonly symbols: Int32Array;
  /** Where word `i` begins in `symbols`; one entry more than words. */
  readonly starts: Int32Array;
  readonly counts: Float64Array;
}

export interface BpeRules {
  /** Pieces in all when training ends, unless pairs run out. */
  readonly vocab: number;
  /** Least number of times a pair must occur to be merged. */
  readonly minFrequency: number;
  /** Most symbols in a piece; two always fit. */
  readonly longest: number;
  /** Pieces that no merge may make: special tokens must not be spelled by a text. */
  readonly forbidden: ReadonlySet<string>;
  onPiece?(pieces: number): void;
}

export interface Bpe {
  /** By id: the ones given, then one per merge, where a merge made a new one. */
  readonly pieces: readonly string[];
  /** Ids of the two halves, in the order of merging. */
  readonly merges: readonly (readonly [left: number, right: number])[];
}

/**
 * Learns merges.
 *
 * @param alphabet - pieces by id that exist before the first merge; symbols are their ids
 */
export function trainBpe(words: CountedWords, alphabet: readonly string[], rules: BpeRules): Bpe {
  const { symbols, starts, counts } = words;
  const pieces = [...alphabet];
  const ids = new Map(pieces.map((piece, id) => [piece, id]));
  const lengths: number[] = pieces.map(() => 1);
  const ends = starts.slice(1);
  const pairs = new PairTable(1 << 14);
  const pairCounts: number[] = [];
  const places = new PlaceLists();
  const heap = new PairHeap(pairs);
  let touched: number[] = [];
  const touchedIn: number[] = [];
  let round = 0;

  const gain = (left: number, right: number, word: number): void => {
    const pair = pairs.add(left, right);
    if (pair === pairCounts.length) {
      pairCounts.push(0);
      touchedIn.push(-1);
      places.open();
    }
    pairCounts[pair] = (pairCounts[pair] as number) + (counts[word] as number);
    places.add(pair, word);
    if (touchedIn[pair] !== round) {
      touchedIn[pair] = round;
      touched.push(pair);
    }
  };
  const lose = (left: number, right: number, word: number): void => {
    const pair = pairs.find(left, right);
    if (pair >= 0) pairCounts[pair] = (pairCounts[pair] as number) - (counts[word] as number);
  };
  const queueTouched = (): void => {
    for (const pair of touched) heap.push(pair, pairCounts[pair] as number);
    touched = [];
    round++;
  };

  for (let word = 0; word < ends.length; word++) {
    const end = ends[word] as number;
    for (let i = (starts[word] as number) + 1; i < end; i++) {
      gain(symbols[i - 1] as number, symbols[i] as number, word);
    }
  }
  queueTouched();

  const merges: (readonly [number, number])[] = [];
  while (pieces.length < rules.vocab && heap.size > 0) {
    const known = heap.topCount();
    const pair = heap.pop();
    const count = pairCounts[pair] as number;
    if (count !== known) {
      if (count > 0) heap.push(pair, count);
      continue;
    }
    if (count < Math.max(1, rules.minFrequency)) break;
    const [left, right] = [pairs.left(pair), pairs.right(pair)];
    const piece = `${pieces[left]}${pieces[right]}`;
    pairCounts[pair] = 0;
    if (rules.forbidden.has(piece)) continue;
    let id = ids.get(piece);
    if (id === undefined) {
      id = pieces.length;
      pieces.push(piece);
      ids.set(piece, id);
      lengths.push((lengths[left] as number) + (lengths[right] as number));
    }
    merges.push([left, right]);
    const room = rules.longest - (lengths[id] as number);
    for (const word of places.take(pair)) {
      const start = starts[word] as number;
      const end = ends[word] as number;
      let write = start;
      for (let read = start; read < end; write++) {
        const symbol = symbols[read] as number;
        if (symbol !== left || read + 1 === end || symbols[read + 1] !== right) {
          symbols[write] = symbol;
          read++;
          continue;
        }
        if (write > start) {
          const before = symbols[write - 1] as number;
          lose(before, left, word);
          if ((lengths[before] as number) <= room) gain(before, id, word);
        }
        read += 2;
        if (read < end) {
          const after = symbols[read] as number;
          lose(right, after, word);
          if ((lengths[after] as number) <= room) gain(id, after, word);
        }
        symbols[write] = id;
      }
      ends[word] = write;
    }
    queueTouched();
    rules.onPiece?.(pieces.length);
  }
  return { pieces, merges };
}

/** In which words each pair occurs: a linked list per pair, all in two arrays. */
class PlaceLists {
  readonly #heads: number[] = [];
  #words: Int32Array = new Int32Array(1 << 16);
  #next: Int32Array = new Int32Array(1 << 16);
  #size = 0;

  open(): void {
    this.#heads.push(-1);
  }

  /** A word is listed once: its places come one after another. */
  add(pair: number, word: number): void {
    const head = this.#heads[pair] as number;
    if (head >= 0 && this.#words[head] === word) return;
    if (this.#size === this.#words.length) {
      this.#words = doubled(this.#words);
      this.#next = doubled(this.#next);
    }
    this.#words[this.#size] = word;
    this.#next[this.#size] = head;
    this.#heads[pair] = this.#size++;
  }

  /** The words of a pair; its list is empty afterwards. */
  take(pair: number): Int32Array {
    const head = this.#heads[pair] as number;
    this.#heads[pair] = -1;
    let length = 0;
    for (let at = head; at >= 0; at = this.#next[at] as number) length++;
    const words = new Int32Array(length);
    for (let at = head; at >= 0; at = this.#next[at] as number) {
      words[--length] = this.#words[at] as number;
    }
    return words;
  }
}

function doubled(array: Int32Array): Int32Array {
  const copy = new Int32Array(2 * array.length);
  copy.set(array);
  return copy;
}

/** A binary heap of pairs: highest count first, then smallest ids. */
class PairHeap {
  readonly #pairs: number[] = [];
  readonly #counts: number[] = [];
  readonly #table: PairTable;

  constructor(table: PairTable) {
    this.#table = table;
  }

  get size(): number {
    return this.#pairs.length;
  }

  /** The count that the first pair was pushed with. */
  topCount(): number {
    return this.#counts[0] as number;
  }

  push(pair: number, count: number): void {
    let at = this.#pairs.length;
    this.#pairs.push(pair);
    this.#counts.push(count);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(pair, count, parent)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#pairs[at] = pair;
    this.#counts[at] = count;
  }

  pop(): number {
    const top = this.#pairs[0] as number;
    const pair = this.#pairs.pop() as number;
    const count = this.#counts.pop() as number;
    const size = this.#pairs.length;
    if (size === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      const right = child + 1;
      if (
        right < size &&
        this.#before(this.#pairs[right] as number, this.#counts[right] as number, child)
      ) {
        child = right;
      }
      if (this.#before(pair, count, child)) break;
      this.#move(child, at);
      at = child;
    }
    this.#pairs[at] = pair;
    this.#counts[at] = count;
    return top;
  }

  #move(from: number, to: number): void {
    this.#pairs[to] = this.#pairs[from] as number;
    this.#counts[to] = this.#counts[from] as number;
  }

  #before(pair: number, count: number, other: number): boolean {
    const otherCount = this.#counts[other] as number;
    if (count !== otherCount) return count > otherCount;
    const table = this.#table;
    const otherPair = this.#pairs[other] as number;
    const left = table.left(pair) - table.left(otherPair);
    return left !== 0 ? left < 0 : table.right(pair) < table.right(otherPair);
  }
}
