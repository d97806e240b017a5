import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { documentTexts } from "./documents.ts";
import type { Split } from "./entry.ts";
import { dataFolder } from "./named.ts";
import { listCorpora, openCorpus } from "./table.ts";

async function textsOf(name: string, split?: Split): Promise<string[]> {
  return documentTexts(await openCorpus(name), { split });
}

/** Documents of each split, as the READMEs of the data sets count their rows. */
const SIZES: Readonly<Record<string, readonly [all: number, train?: number, held?: number]>> = {
  "moby-dick": [138],
  tinyshakespeare: [1],
  books: [7],
  "wikitext-2": [120, 60, 60],
  "nlp-tasks": [20_851],
  "nlp-tasks/boolq": [1868],
  "nlp-tasks/gsm8k": [3000],
  "nlp-tasks/winogender": [72],
  cola: [9594, 8551, 527],
  xquad: [640],
  "xquad/zh": [160],
  tatoeba: [5581],
  "tatoeba/deu": [694],
  "offensive-language": [10_497],
  "topical-chat": [1078, 539, 539],
  "taskmaster-4": [710],
  "schema-guided-dialogue": [767],
  "begin-groundedness": [2729, 1229, 1500],
  diasafety: [10_114, 9017, 1097],
  "hh-harmless": [1151],
};

describe.skipIf(!existsSync(join(dataFolder(), "books")))(
  "the shared data (skipped where it is not beside the checkout)",
  () => {
    it("covers every named corpus", () => {
      expect(listCorpora().filter(({ name }) => !(name in SIZES))).toEqual([]);
    });

    it.each(Object.entries(SIZES))("%s has its rows, each in one split", async (name, sizes) => {
      const corpus = await openCorpus(name);
      const [train, validation] = [await textsOf(name, "train"), await textsOf(name, "validation")];
      const [all, trainSize = train.length, heldSize = validation.length] = sizes;
      const whole = await textsOf(name);
      expect(whole.length).toBe(all);
      expect([train.length, validation.length]).toEqual([trainSize, heldSize]);
      if (corpus.files.some(({ goes }) => goes.kind === "tail")) {
        expect(train.map((text, i) => text + validation[i])).toEqual(whole);
      } else if (name !== "cola") expect(trainSize + heldSize).toBe(all);
      if (corpus.files.some(({ goes }) => goes.kind === "hash")) {
        // Equal texts have equal hashes, so none stands on both sides.
        const held = new Set(validation);
        expect(train.filter((text) => held.has(text))).toEqual([]);
      }
      expect([...train, ...validation].every((text) => /\S/.test(text))).toBe(true);
    });
  },
);
