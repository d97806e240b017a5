import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseMixture } from "./mixture-text.ts";
import { prefetch } from "./prefetch.ts";
import { byteTokenizer } from "./tokenizer.ts";
import {
  describeData,
  noticesOf,
  openTrainingData,
  type TrainingDataOptions,
} from "./training-data.ts";

let base = "";
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "meshloom-data-"));
  const record = (i: number) => JSON.stringify({ text: `record ${i} ${"x".repeat(i % 40)}` });
  await writeFile(
    join(base, "r.jsonl"),
    Array.from({ length: 400 }, (_, i) => record(i)).join("\n"),
  );
  await writeFile(join(base, "t.txt"), "All work and no play.\n".repeat(300));
});
afterAll(() => rm(base, { recursive: true }));

function open(changes: Partial<TrainingDataOptions> = {}) {
  return openTrainingData({
    data: join(base, "t.txt"),
    tokenizer: byteTokenizer,
    batch: 4,
    length: 32,
    seed: 1,
    folder: join(base, "cache"),
    ...changes,
  });
}

describe("the words of --data", () => {
  it.each([
    ["books", [["books", undefined]]],
    [
      "books,wikitext-2",
      [
        ["books", undefined],
        ["wikitext-2", undefined],
      ],
    ],
    [
      "books:0.7, wikitext-2:0.3",
      [
        ["books", 0.7],
        ["wikitext-2", 0.3],
      ],
    ],
    [
      "a/*.{md,txt}:0.5,C:\\notes.txt:.5",
      [
        ["a/*.{md,txt}", 0.5],
        ["C:\\notes.txt", 0.5],
      ],
    ],
    [
      "a:0.33,b:0.33,c:0.33",
      [
        ["a", 1 / 3],
        ["b", 1 / 3],
        ["c", 1 / 3],
      ],
    ],
  ])("%s", (words, expected) => {
    const found = parseMixture(words).map(({ name, weight }) => [name, weight]);
    expect(found.map(([name]) => name)).toEqual(expected.map(([name]) => name));
    found.forEach(([, weight], i) => {
      const share = expected[i]?.[1];
      if (typeof share === "number") expect(weight).toBeCloseTo(share, 12);
      else expect(weight).toBe(undefined);
    });
  });

  it.each([
    ["a:0.7,b:0.4", "add up to 1.1, not 1.\n  fix    give shares of 1: a:0.636,b:0.364"],
    ["a:0.7,b", "b has no weight, others have one."],
    ["a:1,b:0", "the weight of b is not above 0."],
    ["a,a", "a stands in it twice."],
    ["a,,b", "a name is missing."],
    ["", "a name is missing."],
  ])("refuses %j", (words, message) => {
    expect(() => parseMixture(words)).toThrow(message);
  });
});

