import { mkdir, mkdtemp, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { DataError } from "../../core/errors.ts";
import { openCorpus } from "../corpora/table.ts";
import { byteTokenizer } from "../tokenizer.ts";
import type { StoreTokenizer } from "./format.ts";
import { type OpenStoreOptions, openTokenStore, userTokenFolder } from "./open.ts";
import { PAGE_BYTES, PageCache } from "./paged-file.ts";

const LINES = Array.from(
  { length: 3000 },
  (_, i) => `line ${i}, of some length${" on".repeat(i % 7)}`,
);
const END = 65_999;
/** A token a character, ids up to 66,000, so that they need four bytes. */
const wide: StoreTokenizer = {
  name: "wide",
  vocab: 66_000,
  endOfText: END,
  fingerprint: () => "wide",
  encode: (text) => Int32Array.from(text, (letter) => 60_000 + (letter.codePointAt(0) ?? 0)),
};

let base = "";
let text = "";
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "meshloom-store-"));
  text = join(base, "lines.jsonl");
  await writeFile(text, LINES.map((line) => `${JSON.stringify({ text: line })}\n`).join(""));
});
afterAll(() => rm(base, { recursive: true }));
afterEach(() => void vi.unstubAllEnvs());

let made = 0;
/** Options of a store in a folder of its own. */
async function options(changes: Partial<OpenStoreOptions> = {}): Promise<OpenStoreOptions> {
  const folder = join(base, `cache-${made++}`);
  return { corpus: await openCorpus(text), tokenizer: byteTokenizer, folder, ...changes };
}

const EXPECTED = Int32Array.from(LINES.flatMap((line) => [...Buffer.from(`${line}\n\n`)]));
const WIDE = Int32Array.from(LINES.flatMap((line) => [...wide.encode(line), END]));

/** Comparing long arrays element by element takes vitest seconds. */
function expectSame(found: Int32Array, expected: Int32Array): void {
  expect(found.length).toBe(expected.length);
  const at = found.findIndex((id, i) => id !== expected[i]);
  expect([at, found[at]]).toEqual([-1, undefined]);
}

async function storeFolder(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith("."));
  expect(names.length).toBe(1);
  return join(folder, names[0] ?? "");
}

describe("a token store", () => {
  it.each([
    ["of two bytes", byteTokenizer, EXPECTED],
    ["of four bytes, with an end-of-text token", wide, WIDE],
  ])(
    "%s holds what the tokenizer answers, in shards and in memory alike",
    async (_, tokenizer, all) => {
      const given = await options({ tokenizer, shardTokens: 10_000 });
      vi.stubEnv("MESHLOOM_CACHE", "off");
      for (const store of [
        await openTokenStore(given),
        await openTokenStore(given),
        await openTokenStore({ ...given, folder: undefined }),
      ]) {
        expect(store.length).toBe(all.length);
        expectSame(store.read(0, all.length), all);
        for (const [from, to] of [
          [0, 0],
          [9990, 30_010],
          [all.length - 3, all.length],
        ] as const) {
          expectSame(store.read(from, to), all.slice(from, to));
        }
        expect(store.documents).toBe(LINES.length);
        const ends = store.ends(0, LINES.length);
        let end = 0;
        LINES.forEach((line, i) => {
          end += tokenizer.encode(line).length + (tokenizer === wide ? 1 : 2);
          if (ends[i] !== end) expect(ends[i]).toBe(end);
        });
        expect(store.ends(2990, 3000)).toEqual(ends.slice(2990));
        expect(() => store.read(0, all.length + 1)).toThrow(RangeError);
        store.close();
      }
      const names = await readdir(await storeFolder(given.folder ?? ""));
      expect(names.filter((name) => name.endsWith(".tokens")).length).toBeGreaterThan(5);
    },
  );

  it("is encoded once", async () => {
    const encode = vi.fn(byteTokenizer.encode);
    const given = await options({ tokenizer: { ...byteTokenizer, encode } });
    (await openTokenStore(given)).close();
    const calls = encode.mock.calls.length;
    expect(calls).toBe(LINES.length);
    (await openTokenStore(given)).close();
    expect(encode.mock.calls.length).toBe(calls);
  });

  it("reads more than the pages that are kept, the least recently used going first", async () => {
    const given = await options({ tokenizer: wide, shardTokens: 20_000, cacheBytes: PAGE_BYTES });
    const store = await openTokenStore(given);
    expect(WIDE.length * 4).toBeGreaterThan(5 * PAGE_BYTES);
    for (let at = 0; at + 100 < WIDE.length; at += 1013) {
      const from = (at * 7919) % (WIDE.length - 100);
      expectSame(store.read(from, from + 100), WIDE.slice(from, from + 100));
    }
    store.close();
    const cache = new PageCache(2 * PAGE_BYTES);
    const get = (key: string) => cache.get(key, () => new Uint8Array(1));
    for (const key of ["a", "b", "a", "c", "a", "b"]) get(key);
    // b went for c, since a was used after it.
    expect([cache.size, cache.misses]).toEqual([2, 4]);
  });

  it("has an own place for each tokenizer, split and way of reading", async () => {
    const given = await options();
    const stores = [
      given,
      { ...given, split: "train" as const },
      { ...given, split: "validation" as const },
      { ...given, tokenizer: wide },
      { ...given, tokenizer: { ...wide, fingerprint: () => "{}" } },
      { ...given, onInvalid: "replace" as const },
    ];
    const sizes: number[] = [];
    for (const one of stores) {
      const store = await openTokenStore(one);
      sizes.push(store.documents);
      store.close();
    }
    expect((await readdir(given.folder ?? "")).length).toBe(stores.length);
    expect((sizes[1] ?? 0) + (sizes[2] ?? 0)).toBe(sizes[0]);
  });

  it("finds the user's cache by the rules of the cache of models", () => {
    vi.stubEnv("MESHLOOM_CACHE", "off");
    expect(userTokenFolder()).toBe(undefined);
    vi.stubEnv("MESHLOOM_CACHE", "/somewhere");
    expect(userTokenFolder()).toBe(join("/somewhere", "tokens"));
    vi.stubEnv("MESHLOOM_CACHE", "");
    vi.stubEnv("XDG_CACHE_HOME", "/home/me/.cache");
    expect(userTokenFolder()).toBe(join("/home/me/.cache", "meshloom", "tokens"));
  });
});

