/** @file How often each word occurs in a stream of texts, in bounded memory. */

import { DataError } from "../../core/errors.ts";
import { META, type Splitter, type Splitting, splitterOf } from "./splitting.ts";

/** A word is cut where it gets longer than this: one endless run must not slow every merge. */
const LONGEST_WORD = 4096;
/** V8 keeps the whole text alive for a slice of this length or more. */
const SLICE_LENGTH = 13;
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
  const counts = new Map<string, number>();
  const split: Splitter = splitterOf(splitting);
  let floor = 0;
  let seen = 0;
  let characters = 0;
  const count = (word: string): void => {
    if (word.length > LONGEST_WORD) {
      for (const part of cut(word)) count(part);
      return;
    }
    const known = counts.get(word);
    if (known !== undefined) {
      counts.set(word, known + 1);
      return;
    }
    if (counts.size >= mostWords) floor = dropRarest(counts, mostWords, floor);
    counts.set(word.length < SLICE_LENGTH ? word : unsliced(word), 1);
  };
  for await (const text of texts) {
    const whole = wellFormed(text);
    split(splitting === "metaspace" ? withMeta(normalise(whole)) : normalise(whole), count);
    seen++;
    characters += text.length;
    onText?.(seen, characters);
  }
  if (counts.size === 0) {
    throw new DataError("DATA-01", "tokenizer: the texts to learn from are empty.", [
      ["texts", `${seen}`],
      ["fix", "give a corpus that holds text"],
    ]);
  }
  return { counts, texts: seen, characters, floor };
}

/** A space becomes `▁`, and the text begins with one. */
export function withMeta(text: string): string {
  return text === "" ? "" : META + text.replaceAll(" ", META);
}

/** Half a surrogate pair has no UTF-8; U+FFFD stands for it, as in every encoder of UTF-8. */
export function wellFormed(text: string): string {
  return LONE_SURROGATE.test(text) ? text.replace(LONE_SURROGATES, "\ufffd") : text;
}
const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** The same word without the text that it was cut from. */
export function unsliced(word: string): string {
  return Buffer.from(word, "utf16le").toString("utf16le");
}

function cut(word: string): string[] {
  const symbols = Array.from(word);
  const parts: string[] = [];
  for (let at = 0; at < symbols.length; at += LONGEST_WORD / 2) {
    parts.push(symbols.slice(at, at + LONGEST_WORD / 2).join(""));
  }
  return parts;
}

/** Raises the floor until a tenth of the room is free. */
function dropRarest(counts: Map<string, number>, mostWords: number, floor: number): number {
  let raised = floor;
  while (counts.size > 0.9 * mostWords) {
    raised++;
    for (const [word, count] of counts) if (count <= raised) counts.delete(word);
  }
  return raised;
}
