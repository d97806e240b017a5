/** @file All ways to spell a word with pieces: the best of them, their sum, and how often each piece is expected. */

import { type PieceTrie, ROOT } from "./trie.ts";

const FIRST_ROOM = 256;

/** Works on one word after another; its buffers are reused. */
export class Lattice {
  readonly #trie: PieceTrie;
  readonly #scores: Float64Array;
  #room = 0;
  #forward = new Float64Array(0);
  #backward = new Float64Array(0);
  #from = new Int32Array(0);
  #piece = new Int32Array(0);
  // Edges in the order of their first symbol.
  #edgeStart: number[] = [];
  #edgeEnd: number[] = [];
  #edgePiece: number[] = [];

  /** @param scores - by piece: natural logarithm of its probability */
  constructor(trie: PieceTrie, scores: Float64Array) {
    this.#trie = trie;
    this.#scores = scores;
    this.#reserve(FIRST_ROOM);
  }

  /**
   * The most likely pieces of a word; of equally likely last pieces, the longest.
   *
   * @param symbols - every symbol must be a piece of its own
   * @param without - a piece that must not be used
   */
  best(symbols: Int32Array, without = -1): number[] {
    const n = symbols.length;
    this.#reserve(n);
    const [score, from, piece] = [this.#forward, this.#from, this.#piece];
    score.fill(Number.NEGATIVE_INFINITY, 1, n + 1);
    score[0] = 0;
    for (let start = 0; start < n; start++) {
      const before = score[start] as number;
      let node = ROOT;
      for (let at = start; at < n; at++) {
        node = this.#trie.step(node, symbols[at] as number);
        if (node === ROOT) break;
        const id = this.#trie.pieceAt(node);
        if (id < 0 || id === without) continue;
        const total = before + (this.#scores[id] as number);
        if (total > (score[at + 1] as number)) {
          score[at + 1] = total;
          from[at + 1] = start;
          piece[at + 1] = id;
        }
      }
    }
    const ids: number[] = [];
    for (let end = n; end > 0; end = from[end] as number) ids.push(piece[end] as number);
    return ids.reverse();
  }

  /**
   * Adds the expected number of uses of each piece in `count` such words.
   *
   * @returns natural logarithm of the word's probability, summed over all its segmentations
   */
  addExpected(symbols: Int32Array, count: number, expected: Float64Array): number {
    const n = symbols.length;
    this.#reserve(n);
    const [forward, backward] = [this.#forward, this.#backward];
    forward.fill(Number.NEGATIVE_INFINITY, 1, n + 1);
    backward.fill(Number.NEGATIVE_INFINITY, 0, n);
    forward[0] = 0;
    backward[n] = 0;
    let edges = 0;
    for (let start = 0; start < n; start++) {
      const before = forward[start] as number;
      let node = ROOT;
      for (let at = start; at < n; at++) {
        node = this.#trie.step(node, symbols[at] as number);
        if (node === ROOT) break;
        const id = this.#trie.pieceAt(node);
        if (id < 0) continue;
        this.#edgeStart[edges] = start;
        this.#edgeEnd[edges] = at + 1;
        this.#edgePiece[edges++] = id;
        forward[at + 1] = logAdd(forward[at + 1] as number, before + (this.#scores[id] as number));
      }
    }
    const whole = forward[n] as number;
    for (let edge = edges - 1; edge >= 0; edge--) {
      const start = this.#edgeStart[edge] as number;
      const id = this.#edgePiece[edge] as number;
      const rest =
        (this.#scores[id] as number) + (backward[this.#edgeEnd[edge] as number] as number);
      backward[start] = logAdd(backward[start] as number, rest);
      expected[id] =
        (expected[id] as number) + count * Math.exp((forward[start] as number) + rest - whole);
    }
    return whole;
  }

  #reserve(symbols: number): void {
    if (symbols < this.#room) return;
    this.#room = 2 * symbols + 1;
    this.#forward = new Float64Array(this.#room);
    this.#backward = new Float64Array(this.#room);
    this.#from = new Int32Array(this.#room);
    this.#piece = new Int32Array(this.#room);
  }
}

/** log(eᵃ + eᵇ). */
function logAdd(a: number, b: number): number {
  const [low, high] = a < b ? [a, b] : [b, a];
  return low === Number.NEGATIVE_INFINITY ? high : high + Math.log1p(Math.exp(low - high));
}