describe("a store that is not good any more", () => {
  const notices: string[] = [];
  const onNotice = (line: string) => void notices.push(line);

  it("is encoded anew when a file changed, and says so", async () => {
    const own = join(base, "changing.txt");
    await writeFile(own, "one");
    const given = await options({ corpus: await openCorpus(own), onNotice });
    expect((await openTokenStore(given)).read(0, 5)).toEqual(
      Int32Array.from(Buffer.from("one\n\n")),
    );
    await writeFile(own, "two");
    await utimes(own, new Date(), new Date(Date.now() + 5000));
    expect((await openTokenStore(given)).read(0, 3)).toEqual(Int32Array.from(Buffer.from("two")));
    expect(notices.splice(0)).toEqual([`${own}: its files changed; encoding it again`]);
  });

  it.each<[string, (folder: string) => Promise<void>]>([
    ["a changed byte", (folder) => change(join(folder, "00001.tokens"), 77)],
    ["a cut shard", (folder) => writeFile(join(folder, "00001.tokens"), "short")],
    ["changed ends", (folder) => change(join(folder, "00000.ends"), 3)],
    ["a missing shard", (folder) => rm(join(folder, "00002.tokens"))],
    ["missing checksums", (folder) => rm(join(folder, "00000.crc"))],
    ["a torn index", (folder) => writeFile(join(folder, "index.json"), '{"format": 1')],
    [
      "an index that contradicts itself",
      async (folder) => {
        const path = join(folder, "index.json");
        const facts = JSON.parse(await readFile(path, "utf8"));
        await writeFile(path, JSON.stringify({ ...facts, tokens: facts.tokens + 1 }));
      },
    ],
    ["no index", (folder) => rm(join(folder, "index.json"))],
  ])("is encoded anew after %s, and says so", async (_, damage) => {
    const given = await options({ shardTokens: 20_000, onNotice });
    (await openTokenStore(given)).close();
    await damage(await storeFolder(given.folder ?? ""));
    const store = await openTokenStore(given);
    expectSame(store.read(0, store.length), EXPECTED);
    expect(notices.splice(0)).toEqual([`${text}: its tokens are damaged; encoding it again`]);
    expect((await readdir(given.folder ?? "")).length).toBe(1);
  });

  it("is noticed when a page goes bad while it is open", async () => {
    const given = await options({ shardTokens: 20_000, cacheBytes: 1 });
    const store = await openTokenStore(given);
    await change(join(await storeFolder(given.folder ?? ""), "00001.tokens"), 9);
    expectSame(store.read(0, 100), EXPECTED.slice(0, 100));
    expect(() => store.read(0, store.length)).toThrow("00001.tokens is damaged at byte 0.");
  });
});