describe("training data", () => {
  it("is encoded, divided and batched, with facts for people", async () => {
    const data = await open();
    expect(describeData(data)).toBe(
      `${join(base, "t.txt")}, 6.271K byte tokens, licence: not stated (your own text)`,
    );
    const [part] = data.parts;
    expect((part?.train.length ?? 0) + data.heldOut.tokens).toBe(300 * 22 + 2);
    expect(data.heldOut.bytes).toBe(data.heldOut.tokens);
    const batch = data.batches.train(0);
    expect(batch.targets.slice(0, 31)).toEqual(batch.tokens.slice(1, 32));
    expect([...data.batches.validation()].length).toBe(3);
    data.close();
  });

  it("mixes by the weights given, else by size; another seed or text is another thing", async () => {
    const both = `${join(base, "t.txt")},${join(base, "r.jsonl")}`;
    const bySize = await open({ data: both });
    const sizes = bySize.parts.map(({ train }) => train.length);
    bySize.parts.forEach(({ weight }, i) => {
      expect(weight).toBeCloseTo(sizes[i]! / (sizes[0]! + sizes[1]!), 12);
    });
    const weighed = await open({ data: `${join(base, "t.txt")}:0.9,${join(base, "r.jsonl")}:0.1` });
    expect(weighed.parts.map(({ weight }) => weight)).toEqual([0.9, 0.1]);
    expect(weighed.sha256).toBe(bySize.sha256);
    expect((await open()).sha256).not.toBe(bySize.sha256);
    expect((await open({ seed: 2 })).batches.train(0)).not.toEqual((await open()).batches.train(0));
    expect((await open({ seed: 2 })).batches.train(7)).toEqual(
      (await open({ seed: 2 })).batches.train(7),
    );
  });

  it("packs records so that none sees another, and reports the waste", async () => {
    const data = await open({ data: join(base, "r.jsonl"), packed: true });
    const { tokens, segments, targets } = data.batches.train(3);
    const rows = Buffer.from(tokens.slice(0, 32)).toString();
    expect(rows.startsWith("record ")).toBe(true);
    expect(new Set(segments)).toContain(1);
    expect(targets.length).toBe(4 * 32);
    expect(data.batches.waste).toBeGreaterThan(0);
    expect(data.batches.waste).toBeLessThan(0.5);
  });

  it("says what is wrong before anything is encoded", async () => {
    const told: string[] = [];
    const onProgress = (corpus: string) => void told.push(corpus);
    const folder = join(base, "other");
    await expect(
      open({ data: `${join(base, "t.txt")},bookz`, onProgress, folder }),
    ).rejects.toThrow('"bookz" is not a known corpus.');
    await expect(open({ vocab: 128, onProgress, folder })).rejects.toThrow(
      "data: the tokenizer byte has 256 tokens, the model 128.",
    );
    expect(told).toEqual([]);
    (await open({ onProgress, folder })).close();
    expect(told.length).toBeGreaterThan(0);
  });

  it("tells of documents left out and bytes replaced, and of what a corpus holds", async () => {
    const notices: string[] = [];
    const own = join(base, "odd.jsonl");
    const records = Array.from({ length: 60 }, (_, i) => `{"text": "text ${i} of some length"}`);
    await writeFile(
      own,
      Buffer.concat([
        Buffer.from(`${records.join("\n")}\n{"text": " "}\n{"text": "`),
        Buffer.of(0xff),
        Buffer.from('"}\n'),
      ]),
    );
    await expect(open({ data: own })).rejects.toThrow("is not UTF-8 at byte");
    await open({ data: own, onInvalid: "replace", onNotice: (line) => notices.push(line) });
    expect(notices.join("\n")).toContain("1 empty documents skipped");
    expect(notices.join("\n")).toContain("1 places were no UTF-8; U+FFFD stands there now");
    const corpus = { name: "rude", notice: "contains offensive text" };
    expect(noticesOf({ parts: [{ corpus }] as never })).toEqual(["rude: contains offensive text"]);
  });
});

describe("prefetch", () => {
  const turn = () => new Promise((done) => setImmediate(done));

  it("makes the next batches while the caller waits for its step, in order", async () => {
    const made: number[] = [];
    const batches = prefetch((step) => made.push(step) && `batch ${step}`, 5);
    const first = batches.next();
    expect(first.batch).toBe("batch 5");
    expect(first.waited).toBeGreaterThanOrEqual(0);
    for (let i = 0; i < 4; i++) await turn();
    // Two ahead, no more.
    expect(made).toEqual([5, 6, 7]);
    expect(batches.next()).toEqual({ batch: "batch 6", waited: 0 });
    expect(batches.next()).toEqual({ batch: "batch 7", waited: 0 });
    // Nothing was awaited: this one is made at once, and no batch is made twice.
    expect(batches.next().batch).toBe("batch 8");
    for (let i = 0; i < 4; i++) await turn();
    expect(made).toEqual([5, 6, 7, 8, 9, 10]);
    batches.close();
  });

  it("goes on from another step, and stops when closed", async () => {
    const made: number[] = [];
    const batches = prefetch((step) => made.push(step), 0, { ahead: 1 });
    batches.next();
    batches.seek(100);
    await turn();
    await turn();
    expect(made).toEqual([0, 100]);
    batches.next();
    batches.close();
    await turn();
    expect(made).toEqual([0, 100]);
  });

  it("tells of a batch that cannot be made to the step that wants it", async () => {
    const batches = prefetch((step) => {
      if (step === 2) throw new Error("damaged page");
      return step;
    }, 0);
    expect(batches.next().batch).toBe(0);
    for (let i = 0; i < 4; i++) await turn();
    expect(batches.next().batch).toBe(1);
    expect(() => batches.next()).toThrow("damaged page");
    batches.close();
  });
});
