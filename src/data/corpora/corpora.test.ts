import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { DataError } from "../../core/errors.ts";
import { conversationText } from "./conversation.ts";
import { conversations, type Document, documents, documentTexts, noCounts } from "./documents.ts";
import type { Corpus, Split } from "./entry.ts";
import { dataFolder } from "./named.ts";
import { globMatcher } from "./paths.ts";
import { listCorpora, openCorpus } from "./table.ts";

const prose = "Call me Ishmael. Some years ago.\n".repeat(40);
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "meshloom-corpus-"));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => void vi.unstubAllEnvs());

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, content);
  return path;
}

async function read(corpus: Corpus, split?: Split): Promise<Document[]> {
  const found: Document[] = [];
  for await (const document of documents(corpus, { split })) found.push(document);
  return found;
}

async function textsOf(name: string, split?: Split): Promise<string[]> {
  return documentTexts(await openCorpus(name), { split });
}

describe("named corpora", () => {
  it("have Moby-Dick with the package, a document a chapter, in the book's order", async () => {
    const texts = await textsOf("moby-dick");
    expect(texts.length).toBe(138);
    expect(texts[0]).toMatch(/^ETYMOLOGY\./);
    expect(texts.map((text) => /^CHAPTER (\d+)\./.exec(text)?.[1]).filter(Boolean)).toEqual(
      Array.from({ length: 135 }, (_, i) => String(i + 1)),
    );
    expect(await textsOf("moby-dick", "validation")).toEqual(texts.slice(-4));
    expect(await textsOf("moby-dick", "train")).toEqual(texts.slice(0, -4));
  });

  it("read the shared folders, and say where they looked", async () => {
    await file("data/tinyshakespeare/README.md", "not a play");
    await file("data/tinyshakespeare/input.txt.gz", gzipSync(prose));
    vi.stubEnv("MESHLOOM_DATA", join(folder, "data"));
    expect(await textsOf("tinyshakespeare")).toEqual([prose]);
    await expect(openCorpus("books")).rejects.toThrow(
      `corpus: "books" is not on this machine.\n  looked for    ${join(folder, "data/books/bleak-house.txt.gz")}`,
    );
  });

  it("have facts each, and names of their own", () => {
    const names = listCorpora().map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { licence, source, form, division, language } of listCorpora()) {
      for (const fact of [licence, source, form, division]) expect(fact.length).toBeGreaterThan(2);
      expect(language).toMatch(/^[a-z]{2}(, [a-z]{2})*$/);
    }
    const marked = listCorpora().filter(({ notice }) => notice !== undefined);
    expect(marked.map(({ name }) => name)).toEqual([
      "offensive-language",
      "diasafety",
      "hh-harmless",
    ]);
  });
});

