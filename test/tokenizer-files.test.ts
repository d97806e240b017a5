/** @file Damaged tokenizer files, added tokens, and opening by file, folder and name. */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError } from "../src/core/errors.ts";
import { openTokenizer } from "../src/data/tokenizers/open.ts";
import type { FileTokenizer } from "../src/data/tokenizers/open-json.ts";
import { openTokenizerJson } from "../src/data/tokenizers/open-json.ts";
import { openMutated } from "./mutated-tokenizers.ts";
import { recorded } from "./tokenizers.ts";

interface Parts {
  added_tokens: { id: number; content: string; special: boolean }[];
  model: { vocab: Record<string, number>; merges: unknown[]; [key: string]: unknown };
  [key: string]: unknown;
}

/** A small BPE file, changed. */
function changed(change: (file: Parts) => unknown): string {
  const file: Parts = {
    version: "1.0",
    added_tokens: [{ id: 0, content: "<eos>", special: true }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: { "<eos>": 0, a: 1, b: 2, ab: 3 }, merges: [["a", "b"]] },
  };
  change(file);
  return JSON.stringify(file);
}

const withParts = (parts: object): string => changed((file) => Object.assign(file, parts));
const withModel = (parts: object): string => changed((file) => Object.assign(file.model, parts));
const withVocab = (ids: object): string => changed((file) => Object.assign(file.model.vocab, ids));

describe("a damaged tokenizer.json", () => {
  const split = (Regex: string): object => ({
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false },
      { type: "ByteLevel", add_prefix_space: false, use_regex: false },
    ],
  });
  const cases: readonly (readonly [string, string, string])[] = [
    ["no JSON", "{", "it is not JSON."],
    ["a list", "[]", "it has a wrong form."],
    ["no model", "{}", 'it has a wrong "model".'],
    ["an unknown model", withModel({ type: "Trigram" }), 'it has a model of the type "Trigram".'],
    [
      "a merge of an unknown piece",
      changed((f) => f.model.merges.push(["ab", "c"])),
      'it has merge 1 of "ab" and "c", but no piece "c".',
    ],
    [
      "a merge into an unknown piece",
      changed((f) => f.model.merges.push(["b", "a"])),
      'but no piece "ba".',
    ],
    [
      "a merge of three",
      changed((f) => f.model.merges.push("a b a")),
      'it has merge 1 as "a b a", which are not two pieces.',
    ],
    [
      "the same merge twice",
      changed((f) => f.model.merges.push("a b")),
      'it merges "a" and "b" twice.',
    ],
    ["two pieces of one id", withVocab({ b: 1 }), 'it gives the id 1 to "a" and to "b".'],
    ["a negative id", withVocab({ b: -1 }), 'it gives the piece "b" the id -1.'],
    ["half an id", withVocab({ b: 1.5 }), 'it gives the piece "b" the id 1.5.'],
    ["ids with holes", withVocab({ b: 4000 }), "it has 4 tokens but ids up to 4000."],
    [
      "an added token on another's id",
      changed((f) => f.added_tokens.push({ id: 1, content: "<x>", special: true })),
      'it gives the id 1 to "a" and to the added token "<x>".',
    ],
    [
      "an added token with two ids",
      changed((f) => f.added_tokens.push({ id: 9, content: "a", special: true })),
      'it gives the added token "a" the ids 1 and 9.',
    ],
    [
      "an empty added token",
      changed((f) => f.added_tokens.push({ id: 9, content: "", special: true })),
      'it has a wrong "added_tokens.1.content".',
    ],
    [
      "an unknown <unk>",
      withModel({ unk_token: "<unk>" }),
      'it has the unknown token "<unk>", which is not in its vocabulary.',
    ],
    ["an empty vocabulary", withModel({ vocab: {} }), "it has an empty vocabulary."],
    [
      "a pattern that takes for ever",
      withParts({ pre_tokenizer: split("(a+)+$") }),
      'it has the pattern "(a+)+$", which takes too long.',
    ],
    ["a pattern that is none", withParts({ pre_tokenizer: split("([") }), "which cannot be read."],
    [
      "a long pattern",
      withParts({ pre_tokenizer: split("a".repeat(5000)) }),
      'it has a wrong "pre_tokenizer.pattern.Regex".',
    ],
    [
      "an unknown normaliser",
      withParts({ normalizer: { type: "Magic" } }),
      'it has a wrong "normalizer.type".',
    ],
    [
      "an unknown decoder",
      withParts({ decoder: { type: "Magic" } }),
      'it has a wrong "decoder.type".',
    ],
    [
      "an unknown post-processor",
      withParts({ post_processor: { type: "Magic" } }),
      'it has a post-processor of the type "Magic".',
    ],
    [
      "a template with an unknown id",
      withParts({
        post_processor: {
          type: "TemplateProcessing",
          single: [{ SpecialToken: { id: "<eos>" } }],
          special_tokens: { "<eos>": { ids: [99] } },
        },
      }),
      "it puts the id 99 around a text, which no token has.",
    ],
    ["a deep nest", `{"model":${"[".repeat(9000)}${"]".repeat(9000)}}`, "it nests deeper than 64."],
    [
      "a piece without a score",
      changed(
        (f) =>
          void Object.assign(f, {
            model: { type: "Unigram", unk_id: 0, vocab: [["<unk>", 0], ["a"]] },
          }),
      ),
      'it has ["a"] as piece 1, which is not a piece and its score.',
    ],
    [
      "a piece twice",
      changed(
        (f) =>
          void Object.assign(f, {
            model: {
              type: "Unigram",
              unk_id: 0,
              vocab: [
                ["a", 0],
                ["a", 0],
              ],
            },
          }),
      ),
      'it has the piece "a" twice.',
    ],
    [
      "an unknown id without a piece",
      changed(
        (f) => void Object.assign(f, { model: { type: "Unigram", unk_id: 7, vocab: [["a", 0]] } }),
      ),
      "it has the unknown id 7, but only 1 pieces.",
    ],
  ];

  it.each(cases)("%s", (_, text, message) => {
    let error: unknown;
    try {
      openTokenizerJson(text, "it");
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).headline).toContain(message);
    expect((error as DataError).message).toContain("fix ");
  });

  it("is opened or refused, but nothing else happens", () => {
    const { opened, refused } = openMutated(300, 1);
    expect(opened).toBeGreaterThan(30);
    expect(refused).toBeGreaterThan(60);
  });

  it("may name its pieces after anything", () => {
    const text = withModel({
      vocab: JSON.parse('{"<eos>":0,"a":1,"b":2,"ab":3,"__proto__":4,"7":5}'),
    });
    const tokenizer = openTokenizerJson(text, "it");
    expect([tokenizer.vocab, tokenizer.piece(4), tokenizer.piece(5)]).toEqual([
      6,
      "__proto__",
      "7",
    ]);
  });
});

