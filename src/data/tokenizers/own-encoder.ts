/** @file Text into ids by our own code: sections, words, and what is remembered of each word. */

import { sectionsBy } from "./added-tokens.ts";
import { bpeModel } from "./bpe-model.ts";
import type { TokenizerFile } from "./file.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Span } from "./splitting.ts";
import { unigramModel } from "./unigram-model.ts";
import { WordTable } from "./word-table.ts";

/** @returns ids of a well-formed text */
export type Encode = (text: string, parseSpecial: boolean) => Int32Array;

/** Longer words are worked out each time: they hardly ever come back. */
const LONGEST_REMEMBERED = 64;
/** Words remembered at once; beyond that, all are forgotten. */
const MOST_REMEMBERED = 1 << 18;

/** @param special - ids that no word may become */
export function ownEncoder(
  file: TokenizerFile,
  pipeline: Pipeline,
  special: ReadonlySet<number>,
): Encode {
  const { model } = file;
  if (model.type !== "BPE" && model.type !== "Unigram")
    throw new Error(`no words of ${model.type}`);
  const idsOf =
    model.type === "Unigram"
      ? unigramModel(model, pipeline.byteLevel, special)
      : bpeModel(model, pipeline.byteLevel, special);
  const plain = sectionsBy(file.added.filter((token) => !token.special));
  const all = sectionsBy(file.added);
  let words = new WordTable();
  let idsOfWord = new IdLists();
  return (text, parseSpecial) => {
    const out = new IdList(text.length >> 2);
    const emit: Span = (whole, start, end) => {
      if (end - start > LONGEST_REMEMBERED) {
        for (const id of idsOf(whole.slice(start, end))) out.push(id);
        return;
      }
      let word = words.find(whole, start, end);
      if (word < 0) {
        if (words.size === MOST_REMEMBERED) {
          words = new WordTable();
          idsOfWord = new IdLists();
        }
        word = words.add(whole, start, end);
        idsOfWord.add(idsOf(whole.slice(start, end)));
      }
      idsOfWord.copy(word, out);
    };
    let first = true;
    for (const section of (parseSpecial ? all : plain)(text)) {
      if (section.id !== undefined) out.push(section.id);
      else pipeline.split(pipeline.prepare(section.text, first), emit);
      first = false;
    }
    return out.ids();
  };
}

/** Ids in a typed array that grows. */
class IdList {
  #ids: Int32Array<ArrayBuffer>;
  #size = 0;

  constructor(expected = 0) {
    this.#ids = new Int32Array(expected + 64);
  }

  get size(): number {
    return this.#size;
  }

  at(index: number): number {
    return this.#ids[index] as number;
  }

  push(id: number): void {
    if (this.#size === this.#ids.length) {
      const more = new Int32Array(2 * this.#size);
      more.set(this.#ids);
      this.#ids = more;
    }
    this.#ids[this.#size++] = id;
  }

  ids(): Int32Array {
    return this.#ids.slice(0, this.#size);
  }
}

/** The ids of each word, one list after another. */
class IdLists {
  readonly #ids = new IdList();
  readonly #starts = new IdList();

  constructor() {
    this.#starts.push(0);
  }

  add(ids: readonly number[]): void {
    for (const id of ids) this.#ids.push(id);
    this.#starts.push(this.#ids.size);
  }

  copy(word: number, out: IdList): void {
    const end = this.#starts.at(word + 1);
    for (let at = this.#starts.at(word); at < end; at++) out.push(this.#ids.at(at));
  }
}