describe.skipIf(!existsSync(join(dataFolder(), "books")))(
  "the shared data (skipped where it is not beside the checkout)",
  () => {
    it("divides texts at one place: the sides make up the whole", async () => {
      for (const name of ["tinyshakespeare", "books/middlemarch"]) {
        const [train, held, all] = await Promise.all([
          textsOf(name, "train"),
          textsOf(name, "validation"),
          textsOf(name),
        ]);
        expect(all.length, name).toBe(train.length);
        all.forEach((text, i) => void expect(train[i]! + held[i]! === text).toBe(true));
        if (name.startsWith("books")) expect(train.every((text) => text.endsWith("\n"))).toBe(true);
        else expect(train[0]!.length).toBe(Math.floor(all[0]!.length * 0.9));
      }
    });

    it("keeps parallel paragraphs of one article on one side", async () => {
      const counts = await Promise.all(
        ["en", "de", "es", "zh"].map(
          async (part) => (await textsOf(`xquad/${part}`, "validation")).length,
        ),
      );
      expect(new Set(counts)).toEqual(new Set([10]));
    });

    it("shows a record of each kind as text", async () => {
      const first = async (name: string) => (await textsOf(name))[0];
      expect(await first("cola")).toBe(
        "Our friends won't buy this analysis, let alone the next one we propose.\nJudgement: acceptable",
      );
      expect(await first("tatoeba/fra")).toMatch(/^[^\n]+\n[^\n]+$/);
      expect(await first("nlp-tasks/arc-challenge")).toMatch(
        /^Question: An astronomer [^\n]*\nAnswer: Planetary days will become shorter\.$/,
      );
      expect(await first("nlp-tasks/winograd-wsc273")).toBe(
        "The city councilmen refused the demonstrators a permit because the city councilmen feared violence.",
      );
      expect(await first("nlp-tasks/piqa")).toBe(
        "ice box\nwill turn into a cooler if you add water to it",
      );
      expect(await first("nlp-tasks/copa")).toBe(
        "My body cast a shadow over the grass.\ncause: The sun was rising.",
      );
      expect(await first("xquad/en")).toMatch(
        /^The Panthers defense [^\n]+\n\nQuestion: [^\n]+\nAnswer: 308\n\nQuestion: /,
      );
      expect(await first("wikitext-2")).toMatch(/^ = Homarus gammarus = \n/);
    });

    it("reads dialogs as conversations, services included; text is the same reader", async () => {
      const roles = {
        "topical-chat": ["agent_1", "agent_2"],
        "taskmaster-4": ["assistant", "call", "result", "user"],
        "schema-guided-dialogue": ["assistant", "call", "result", "user"],
        "begin-groundedness": ["assistant", "knowledge", "user"],
        diasafety: ["assistant", "user"],
        "hh-harmless": ["assistant", "user"],
      };
      for (const [name, expected] of Object.entries(roles)) {
        const corpus = await openCorpus(name);
        const seen = new Set<string>();
        const texts: string[] = [];
        for await (const conversation of conversations(corpus, { split: "validation" })) {
          for (const { role } of conversation.turns) seen.add(role);
          expect(conversation.turns.length).toBeGreaterThan(1);
          texts.push(conversationText(conversation));
        }
        expect([...seen].sort(), name).toEqual(expected);
        expect(texts).toEqual(await textsOf(name, "validation"));
      }
      const [order] = await textsOf("taskmaster-4");
      expect(order?.split("\n").slice(0, 3)).toEqual([
        "user: one Chai Latte please",
        'call: get_menu_items {"query": "Chai Latte"}',
        'result: get_menu_items {"menu_items":[{"menu_item_id":"chai-latte-1928","name":"Chai Latte"}]}',
      ]);
    });
  },
);

