import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { DataError } from "../core/errors.ts";
import { listCorpora, openCorpus } from "./corpus.ts";

const prose = "Call me Ishmael. ".repeat(20);
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

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

describe("named corpora", () => {
  it("has Moby-Dick with the package, in the book's order", async () => {
    const corpus = await openCorpus("moby-dick");
    const text = textOf(corpus.bytes);
    expect(text.startsWith("ETYMOLOGY.")).toBe(true);
    const marks = ["Call me Ishmael.", "CHAPTER 2.", "CHAPTER 10.", "CHAPTER 135.", "Epilogue"];
    const places = marks.map((mark) => text.indexOf(mark));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places[0]).toBeGreaterThan(0);
    expect(corpus.bytes.length).toBeGreaterThan(1_200_000);
    expect(corpus.sha256).toMatchInlineSnapshot(
      `"3a19c43c7ade3e2bf8f6647b3db6381aa2de820f1b6bbe49e55bd2e65146393f"`,
    );
  });

  it("reads the shared folders, packed or not, without their READMEs", async () => {
    await file("data/tinyshakespeare/README.md", "not a play");
    await file("data/tinyshakespeare/input.txt.gz", gzipSync(prose));
    vi.stubEnv("MESHLOOM_DATA", join(folder, "data"));
    const corpus = await openCorpus("tinyshakespeare");
    expect(textOf(corpus.bytes)).toBe(prose);
    await expect(openCorpus("books")).rejects.toThrow(
      `corpus: "books" is not on this machine.\n  looked at    ${join(folder, "data/books")}`,
    );
  });

  it("lists names, sources and licences", () => {
    expect(listCorpora().map((corpus) => corpus.name)).toEqual([
      "moby-dick",
      "tinyshakespeare",
      "books",
    ]);
  });
});

describe("paths", () => {
  it("reads a file and drops its byte order mark", async () => {
    const corpus = await openCorpus(await file("one.txt", `\ufeff${prose}`));
    expect(textOf(corpus.bytes)).toBe(prose);
  });

  it("reads the texts of a folder by path, hidden ones left out", async () => {
    await file("tree/b.txt", `${prose}B`);
    await file("tree/a/z.md", `${prose}A\n`);
    await file("tree/.hidden/x.txt", prose);
    await file("tree/c.json", "{}");
    const corpus = await openCorpus(join(folder, "tree"));
    expect(textOf(corpus.bytes)).toBe(`${prose}A\n\n${prose}B`);
  });
});

describe("errors", () => {
  const cases: readonly (readonly [string, () => Promise<string> | string, string])[] = [
    [
      "unknown name",
      () => "moby-dik",
      'corpus: "moby-dik" is not a known corpus.\n  known    moby-dick, tinyshakespeare, books\n  fix      "moby-dick", or a path to a text file or folder    [DATA-01]',
    ],
    ["far name", () => "wikipedia", "give one of these, or a path to a text file or folder"],
    ["missing path", () => "./no/such.txt", "corpus: there is no file or folder ./no/such.txt."],
    ["empty", () => file("empty.txt", ""), "empty.txt is empty."],
    ["too short", () => file("short.txt", "a\n"), "short.txt has only 2 B."],
    ["NUL", () => file("nul.txt", `${prose}\0x`), "nul.txt is not text: byte 340 is zero."],
    [
      "Latin-1",
      () => file("latin.txt", Buffer.concat([Buffer.from(prose), Buffer.of(0xe9, 0x20, 0x61)])),
      "latin.txt is not UTF-8 at byte 340.\n  found    0xe9",
    ],
    [
      "cut character",
      () => file("cut.txt", Buffer.concat([Buffer.from(prose), Buffer.of(0xe2, 0x82)])),
      "cut.txt is not UTF-8 at byte 342.\n  found    the end of the file, inside a character",
    ],
    ["bad gzip", () => file("bad.txt.gz", prose), "bad.txt.gz is a damaged gzip file."],
    [
      "no text",
      async () => join(await file("none/x.json", "{}"), ".."),
      "none has no text file.\n  looked for    .txt, .md",
    ],
  ];

  it.each(cases)("%s", async (_, path, text) => {
    const error = await openCorpus(await path()).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toContain(text);
    expect((error as DataError).message).toContain("fix ");
  });
});
