import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { DataError } from "../../core/errors.ts";
import { byteTokenizer, type Tokenizer } from "../tokenizer.ts";
import { gpt2WordEnd, gpt4WordEnd } from "./ascii-words.ts";
import { type FileTokenizer, openTokenizerJson } from "./open-json.ts";
import { safePattern } from "./patterns.ts";
import { patternSource, splitByPattern, splitterOf, wholeSplitter } from "./splitting.ts";
import { trainTokenizer } from "./training.ts";

const TEXT = readFileSync(
  new URL("../../../test/recorded/tokenizers/languages.txt", import.meta.url),
  "utf8",
);
const runs = { seed: 5, numRuns: 200 };
/** `▁` is how some spell a space: it comes back as one. */
const text = fc
  .oneof(
    fc.string({ unit: "grapheme", maxLength: 40 }),
    fc.string({ unit: "binary", maxLength: 20 }),
    fc
      .array(
        fc.constantFrom(...TEXT.split(/(?<= )/), "  ", "\n\n", "<s>", "<0x41>", "<|endoftext|>"),
        {
          maxLength: 12,
        },
      )
      .map((parts) => parts.join("")),
    fc.integer({ min: 40, max: 400 }).map((n) => "ab🧵é".repeat(n)),
  )
  .map((s) => wellFormed(s).replaceAll("▁", "_"));

const wellFormed = (s: string): string => (s as string & { toWellFormed(): string }).toWellFormed();

const KINDS = ["byte", "gpt2", "gpt4", "metaspace", "unigram", "byte unigram", "chat"] as const;
const tokenizers = new Map<string, Tokenizer>([["byte", byteTokenizer]]);
const of = (kind: string): Tokenizer => tokenizers.get(kind) ?? byteTokenizer;

beforeAll(async () => {
  const special = ["<|endoftext|>", "<|user|>", "<|assistant|>", "<pad>"];
  const made: readonly [string, Promise<Tokenizer>][] = [
    ["gpt2", trainTokenizer([TEXT], { kind: "bpe", vocab: 500 })],
    ["gpt4", trainTokenizer([TEXT], { kind: "bpe", vocab: 500, splitting: "gpt4" })],
    [
      "metaspace",
      trainTokenizer([TEXT], { kind: "bpe", vocab: 800, splitting: "metaspace", coverage: 0.98 }),
    ],
    ["unigram", trainTokenizer([TEXT], { kind: "unigram", vocab: 800, coverage: 0.98 })],
    ["byte unigram", trainTokenizer([TEXT], { kind: "unigram", vocab: 500, splitting: "gpt2" })],
    ["chat", trainTokenizer([TEXT], { kind: "bpe", vocab: 400, special })],
  ];
  for (const [kind, tokenizer] of made) tokenizers.set(kind, await tokenizer);
});

