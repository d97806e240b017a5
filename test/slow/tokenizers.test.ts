/** @file Tokenizers against the Rust package on the shared data: every set that has text. */

import { describe, expect, test } from "vitest";
import { trainTokenizer } from "../../src/data/tokenizers/training.ts";
import {
  idsOfLines,
  mergeDigests,
  openRecorded,
  recorded,
  SHARED,
  sharedText,
  trainingText,
} from "../tokenizers.ts";

const OWN = Object.keys(recorded.files).filter((name) => openRecorded(name).encoder === "own");

// Without the shared folder there is nothing to read; `test/tokenizers.test.ts` needs none.
describe.skipIf(SHARED === undefined)("on the shared data", () => {
  test.each(Object.keys(recorded.sets))("%s becomes the same ids", (path) => {
    // By code points, as Python counts.
    const lines = Array.from(sharedText(path)).slice(0, recorded.most).join("").split("\n");
    const ours = OWN.map((name) => [name, idsOfLines(openRecorded(name), lines)]);
    expect(ours).toEqual(OWN.map((name) => [name, recorded.sets[path]?.[name]]));
  });

  test("texts in many scripts are among them", () => {
    const paths = Object.keys(recorded.sets);
    for (const part of [
      "eng-jpn",
      "eng-cmn",
      "eng-rus",
      "xquad/zh",
      "xquad/es",
      "xquad/de",
      "books/",
    ]) {
      expect(paths.filter((path) => path.includes(part))).not.toEqual([]);
    }
    expect(paths.length).toBeGreaterThan(80);
  });

  const cases = recorded.training.filter(({ text }) => text !== "languages");
  test.each(cases)("$text gives the same merges: $splitting $vocab $options", async (one) => {
    const { digests, merges, pieces } = one;
    expect(await mergeDigests(one)).toEqual({ digests, merges, pieces });
  });

  test("unigram of tinyshakespeare is as good as the Rust package's", async () => {
    const theirs = recorded.unigram.find(({ text }) => text === "tinyshakespeare");
    const text = trainingText("tinyshakespeare");
    const tokenizer = await trainTokenizer([text], {
      kind: "unigram",
      vocab: theirs?.pieces ?? 0,
      byteFallback: false,
    });
    const { vocab } = JSON.parse(tokenizer.json()).model as { vocab: [string, number][] };
    const scores = new Map(vocab);
    const ids = tokenizer.encode(text);
    const nats = -ids.reduce((sum, id) => sum + (scores.get(tokenizer.piece(id)) ?? Number.NaN), 0);
    expect(tokenizer.vocab).toBe(theirs?.pieces);
    // The algorithm leaves freedom in its seeds and in what it prunes: no worse by 1 %.
    expect(ids.length).toBeLessThan(1.01 * (theirs?.tokens ?? 0));
    expect(nats).toBeLessThan(1.01 * (theirs?.nats ?? 0));
    expect(tokenizer.decode(ids)).toBe(text);
  });
});