async function change(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe("encoding that is killed", () => {
  /** Stops after so many documents, as a kill does. Its folder gets the name that a dead process leaves. */
  async function killedAfter(count: number, given: OpenStoreOptions): Promise<void> {
    let calls = 0;
    const encode = (piece: string) => {
      if (++calls > count) throw new Error("killed");
      return byteTokenizer.encode(piece);
    };
    const dying = { ...given, tokenizer: { ...byteTokenizer, fingerprint: () => "same", encode } };
    await expect(openTokenStore(dying)).rejects.toThrow("killed");
    const folder = given.folder ?? "";
    const [left = ""] = (await readdir(folder)).filter((name) => name.startsWith(".tmp-"));
    await rename(join(folder, left), join(folder, left.replace(/-\d+-/, "-999999999-")));
  }

  it.each([0, 100, 1000, 2900])("goes on after document %i, to the same store", async (count) => {
    const encode = vi.fn(byteTokenizer.encode);
    const notices: string[] = [];
    const given = await options({
      shardTokens: 5000,
      onNotice: (line) => notices.push(line),
      tokenizer: { ...byteTokenizer, fingerprint: () => "same", encode },
    });
    await killedAfter(count, given);
    const store = await openTokenStore(given);
    expectSame(store.read(0, store.length), EXPECTED);
    expect(store.documents).toBe(LINES.length);
    const undisturbed = await openTokenStore({ ...given, folder: join(base, `whole-${count}`) });
    expect(store.facts).toEqual(undisturbed.facts);
    const names = await readdir(given.folder ?? "");
    expect(names.filter((name) => name.startsWith("."))).toEqual([]);
    if (count >= 1000) {
      expect(notices[0]).toMatch(/went on after \d+ tokens encoded before$/);
      // Twice in all, less what was done before the kill.
      expect(encode.mock.calls.length).toBeLessThan(2 * LINES.length - count / 2);
    }
  });

  it("starts again when the files changed in between", async () => {
    const own = join(base, "between.jsonl");
    const write = (first: string) =>
      writeFile(
        own,
        [first, ...LINES].map((line) => `${JSON.stringify({ text: line })}\n`).join(""),
      );
    await write("before");
    const given = await options({
      corpus: await openCorpus(own),
      shardTokens: 5000,
      tokenizer: { ...byteTokenizer, fingerprint: () => "same" },
    });
    await killedAfter(2000, given);
    await write("after!");
    await utimes(own, new Date(), new Date(Date.now() + 5000));
    const store = await openTokenStore(given);
    expect(store.read(0, 6)).toEqual(Int32Array.from(Buffer.from("after!")));
  });

  it("leaves the work of a living process alone", async () => {
    const given = await options();
    const folder = given.folder ?? "";
    (await openTokenStore(given)).close();
    const key = (await storeFolder(folder)).slice(folder.length + 1);
    await rm(join(folder, key), { recursive: true });
    const theirs = `.tmp-${key}-${process.pid}-0123abcd`;
    await mkdir(join(folder, theirs));
    (await openTokenStore(given)).close();
    expect((await readdir(folder)).sort()).toEqual([theirs, key].sort());
  });
});

describe("texts that make no store", () => {
  it("says that nothing is there, and counts empty documents", async () => {
    const own = join(base, "empty.jsonl");
    await writeFile(own, '{"text": ""}\n{"text": " \\n"}\n');
    const error = await openTokenStore(await options({ corpus: await openCorpus(own) })).catch(
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toContain(`corpus: ${own} has no text.`);
    expect((error as DataError).message).toContain("empty documents    2, skipped");
  });

  it("refuses ids outside the vocabulary", async () => {
    const broken = { ...byteTokenizer, vocab: 100 };
    await expect(openTokenStore(await options({ tokenizer: broken }))).rejects.toThrow(
      "tokens: the tokenizer byte answered id 108.\n  vocabulary    100, so ids are 0 to 99",
    );
  });
});