describe.each(KINDS)("%s", (kind) => {
  it("decodes what it encoded", () => {
    fc.assert(
      fc.property(text, (s) => {
        expect(of(kind).decode(of(kind).encode(s))).toBe(s);
      }),
      runs,
    );
    expect(of(kind).decode(of(kind).encode(TEXT))).toBe(TEXT);
  });

  it("reads half a surrogate pair as U+FFFD", () => {
    for (const s of ["\ud800", "a\udc00b", "\udc00\ud800", "x\ud83e"]) {
      expect(of(kind).decode(of(kind).encode(s))).toBe(wellFormed(s));
    }
  });

  it("never makes a special token out of a text, and does when asked", () => {
    const { special } = of(kind);
    const ids = new Set(special.values());
    fc.assert(
      fc.property(text, fc.constantFrom("", ...special.keys()), (s, content) => {
        const encoded = of(kind).encode(`${s}${content}${s}`);
        return encoded.every((id) => !ids.has(id));
      }),
      runs,
    );
    for (const [content, id] of special) {
      expect([...of(kind).encode(content, { parseSpecial: true })]).toEqual([id]);
      expect(of(kind).decode([id])).toBe("");
      expect(of(kind).decode([id], { special: "show" })).toBe(content);
    }
  });

  it("streams to the same text as decoding at once, for any ids, and never half a character", () => {
    const id = fc.integer({ min: 0, max: of(kind).vocab - 1 });
    fc.assert(
      fc.property(
        fc.array(id, { maxLength: 40 }),
        fc.constantFrom("skip", "show"),
        (ids, special) => {
          const stream = of(kind).stream({ special });
          const pieces = ids.map((one) => stream.push(one)).join("") + stream.end();
          expect(pieces).toBe(of(kind).decode(ids, { special }));
        },
      ),
      runs,
    );
    for (const s of ["🧵🪢👩‍🔬", "早晨", "नहीं", "x\u{10ffff}"]) {
      const stream = of(kind).stream();
      const pieces = Array.from(of(kind).encode(s), (one) => stream.push(one));
      for (const piece of pieces) expect(piece).not.toContain("\ufffd");
      expect(pieces.join("") + stream.end()).toBe(s);
    }
  });

  it("says how many bytes its ids stand for", () => {
    fc.assert(
      fc.property(text, (s) => {
        const ids = of(kind).encode(s);
        const sum = ids.reduce((bytes, id) => bytes + of(kind).bytesOf(id), 0);
        const bytes = new TextEncoder().encode(s).length;
        // One more under metaspace: the space that stands before each text.
        const before = s !== "" && (kind === "metaspace" || kind === "unigram") ? 1 : 0;
        expect(sum).toBe(bytes + before);
      }),
      runs,
    );
  });

  it("opens again from its own file, with the same fingerprint", () => {
    const again = openTokenizerJson(of(kind).json(), "again");
    expect(again.fingerprint()).toBe(of(kind).fingerprint());
    expect(again.encode(TEXT)).toEqual(of(kind).encode(TEXT));
    expect(again.vocab).toBe(of(kind).vocab);
    // White space and the order of keys are not what a tokenizer is.
    const value = JSON.parse(of(kind).json()) as Record<string, unknown>;
    const turned = Object.fromEntries(Object.entries(value).reverse());
    expect(openTokenizerJson(JSON.stringify(turned), "turned").fingerprint()).toBe(
      again.fingerprint(),
    );
  });

  it("names ids outside the vocabulary", () => {
    for (const id of [-1, of(kind).vocab, 0.5, Number.NaN]) {
      expect(() => of(kind).decode([id])).toThrow(DataError);
      expect(() => of(kind).stream().push(id)).toThrow(DataError);
      expect(() => of(kind).bytesOf(id)).toThrow(`decode: ${id} is not a token of`);
    }
  });
});

describe("special tokens", () => {
  it("are not learnt from a text that spells them", async () => {
    const lines = Array.from({ length: 50 }, () => "<|endoftext|> <|endoftext|>\n");
    const tokenizer = await trainTokenizer(lines, { kind: "bpe", vocab: 400 });
    expect([...tokenizer.encode("<|endoftext|>")]).not.toContain(tokenizer.endOfText);
    const meta = await trainTokenizer(
      Array.from({ length: 50 }, () => "<s><s></s>"),
      {
        kind: "unigram",
        vocab: 290,
      },
    );
    expect(meta.encode("<s></s>").every((id) => id > 2)).toBe(true);
  });

  it("have roles by their names", () => {
    const chat = of("chat");
    expect([chat.endOfText, chat.padding, chat.bos]).toEqual([0, 3, undefined]);
    const meta = of("metaspace");
    expect([meta.endOfText, meta.padding, meta.bos]).toEqual([2, undefined, 1]);
    expect([...meta.encode("a", { addSpecial: true })][0]).toBe(1);
  });
});

describe("words in ASCII", () => {
  const ascii = fc
    .array(
      fc.constantFrom(
        ..."abZ059 .,!'_-\n\r\t\v\0\u007f",
        "'re",
        "'LL",
        "  ",
        "é",
        "ſ",
        "早",
        "\u0085",
      ),
      { maxLength: 14 },
    )
    .map((parts) => parts.join(""));

  it.each([
    ["gpt2", gpt2WordEnd],
    ["gpt4", gpt4WordEnd],
  ] as const)("%s by hand are those of the pattern", (name, wordEnd) => {
    // The package's own translation of the pattern is the oracle.
    const byPattern = splitByPattern(safePattern(patternSource(name), name));
    const wordsOf = (split: typeof byPattern, s: string): string[] => {
      const words: string[] = [];
      split(s, (whole, start, end) => words.push(whole.slice(start, end)));
      return words;
    };
    let decided = 0;
    fc.assert(
      fc.property(ascii, (s) => {
        const words = wordsOf(splitterOf(name), s);
        expect(words).toEqual(wordsOf(byPattern, s));
        expect(words.join("")).toBe(s);
        if (s !== "" && wordEnd(s, 0) > 0) decided++;
      }),
      { seed: 9, numRuns: 3000 },
    );
    expect(decided).toBeGreaterThan(1000);
    expect(wholeSplitter("other")).toBeUndefined();
  });
});

