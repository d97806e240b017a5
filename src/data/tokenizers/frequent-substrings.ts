/**
 * @file Substrings that occur often: what a unigram vocabulary starts from.
 *
 * SentencePiece takes the inner nodes of a suffix tree: substrings that are followed by different
 * symbols in different places. Here the same are found length by length: the group of a substring is
 * the group of what comes before its last symbol, and that symbol. Groups that occur once are dropped.
 */

import type { CountedWords } from "./bpe-training.ts";
import { PairTable } from "./pair-table.ts";

export interface FrequentSubstring {
  readonly text: string;
  /** Occurrences, each word as often as it was counted. */
  readonly frequency: number;
}

/**
 * Substrings of 2 to `longest` symbols that occur at least twice, those first that save most symbols
 * (frequency times length), then in code unit order.
 *
 * @param words - symbols are code points
 * @param most - number of results at most
 */
export function frequentSubstrings(
  { symbols, starts, counts }: CountedWords,
  longest: number,
  most: number,
): FrequentSubstring[] {
  const total = starts.at(-1) ?? 0;
  const wordOf = new Int32Array(total);
  for (let word = 0; word < counts.length; word++) {
    wordOf.fill(word, starts[word], starts[word + 1]);
  }
  let alive = Int32Array.from({ length: total }, (_, place) => place);
  const groupOf = symbols.slice(0, total);
  /** Of the substrings one symbol shorter; empty while these are single symbols. */
  let shorter: Groups | undefined;
  const found: { readonly text: string; readonly frequency: number; readonly saved: number }[] = [];

  const collect = (groups: Groups, length: number): void => {
    for (let group = 0; group < groups.frequencies.length; group++) {
      const frequency = groups.frequencies[group] as number;
      if (frequency < 2 || groups.alwaysFollowed[group]) continue;
      const first = groups.firsts[group] as number;
      const text = String.fromCodePoint(...symbols.subarray(first, first + length));
      found.push({ text, frequency, saved: frequency * length });
    }
  };

  for (let length = 2; length <= longest && alive.length > 0; length++) {
    const table = new PairTable(Math.min(alive.length, 1 << 20));
    const frequencies: number[] = [];
    const firsts: number[] = [];
    let kept = 0;
    for (const place of alive) {
      const word = wordOf[place] as number;
      const last = place + length - 1;
      if (last >= (starts[word + 1] as number)) continue;
      const group = table.add(groupOf[place] as number, symbols[last] as number);
      if (group === frequencies.length) {
        frequencies.push(0);
        firsts.push(place);
      }
      frequencies[group] = (frequencies[group] as number) + (counts[word] as number);
      groupOf[place] = group;
      alive[kept++] = place;
    }
    if (shorter !== undefined) {
      for (let group = 0; group < frequencies.length; group++) {
        const parent = table.left(group);
        if (frequencies[group] === shorter.frequencies[parent]) shorter.alwaysFollowed[parent] = 1;
      }
      collect(shorter, length - 1);
    }
    const groups = { frequencies, firsts, alwaysFollowed: new Uint8Array(frequencies.length) };
    alive = alive
      .subarray(0, kept)
      .filter((place) => (frequencies[groupOf[place] as number] as number) >= 2);
    if (length === longest || alive.length === 0) collect(groups, length);
    shorter = groups;
  }
  found.sort((a, b) => b.saved - a.saved || (a.text < b.text ? -1 : 1));
  return found.slice(0, most).map(({ text, frequency }) => ({ text, frequency }));
}

interface Groups {
  readonly frequencies: number[];
  /** A place where each group's substring begins. */
  readonly firsts: readonly number[];
  /** Whether the same symbol follows everywhere: then the longer substring says it all. */
  readonly alwaysFollowed: Uint8Array;
}
