/**
 * @file A unigram language model over pieces, trained: many pieces first, then the useless ones go.
 *
 * Kudo 2018 (arXiv:1804.10959) as SentencePiece does it: expectation-maximisation over all segmentations
 * of each word, with the sparse prior of a Dirichlet process (digamma in place of logarithm), and between
 * the rounds a quarter of the pieces is dropped: those whose loss costs the likelihood least.
 */

import type { CountedWords } from "./bpe-training.ts";
import { frequentSubstrings } from "./frequent-substrings.ts";
import { Lattice } from "./lattice.ts";
import { codePoints, PieceTrie } from "./trie.ts";

export interface UnigramRules {
  /** Pieces in all when training ends, unless the text has fewer. */
  readonly vocab: number;
  /** Most symbols in a piece. */
  readonly longest: number;
  /** Pieces to start from, single symbols aside. */
  readonly seeds: number;
  /** Share of pieces that stay in each pruning. */
  readonly shrinking: number;
  /** Rounds of expectation-maximisation between two prunings. */
  readonly rounds: number;
  /** Pieces that a text must not spell. */
  readonly forbidden: ReadonlySet<string>;
  onPieces?(pieces: number): void;
}

export interface ScoredPiece {
  readonly piece: string;
  /** Natural logarithm of the piece's probability. */
  readonly score: number;
}

/** Expected occurrences below which a piece of more than one symbol goes. */
const LEAST_EXPECTED = 0.5;
/** Pruning stops this far above the wanted size; the best by score are taken then. */
const SLACK = 1.1;

/**
 * Learns pieces and their scores.
 *
 * @param words - symbols are code points
 * @returns all single symbols and the best longer pieces, best first; equal scores in code unit order
 */
export function trainUnigram(words: CountedWords, rules: UnigramRules): ScoredPiece[] {
  let pieces = seedPieces(words, rules);
  const wanted = Math.max(rules.vocab, pieces.filter(isSingle).length);
  const enough = Math.floor(wanted * SLACK);
  for (;;) {
    for (let round = 0; round < rules.rounds; round++) pieces = maximise(words, pieces);
    rules.onPieces?.(pieces.length);
    if (pieces.length <= enough) break;
    const next = prune(
      words,
      pieces,
      Math.max(enough, Math.floor(pieces.length * rules.shrinking)),
    );
    if (next.length >= pieces.length) break;
    pieces = next;
  }
  return choose(pieces, wanted);
}

function isSingle({ piece }: ScoredPiece): boolean {
  return piece.length === 1 || (piece.length === 2 && (piece.codePointAt(0) ?? 0) > 0xffff);
}

/** All symbols, and the substrings that save most; scores are shares of frequency times length. */
function seedPieces(words: CountedWords, rules: UnigramRules): ScoredPiece[] {
  const { symbols, starts, counts } = words;
  const single = new Map<number, number>();
  for (let word = 0; word < counts.length; word++) {
    for (let i = starts[word] as number; i < (starts[word + 1] as number); i++) {
      const symbol = symbols[i] as number;
      single.set(symbol, (single.get(symbol) ?? 0) + (counts[word] as number));
    }
  }
  const weighed = [
    ...[...single]
      .sort(([a, x], [b, y]) => y - x || a - b)
      .map(([symbol, weight]) => ({ piece: String.fromCodePoint(symbol), weight })),
    ...frequentSubstrings(words, rules.longest, rules.seeds)
      .filter(({ text }) => !rules.forbidden.has(text))
      .map(({ text, frequency }) => ({ piece: text, weight: frequency * codePoints(text).length })),
  ];
  const total = Math.log(weighed.reduce((sum, { weight }) => sum + weight, 0));
  return weighed.map(({ piece, weight }) => ({ piece, score: Math.log(weight) - total }));
}

function latticeOf(pieces: readonly ScoredPiece[]): Lattice {
  const trie = new PieceTrie(4 * pieces.length);
  for (const [id, { piece }] of pieces.entries()) trie.add(codePoints(piece), id);
  return new Lattice(
    trie,
    Float64Array.from(pieces, ({ score }) => score),
  );
}

