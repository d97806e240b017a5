/** @file Words into ids by merges, the earliest learnt first. */

import { bytesOfSpelling, fallbackPiece, spellBytes } from "./byte-level.ts";
import type { BpeModelFile } from "./file.ts";
import { PairTable } from "./pair-table.ts";
import { codePoints } from "./trie.ts";

/** Ids of one word; words do not depend on each other. */
export type WordModel = (word: string) => readonly number[];

/** Up to this many symbols, looking at all pairs is faster than a heap. */
const SHORT_WORD = 48;
const NO_RANK = 0x7fffffff;
const NONE = -1;

/**
 * The words of a BPE vocabulary.
 *
 * @param byteLevel - whether pieces spell bytes; else they are made of the text's own characters
 * @param special - ids that no word may become
 */
export function bpeModel(
  model: BpeModelFile,
  byteLevel: boolean,
  special: ReadonlySet<number>,
): WordModel {
  const merges = mergeTable(model, special);
  const first = byteLevel ? byteSymbols(model) : characterSymbols(model);
  const spell = byteLevel
    ? (word: string) => spellBytes(new TextEncoder().encode(word))
    : (word: string) => word;
  return (word) => {
    if (model.ignoreMerges) {
      const id = model.vocab.get(spell(word));
      if (id !== undefined && !special.has(id)) return [id];
    }
    const symbols = first(word);
    return symbols.length > SHORT_WORD ? mergeLong(symbols, merges) : mergeShort(symbols, merges);
  };
}

interface Merges {
  /** Numbered by rank. */
  readonly pairs: PairTable;
  /** By rank: what the pair becomes. */
  readonly merged: Int32Array;
}

/** Merges that lead to a special token are left out; ranks keep their order. */
function mergeTable({ merges }: BpeModelFile, special: ReadonlySet<number>): Merges {
  const allowed = merges.filter(([, , id]) => !special.has(id));
  const pairs = new PairTable(allowed.length + 1);
  for (const [left, right] of allowed) pairs.add(left, right);
  return { pairs, merged: Int32Array.from(allowed, ([, , id]) => id) };
}

/** One symbol per byte; bytes without a piece fall out, as in the Rust package. */
function byteSymbols({ vocab }: BpeModelFile): (word: string) => number[] {
  const ids = new Int32Array(256).fill(NONE);
  for (const [piece, id] of vocab) {
    const bytes = piece.length === 1 ? bytesOfSpelling(piece) : undefined;
    if (bytes !== undefined) ids[bytes[0] as number] = id;
  }
  const unknown = NONE;
  return (word) => {
    const symbols: number[] = [];
    for (let i = 0; i < word.length; i++) {
      const code = word.charCodeAt(i);
      if (code >= 0x80) return [...new TextEncoder().encode(word)].map(idOf).filter(isKnown);
      symbols.push(ids[code] as number);
    }
    return symbols.includes(unknown) ? symbols.filter(isKnown) : symbols;
  };
  function idOf(byte: number): number {
    return ids[byte] as number;
  }
}

const isKnown = (id: number): boolean => id !== NONE;

/** One symbol per character; what is not known becomes bytes, or the unknown token, or falls out. */
function characterSymbols(model: BpeModelFile): (word: string) => number[] {
  const { vocab, fuseUnknown } = model;
  const known = new Map<number, number>();
  for (const [piece, id] of vocab) {
    const points = codePoints(piece);
    if (points.length === 1) known.set(points[0] as number, id);
  }
  const bytes = Array.from({ length: 256 }, (_, byte) => vocab.get(fallbackPiece(byte)) ?? NONE);
  const unknown = model.unknown === undefined ? NONE : (vocab.get(model.unknown) ?? NONE);
  return (word) => {
    const symbols: number[] = [];
    let open = false;
    for (const point of codePoints(word)) {
      const id = known.get(point);
      if (id !== undefined) {
        symbols.push(id);
        open = false;
        continue;
      }
      if (model.byteFallback) {
        const spelled = [...new TextEncoder().encode(String.fromCodePoint(point))].map(
          (byte) => bytes[byte] as number,
        );
        if (spelled.every(isKnown)) {
          symbols.push(...spelled);
          open = false;
          continue;
        }
      }
      if (unknown !== NONE && !(open && fuseUnknown)) symbols.push(unknown);
      open = true;
    }
    return symbols;
  };
}

/** Merges in place, the pair of lowest rank first, the leftmost of equals. */
function mergeShort(symbols: number[], { pairs, merged }: Merges): number[] {
  const ranks: number[] = [];
  const rankAt = (at: number): number => {
    const rank = pairs.find(symbols[at] as number, symbols[at + 1] as number);
    return rank < 0 ? NO_RANK : rank;
  };
  for (let at = 0; at + 1 < symbols.length; at++) ranks.push(rankAt(at));
  for (;;) {
    let best = NO_RANK;
    let place = 0;
    for (let at = 0; at < ranks.length; at++) {
      const rank = ranks[at] as number;
      if (rank < best) {
        best = rank;
        place = at;
      }
    }
    if (best === NO_RANK) return symbols;
    symbols[place] = merged[best] as number;
    symbols.splice(place + 1, 1);
    ranks.splice(place, 1);
    if (place > 0) ranks[place - 1] = rankAt(place - 1);
    if (place < ranks.length) ranks[place] = rankAt(place);
  }
}

/** The same for long words, with a heap of (rank, place). */
function mergeLong(symbols: number[], { pairs, merged }: Merges): number[] {
  const n = symbols.length;
  const next = Int32Array.from({ length: n }, (_, at) => (at + 1 < n ? at + 1 : NONE));
  const before = Int32Array.from({ length: n }, (_, at) => at - 1);
  const heap = new NumberHeap();
  const offer = (at: number): void => {
    const right = next[at] as number;
    if (right === NONE) return;
    const rank = pairs.find(symbols[at] as number, symbols[right] as number);
    // Rank and place in one number, exact below 2^53.
    if (rank >= 0) heap.push(rank * n + at);
  };
  for (let at = 0; at + 1 < n; at++) offer(at);
  while (heap.size > 0) {
    const key = heap.pop();
    const rank = Math.floor(key / n);
    const at = key - rank * n;
    const right = next[at] as number;
    if (right === NONE || symbols[at] === NONE) continue;
    if (pairs.find(symbols[at] as number, symbols[right] as number) !== rank) continue;
    symbols[at] = merged[rank] as number;
    symbols[right] = NONE;
    const after = next[right] as number;
    next[at] = after;
    if (after !== NONE) before[after] = at;
    if ((before[at] as number) !== NONE) offer(before[at] as number);
    offer(at);
  }
  return symbols.filter(isKnown);
}

/** Smallest number first. */
class NumberHeap {
  readonly #keys: number[] = [];

  get size(): number {
    return this.#keys.length;
  }

  push(key: number): void {
    const keys = this.#keys;
    let at = keys.length;
    keys.push(key);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((keys[parent] as number) <= key) break;
      keys[at] = keys[parent] as number;
      at = parent;
    }
    keys[at] = key;
  }

  pop(): number {
    const keys = this.#keys;
    const top = keys[0] as number;
    const key = keys.pop() as number;
    const size = keys.length;
    if (size === 0) return top;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && (keys[child + 1] as number) < (keys[child] as number)) child++;
      if (key <= (keys[child] as number)) break;
      keys[at] = keys[child] as number;
      at = child;
    }
    keys[at] = key;
    return top;
  }
}
