/**
 * @file Text into words, before any piece is looked for: no piece reaches over the edge of a word.
 *
 * `gpt2` is that model's pattern, `gpt4` the newer kind (numbers by three digits, any case of `'s`) in the
 * form that Llama 3 has. `metaspace` is SentencePiece's way: a
 * space becomes `▁`, and a word begins at each of them.
 */

import { gpt2WordEnd, gpt4WordEnd, type WordEnd } from "./ascii-words.ts";

/** A word by its place: the characters of `text` from `start` up to `end`. */
export type Span<Result = void> = (text: string, start: number, end: number) => Result;

/** Calls `emit` with each word of a text, in order; together they are the text. */
export type Splitter = (text: string, emit: Span) => void;

export const SPLITTINGS = ["gpt2", "gpt4", "metaspace"] as const;
export type Splitting = (typeof SPLITTINGS)[number];

/** What stands for a space. */
export const META = "▁";

const GPT2_SOURCE = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const GPT4_SOURCE = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const QWEN_SOURCE = GPT4_SOURCE.replace(String.raw`\p{N}{1,3}`, String.raw`\p{N}`);

/**
 * Patterns whose alternatives take every character, so that one word begins where the last ended; with
 * what is known of them in ASCII.
 */
const WHOLE_PATTERNS: ReadonlyMap<string, WordEnd> = new Map([
  [GPT2_SOURCE, gpt2WordEnd],
  [GPT4_SOURCE, gpt4WordEnd],
  [QWEN_SOURCE, () => -1],
]);

/** The pattern of a splitting as `tokenizer.json` writes it. */
export function patternSource(splitting: "gpt2" | "gpt4"): string {
  return splitting === "gpt2" ? GPT2_SOURCE : GPT4_SOURCE;
}

/** The splitter of a pattern that is known to take every character; undefined for any other pattern. */
export function wholeSplitter(source: string): Splitter | undefined {
  const inAscii = WHOLE_PATTERNS.get(source);
  return inAscii === undefined ? undefined : splitByWhole(translated(source), inAscii);
}

export function splitterOf(splitting: Splitting): Splitter {
  const source = splitting === "metaspace" ? "" : patternSource(splitting);
  return wholeSplitter(source) ?? splitAtMeta;
}

/**
 * Words that begin at each `▁`.
 *
 * `"▁a▁▁b"` is `▁a`, `▁`, `▁b`.
 */
export const splitAtMeta: Splitter = (text, emit) => {
  let start = 0;
  while (start < text.length) {
    const next = text.indexOf(META, start + 1);
    const end = next < 0 ? text.length : next;
    emit(text, start, end);
    start = end;
  }
};

/** Words that begin at each run of `▁`: `"▁a▁▁b"` is `▁a`, `▁▁b`. */
export const splitAtMetaRuns: Splitter = (text, emit) => {
  let start = 0;
  while (start < text.length) {
    let at = start;
    while (text[at] === META) at++;
    const next = text.indexOf(META, at);
    const end = next < 0 ? text.length : next;
    emit(text, start, end);
    start = end;
  }
};

/** The whole text as one word. */
export const dontSplit: Splitter = (text, emit) => {
  if (text !== "") emit(text, 0, text.length);
};

function splitByWhole(pattern: RegExp, inAscii: WordEnd): Splitter {
  return (text, emit) => {
    let start = 0;
    while (start < text.length) {
      let end = inAscii(text, start);
      if (end < 0) {
        // `test` makes no match object; where the match began is known.
        pattern.lastIndex = start;
        pattern.test(text);
        end = pattern.lastIndex;
      }
      emit(text, start, end);
      start = end;
    }
  };
}

/** Words are the matches of a pattern and what lies between them. */
export function splitByPattern(pattern: RegExp): Splitter {
  return (text, emit) => {
    let start = 0;
    for (const match of text.matchAll(pattern)) {
      if (match[0] === "") continue;
      if (match.index > start) emit(text, start, match.index);
      start = match.index + match[0].length;
      emit(text, match.index, start);
    }
    if (start < text.length) emit(text, start, text.length);
  };
}

/**
 * JavaScript's form of a pattern above.
 *
 * `\s` means Unicode's White_Space in `tokenizer.json`; JavaScript's own `\s` has U+FEFF and lacks
 * U+0085. A group that ignores case is spelled out; U+017F is the small s that `(?i:s)` takes as well.
 */
function translated(source: string): RegExp {
  const js = source
    .replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?:[sSſtTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])")
    .replaceAll(String.raw`[^\s`, String.raw`[^\p{White_Space}`)
    .replaceAll(String.raw`\s`, String.raw`\p{White_Space}`)
    .replaceAll(String.raw`\S`, String.raw`\P{White_Space}`);
  return new RegExp(js, "gu");
}
