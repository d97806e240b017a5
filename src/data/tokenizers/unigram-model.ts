/** @file Words into ids by a unigram language model: the most likely of all segmentations. */

import type { WordModel } from "./bpe-model.ts";
import { byteOfFallback, fallbackPiece, spellBytes } from "./byte-level.ts";
import type { UnigramModelFile } from "./file.ts";
import { codePoints, PieceTrie, ROOT, textOf } from "./trie.ts";

/** How much less likely than every piece a character is that no piece spells. */
const UNKNOWN_PENALTY = 10;
const NONE = -1;

/**
 * The words of a unigram vocabulary.
 *
 * @param byteLevel - whether pieces spell bytes; else they are made of the text's own characters
 * @param special - ids that no word may become
 */
export function unigramModel(
  model: UnigramModelFile,
  byteLevel: boolean,
  special: ReadonlySet<number>,
): WordModel {
  const { vocab, byteFallback, unknownId = NONE } = model;
  const trie = new PieceTrie(4 * vocab.size);
  // A text that names a byte or a special token is not that byte or token.
  for (const [piece, id] of vocab) {
    const hidden = special.has(id) || id === unknownId;
    if (piece !== "" && !hidden && !(byteFallback && byteOfFallback(piece) !== undefined)) {
      trie.add(codePoints(piece), id);
    }
  }
  const scores = Float64Array.from(model.scores);
  const unknownScore =
    scores.reduce((low, score) => Math.min(low, score), Number.POSITIVE_INFINITY) - UNKNOWN_PENALTY;
  const bytes = Array.from({ length: 256 }, (_, byte) => vocab.get(fallbackPiece(byte)) ?? NONE);
  const path = new BestPath();

  return (word) => {
    const text = byteLevel ? spellBytes(new TextEncoder().encode(word)) : word;
    const symbols = codePoints(text);
    const n = symbols.length;
    path.reset(n);
    for (let start = 0; start < n; start++) {
      let single = false;
      let node = ROOT;
      for (let at = start; at < n; at++) {
        node = trie.step(node, symbols[at] as number);
        if (node === ROOT) break;
        const id = trie.pieceAt(node);
        if (id < 0) continue;
        path.offer(start, at + 1, id, scores[id] as number);
        single ||= at === start;
      }
      if (!single) path.offer(start, start + 1, NONE, unknownScore);
    }
    const ids: number[] = [];
    let unknownFrom = NONE;
    const closeUnknown = (end: number): void => {
      if (unknownFrom === NONE) return;
      const run = textOf(symbols.subarray(unknownFrom, end));
      unknownFrom = NONE;
      const spelled = byteFallback
        ? [...new TextEncoder().encode(run)].map((byte) => bytes[byte] as number)
        : [NONE];
      if (!spelled.includes(NONE)) for (const id of spelled) ids.push(id);
      else if (unknownId !== NONE) ids.push(unknownId);
    };
    for (const { start, id } of path.steps(n)) {
      if (id === NONE) {
        // Neighbours that are unknown are one unknown.
        if (unknownFrom === NONE) unknownFrom = start;
      } else {
        closeUnknown(start);
        ids.push(id);
      }
    }
    closeUnknown(n);
    return ids;
  };
}

/** Best way to each place of a word; of equally good ones, the first that was offered. */
class BestPath {
  #score = new Float64Array(64);
  #from = new Int32Array(64);
  #id = new Int32Array(64);

  reset(n: number): void {
    if (n >= this.#score.length) {
      this.#score = new Float64Array(2 * n);
      this.#from = new Int32Array(2 * n);
      this.#id = new Int32Array(2 * n);
    }
    this.#score.fill(Number.NEGATIVE_INFINITY, 1, n + 1);
    this.#score[0] = 0;
  }

  offer(start: number, end: number, id: number, score: number): void {
    const total = (this.#score[start] as number) + score;
    if (total <= (this.#score[end] as number)) return;
    this.#score[end] = total;
    this.#from[end] = start;
    this.#id[end] = id;
  }

  steps(n: number): { readonly start: number; readonly id: number }[] {
    const steps: { readonly start: number; readonly id: number }[] = [];
    for (let end = n; end > 0; end = this.#from[end] as number) {
      steps.push({ start: this.#from[end] as number, id: this.#id[end] as number });
    }
    return steps.reverse();
  }
}
