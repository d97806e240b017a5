/** @file Several corpora by weight: which corpus each row is of, without drawing lots. */

import { DataError } from "../../core/errors.ts";
import { drawBelow } from "../permutation.ts";
import type { RowStream } from "./row-stream.ts";

export interface MixedCorpus {
  readonly name: string;
  readonly rows: RowStream;
  /** Share of the rows, above 0; all together 1. */
  readonly weight: number;
}

export interface Mixture extends RowStream {
  /** The corpus of row `k`, by its place in the list, and which of that corpus's rows it is. */
  choose(k: number): { readonly corpus: number; readonly row: number };
  /** How many of the first `k` rows are of each corpus: for its own count of epochs. */
  counts(k: number): readonly number[];
}

/**
 * Rows of several corpora. Among any first `n` rows, a corpus of weight w has w·n of them, give or take one for each
 * corpus before it in the list: shares are exact over any long run.
 *
 * The list is split one corpus at a time. Of m rows that are left, the first corpus gets ⌊m·s + φ⌋ with s its share of
 * what is left and φ a phase of the seed: the steps of that staircase are its rows. Counting is the formula itself, so
 * any row is found at once.
 */
export function mixRows(corpora: readonly MixedCorpus[], seed: number): Mixture {
  const [first] = corpora;
  if (first === undefined) {
    throw new DataError("DATA-01", "mixture: it has no corpus.", [["fix", "name at least one"]]);
  }
  const stairs = stairsOf(corpora, seed);
  const counts = (k: number): number[] => {
    let left = k;
    return stairs.map((taken) => {
      const own = taken(left);
      left -= own;
      return own;
    });
  };
  const choose = (k: number) => {
    let [before, after] = [k, k + 1];
    for (const [corpus, taken] of stairs.entries()) {
      const row = taken(before);
      const next = taken(after);
      if (next > row) return { corpus, row };
      before -= row;
      after -= next;
    }
    throw new RangeError(`mixture: row ${k} is of no corpus`);
  };
  const passes = (k: number) =>
    counts(k).map((count, i) => count / (corpora[i]?.rows.rowsPerEpoch ?? 1));
  return {
    length: first.rows.length,
    packed: first.rows.packed,
    rowsPerEpoch: Math.ceil(
      Math.max(...corpora.map(({ rows, weight }) => rows.rowsPerEpoch / weight)),
    ),
    epochOf: (k) => Math.floor(Math.min(...passes(k))),
    counts,
    choose,
    fill: (k, batch, at) => {
      const { corpus, row } = choose(k);
      corpora[corpus]?.rows.fill(row, batch, at);
    },
  };
}

/** For each corpus: of the first m rows that come to it, how many it takes. The last takes all. */
function stairsOf(corpora: readonly MixedCorpus[], seed: number): ((m: number) => number)[] {
  let rest = corpora.reduce((sum, { weight }) => sum + weight, 0);
  return corpora.map(({ weight }, index) => {
    const share = weight / rest;
    rest -= weight;
    if (index === corpora.length - 1) return (m) => m;
    const phase = drawBelow(2 ** 20, seed, index) / 2 ** 20;
    return (m) => Math.min(m, Math.floor(m * share + phase));
  });
}