describe("added tokens", () => {
  const withTokens = (...tokens: object[]): FileTokenizer =>
    openTokenizerJson(
      changed((f) => f.added_tokens.push(...(tokens as Parts["added_tokens"]))),
      "it",
    );
  const plain = {
    special: false,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  };

  it("that are not special are found in any text, the longest first", () => {
    const tokenizer = withTokens(
      { ...plain, id: 4, content: "aa" },
      { ...plain, id: 5, content: "aab" },
    );
    expect([...tokenizer.encode("aabaa<eos>")]).toEqual([5, 4]);
    expect([...tokenizer.encode("aabaa<eos>", { parseSpecial: true })]).toEqual([5, 4, 0]);
  });

  it("take white space and stand alone as they say", () => {
    const tokenizer = withTokens(
      { ...plain, id: 4, content: "[L]", lstrip: true },
      { ...plain, id: 5, content: "[R]", rstrip: true },
      { ...plain, id: 6, content: "bb", single_word: true },
    );
    expect([...tokenizer.encode("a  [L]b[R] \n a bb abb")]).toEqual([1, 4, 2, 5, 1, 6, 3, 2]);
  });
});

describe("openTokenizer", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "meshloom-tokenizer-"));
    await mkdir(join(folder, "hub"));
    await mkdir(join(folder, "empty"));
    await writeFile(join(folder, "hub", "tokenizer.json"), recorded.files["llama"] ?? "");
    await writeFile(
      join(folder, "hub", "tokenizer_config.json"),
      JSON.stringify({
        bos_token: { content: "<s>" },
        eos_token: "</s>",
        pad_token: "<unk>",
        chat_template: "{{ x }}",
      }),
    );
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("takes a file, a folder of the Hub, or a name", async () => {
    const hub = (await openTokenizer(join(folder, "hub"))) as FileTokenizer;
    expect([hub.name, hub.kind, hub.bos, hub.endOfText, hub.padding]).toEqual([
      "hub",
      "BPE",
      1,
      2,
      0,
    ]);
    expect(hub.chatTemplate).toBe("{{ x }}");
    const file = await openTokenizer(join(folder, "hub", "tokenizer.json"));
    expect(file.fingerprint()).toBe(hub.fingerprint());
    expect((await openTokenizer("byte")).vocab).toBe(256);
  });

  it("says what is missing", async () => {
    const missing = join(folder, "no.json");
    await expect(openTokenizer(missing)).rejects.toThrow(`there is no file or folder ${missing}.`);
    await expect(openTokenizer(join(folder, "empty"))).rejects.toThrow("holds no tokenizer.json.");
    await writeFile(join(folder, "empty", "tokenizer.json"), recorded.files["llama"] ?? "");
    await writeFile(join(folder, "empty", "tokenizer_config.json"), "[1]");
    await expect(openTokenizer(join(folder, "empty"))).rejects.toThrow(
      "tokenizer_config.json holds no object.",
    );
  });
});