/** One round of expectation-maximisation; pieces that are hardly ever expected go. */
function maximise(words: CountedWords, pieces: readonly ScoredPiece[]): ScoredPiece[] {
  const { symbols, starts, counts } = words;
  const lattice = latticeOf(pieces);
  const expected = new Float64Array(pieces.length);
  for (let word = 0; word < counts.length; word++) {
    const part = symbols.subarray(starts[word], starts[word + 1]);
    lattice.addExpected(part, counts[word] as number, expected);
  }
  const kept = pieces.flatMap((one, id) => {
    const count = expected[id] as number;
    if (count >= LEAST_EXPECTED) return [{ piece: one.piece, count }];
    // A symbol stays, so that every word keeps a segmentation.
    return isSingle(one) ? [{ piece: one.piece, count: LEAST_EXPECTED }] : [];
  });
  const total = digamma(kept.reduce((sum, { count }) => sum + count, 0));
  return kept.map(({ piece, count }) => ({ piece, score: digamma(count) - total }));
}

/** Drops the pieces whose loss costs least likelihood, down to `size`. */
function prune(words: CountedWords, pieces: readonly ScoredPiece[], size: number): ScoredPiece[] {
  const { symbols, starts, counts } = words;
  const lattice = latticeOf(pieces);
  const uses = new Float64Array(pieces.length);
  // In how many words (not: how often) a piece is used, each word as often as it was counted.
  const holders = new Float64Array(pieces.length);
  const lastWord = new Int32Array(pieces.length).fill(-1);
  let totalWords = 0;
  for (let word = 0; word < counts.length; word++) {
    const count = counts[word] as number;
    totalWords += count;
    for (const id of lattice.best(symbols.subarray(starts[word], starts[word + 1]))) {
      uses[id] = (uses[id] as number) + count;
      if (lastWord[id] !== word) holders[id] = (holders[id] as number) + count;
      lastWord[id] = word;
    }
  }
  const total = uses.reduce((sum, count) => sum + count, 0);
  const logTotal = Math.log(total);
  const kept: number[] = [];
  const candidates: { readonly id: number; readonly loss: number }[] = [];
  pieces.forEach((one, id) => {
    if (isSingle(one)) {
      kept.push(id);
      return;
    }
    const used = uses[id] as number;
    if (used === 0) return;
    const instead = lattice.best(codePoints(one.piece), id);
    // All uses of the piece become uses of the pieces that spell it.
    const logTotalThen = Math.log(total + used * (instead.length - 1));
    const then = instead.reduce(
      (sum, other) => sum + Math.log((uses[other] as number) + used) - logTotalThen,
      0,
    );
    const loss = ((holders[id] as number) / totalWords) * (Math.log(used) - logTotal - then);
    candidates.push({ id, loss });
  });
  candidates.sort((a, b) => b.loss - a.loss || a.id - b.id);
  for (const { id } of candidates) {
    if (kept.length >= size) break;
    kept.push(id);
  }
  return kept.sort((a, b) => a - b).map((id) => pieces[id] as ScoredPiece);
}

function choose(pieces: readonly ScoredPiece[], size: number): ScoredPiece[] {
  const byScore = (a: ScoredPiece, b: ScoredPiece): number =>
    b.score - a.score || (a.piece < b.piece ? -1 : 1);
  const single = pieces.filter(isSingle);
  const longer = pieces.filter((one) => !isSingle(one)).sort(byScore);
  return [...single, ...longer.slice(0, size - single.length)].sort(byScore);
}

/** ψ(x) for x > 0: recurrence up to 7, then the asymptotic series (Abramowitz and Stegun 6.3.18). */
function digamma(x: number): number {
  let shift = 0;
  let at = x;
  for (; at < 7; at++) shift -= 1 / at;
  const square = 1 / (at * at);
  const series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)));
  return shift + Math.log(at) - 0.5 / at - series;
}