describe("paths", () => {
  it("reads a file and drops its byte order mark", async () => {
    expect(await textsOf(await file("one.txt", `\ufeff${prose}`))).toEqual([prose]);
  });

  it("reads the texts of a folder by path, hidden ones and settings left out", async () => {
    await file("tree/b.txt", `${prose}B`);
    await file("tree/a/z.md", `${prose}A\n`);
    await file("tree/a/y.jsonl.gz", gzipSync('{"text": "J"}\n{"text": " "}\n{"text": "K"}'));
    await file("tree/.hidden/x.txt", prose);
    await file("tree/c.json", '{"text": "no"}');
    const corpus = await openCorpus(join(folder, "tree"));
    const counts = noCounts();
    const found: Document[] = [];
    for await (const document of documents(corpus, { counts })) found.push(document);
    expect(found.map(({ text, index }) => [text, index])).toEqual([
      ["J", 0],
      ["K", 1],
      [`${prose}A\n`, 2],
      [`${prose}B`, 3],
    ]);
    expect(counts.empty).toBe(1);
    expect(found[1]?.source).toBe(`${join(folder, "tree/a/y.jsonl.gz")} line 3`);
  });

  it("reads globs, nested fields, arrays of texts and separators", async () => {
    await file("globs/one.json", '[{"a": {"b": "1"}}, "2"]');
    await file("globs/two.ndjson", '{"a": {"b": "3"}}');
    await file("globs/deep/three.txt", "4\n--\n5\n--\n");
    const pattern = join(folder, "globs/**/*.{json,ndjson,txt}");
    const corpus = await openCorpus(pattern, { field: "a.b", separator: "\n--\n" });
    expect((await read(corpus)).map(({ text }) => text)).toEqual(["4", "5", "1", "2", "3"]);
  });

  it("knows conversations of a user's own", async () => {
    const path = await file(
      "chat.jsonl",
      '{"messages": [{"role": "user", "content": "hi"}]}\n{"turns": [{"role": "a", "text": "b"}]}',
    );
    const found: string[] = [];
    for await (const one of conversations(await openCorpus(path)))
      found.push(conversationText(one));
    expect(found).toEqual(["user: hi", "a: b"]);
    await expect(conversations(await openCorpus("moby-dick")).next()).rejects.toThrow(
      "corpus: moby-dick holds no conversations.",
    );
  });

  it("divides few texts at their ends, many by their hash", async () => {
    for (let i = 0; i < 70; i++) await file(`many/${i}.txt`, `text ${i}`);
    const many = join(folder, "many");
    const [train, held] = [await textsOf(many, "train"), await textsOf(many, "validation")];
    expect([...train, ...held].sort()).toEqual((await textsOf(many)).sort());
    expect(held.length).toBeGreaterThan(0);
    expect(held.length).toBeLessThan(15);
    const one = await file("single.txt", prose);
    const sides = [await textsOf(one, "train"), await textsOf(one, "validation")].flat();
    expect(sides.join("")).toBe(prose);
    expect(sides[1]?.length).toBe(2 * 33);
    expect(await textsOf(one, "test")).toEqual([]);
  });

  it("hands out long documents in pieces with one index", async () => {
    const corpus = await openCorpus(await file("long.txt", prose));
    const pieces: Document[] = [];
    for await (const piece of documents(corpus, { pieceLength: 100 })) pieces.push(piece);
    expect(pieces.map(({ text }) => text).join("")).toBe(prose);
    expect(pieces.map(({ continues }) => continues)).toEqual(
      pieces.map((_, i) => i < pieces.length - 1),
    );
    expect(new Set(pieces.map(({ index }) => index))).toEqual(new Set([0]));
  });

  it.each([
    ["*.txt", "a.txt", true],
    ["*.txt", "b/a.txt", false],
    ["**/*.txt", "b/c/a.txt", true],
    ["**/*.txt", "a.txt", true],
    ["./x/**", "x/y/z", true],
    ["x/?.md", "x/y.md", true],
    ["x/?.md", "x/yy.md", false],
    ["[ab]*.{md,txt}", "b1.txt", true],
    ["[!ab]*", "b1", false],
    ["a+(b).txt", "a+(b).txt", true],
    ["a.txt", "abtxt", false],
  ])("glob %s, %s: %s", (pattern, path, expected) => {
    expect(globMatcher(pattern)(path)).toBe(expected);
  });
});

describe("errors", () => {
  it.each<[string, () => Promise<string> | string, string]>([
    [
      "unknown name",
      () => "moby-dik",
      '"moby-dick", or a path to a text file or folder    [DATA-01]',
    ],
    ["name of a part", () => "boolq", '"nlp-tasks/boolq", or a path'],
    [
      "unknown part",
      () => "xquad/fr",
      'corpus: xquad has no part "fr".\n  parts    en, de, es, zh',
    ],
    ["far name", () => "wikipedia", "give one of these, or a path to a text file or folder"],
    ["missing path", () => "./no/such.txt", "corpus: there is no file or folder ./no/such.txt."],
    ["glob of nothing", () => join(folder, "no*.txt"), "no*.txt.\n  looked in"],
    ["bad gzip", () => file("bad.txt.gz", prose), "bad.txt.gz is a damaged gzip file."],
    [
      "no text",
      async () => join(await file("none/x.json", "{}"), ".."),
      "none has no text file.\n  looked for    .txt, .md, .jsonl",
    ],
  ])("%s", async (_, path, text) => {
    const error = await textsOf(await path()).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toContain(text);
    expect((error as DataError).message).toContain("fix ");
  });
});