describe("training", () => {
  it("gives the same file again, and reads texts from any source", async () => {
    async function* lines(): AsyncGenerator<string> {
      for (const line of TEXT.split("\n")) yield `${line}\n`;
    }
    for (const kind of ["bpe", "unigram"] as const) {
      const options = { kind, vocab: 700 };
      const first = await trainTokenizer(lines(), options);
      expect((await trainTokenizer(lines(), options)).json()).toBe(first.json());
    }
  });

  it("has ids for special tokens first, then bytes, then the alphabet", async () => {
    const tokenizer = (await trainTokenizer(["bab bab"], {
      kind: "bpe",
      vocab: 300,
      splitting: "metaspace",
    })) as FileTokenizer;
    const pieces = Array.from({ length: tokenizer.vocab }, (_, id) => tokenizer.piece(id));
    expect(pieces.slice(0, 4)).toEqual(["<unk>", "<s>", "</s>", "<0x00>"]);
    // All pairs occur twice: those of the smaller ids are merged first.
    expect(pieces.slice(259)).toEqual(["a", "b", "▁", "ab", "bab", "▁bab"]);
  });

  it("keeps to its limits", async () => {
    const short = await trainTokenizer([TEXT], { kind: "bpe", vocab: 600, longestPiece: 3 });
    const lengths = Array.from({ length: short.vocab }, (_, id) => short.bytesOf(id));
    expect(Math.max(...lengths)).toBe(3);
    const rare = await trainTokenizer([TEXT], { kind: "bpe", vocab: 5000, minFrequency: 20 });
    expect(rare.vocab).toBeLessThan(500);
    const few = await trainTokenizer([TEXT], {
      kind: "unigram",
      vocab: 600,
      alphabet: 30,
      longestPiece: 4,
    });
    const learnt = Array.from({ length: few.vocab }, (_, id) => few.piece(id)).slice(259);
    expect(learnt.filter((piece) => [...piece].length === 1).length).toBe(30);
    expect(Math.max(...learnt.map((piece) => [...piece].length))).toBe(4);
  });

  it("gives up the rarest words when there are too many", async () => {
    const many = Array.from({ length: 5000 }, (_, i) => `common ${i.toString(36)}x`);
    const tokenizer = await trainTokenizer(many, { kind: "bpe", vocab: 300, mostWords: 1000 });
    expect([...tokenizer.encode("common")].length).toBe(1);
  });

  it("writes unknown characters as <unk> without byte fallback", async () => {
    const tokenizer = await trainTokenizer(["abab ab"], {
      kind: "bpe",
      vocab: 20,
      splitting: "metaspace",
      byteFallback: false,
    });
    const unknown = tokenizer.special.get("<unk>");
    expect(Array.from(tokenizer.encode("abξψ"), (id) => id === unknown)).toEqual([false, true]);
  });

  it.each([
    [{ kind: "bpe", vocab: 100 }, "tokenizer: vocab 100 is too small."],
    [{ kind: "bpe", vocab: 2.5 }, "tokenizer: vocab is 2.5."],
    [{ kind: "bpe", vocab: 500, coverage: 0 }, "tokenizer: coverage is 0."],
    [
      { kind: "bpe", vocab: 500, special: ["<a>", "<a>"] },
      'the special token "<a>" is given twice.',
    ],
    [{ kind: "bpe", vocab: 500, special: ["a"] }, "is shorter than two characters."],
    [{ kind: "bpe", vocab: 500, special: ["<0x0A>"] }, "is the name of a byte."],
    [{ kind: "bpe", vocab: 500, longestPiece: 1 }, "tokenizer: longestPiece is 1."],
    [{ kind: "unigrm" as "bpe", vocab: 500 }, 'tokenizer: kind "unigrm" is not known.'],
  ] as const)("refuses %o", async (options, message) => {
    await expect(trainTokenizer([TEXT], options)).rejects.toThrow(message);
  });

  it("refuses texts without a word", async () => {
    await expect(trainTokenizer(["", ""], { kind: "bpe", vocab: 300 })).rejects.toThrow(
      "tokenizer: the texts to learn from are empty.\n  texts    2",
    );
  });
});
