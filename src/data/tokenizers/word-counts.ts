/** @file How often each word occurs in a stream of texts, in bounded memory. */

import { DataError } from "../../core/errors.ts";
import { META, type Span, type Splitting, splitterOf } from "./splitting.ts";
import { WordTable } from "./word-table.ts";

/** A word is cut where it gets longer than this: one endless run must not slow every merge. */
const LONGEST_WORD = 4096;
const DEFAULT_MOST_WORDS = 4_000_000;

export interface WordCounts {
  /** In the order of their first occurrence. */
  readonly counts: ReadonlyMap<string, number>;
  readonly texts: number;
  /** UTF-16 code units read. */
  readonly characters: number;
  /** Words that occurred at most this often were given up to keep memory bounded; 0 for none. */
  readonly floor: number;
}

export interface CountingRules {
  readonly splitting: Splitting;
  readonly normalise: (text: string) => string;
  /** Different words in memory at most. */
  readonly mostWords?: number;
  onText?(texts: number, characters: number): void;
}

/**
 * Counts the words of all texts.
 *
 * Above `mostWords` different words, the rarest are given up: those seen once, then those seen twice,
 * and so on. What is left is then a lower bound of each count.
 *
 * @throws DataError when the texts hold no word
 */
export async function countWords(
  texts: AsyncIterable<string> | Iterable<string>,
  { splitting, normalise, mostWords = DEFAULT_MOST_WORDS, onText }: CountingRules,
): Promise<WordCounts> {
  const split = splitterOf(splitting);
  let words = new WordTable();
  let times: number[] = [];
  let floor = 0;
  let seen = 0;
  let characters = 0;
  const count: Span = (text, start, end) => {
    if (end - start > LONGEST_WORD) {
      const middle = start + LONGEST_WORD;
      const cut = isLowSurrogate(text, middle) ? middle - 1 : middle;
      count(text, start, cut);
      count(text, cut, end);
      return;
    }
    const word = words.add(text, start, end);
    if (word < times.length) {
      times[word] = (times[word] as number) + 1;
      return;
    }
    times.push(1);
    if (words.size < mostWords) return;
    [words, times, floor] = withoutRarest(words, times, mostWords, floor);
  };
  for await (const text of texts) {
    const whole = normalise(wellFormed(text));
    split(splitting === "metaspace" ? withMeta(whole) : whole, count);
    seen++;
    characters += text.length;
    onText?.(seen, characters);
  }
  if (words.size === 0) {
    throw new DataError("DATA-01", "tokenizer: the texts to learn from are empty.", [
      ["texts", `${seen}`],
      ["fix", "give a corpus that holds text"],
    ]);
  }
  const counts = new Map(times.map((count, word) => [words.word(word), count]));
  return { counts, texts: seen, characters, floor };
}

/** A space becomes `▁`, and the text begins with one. */
export function withMeta(text: string): string {
  return text === "" ? "" : META + text.replaceAll(" ", META);
}

/** Half a surrogate pair has no UTF-8; U+FFFD stands for it, as in every encoder of UTF-8. */
export function wellFormed(text: string): string {
  return (text as string & { toWellFormed(): string }).toWellFormed();
}

function isLowSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00;
}

/** Raises the floor until a tenth of the room is free; keeps the order of the others. */
function withoutRarest(
  words: WordTable,
  times: readonly number[],
  mostWords: number,
  floor: number,
): [WordTable, number[], number] {
  const rarest = times.toSorted((a, b) => a - b);
  const raised = Math.max(floor + 1, rarest[Math.ceil(0.1 * mostWords)] ?? 1);
  const kept = new WordTable();
  const keptTimes: number[] = [];
  times.forEach((count, index) => {
    if (count <= raised) return;
    const word = words.word(index);
    kept.add(word, 0, word.length);
    keptTimes.push(count);
  });
  return [kept, keptTimes, raised];
}
