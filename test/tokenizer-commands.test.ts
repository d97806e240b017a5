/** @file The commands `tokenizer train` and `tokenizer show`. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { meshloom } from "./command-line.ts";
import { LANGUAGES } from "./tokenizers.ts";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "meshloom-tokenizer-cli-"));
  await writeFile(at("text.txt"), LANGUAGES);
});
afterAll(() => rm(folder, { recursive: true }));

describe("tokenizer train", () => {
  it("writes a file that show reads", async () => {
    const words = ["--data", at("text.txt"), "--vocab", "420", "--out", at("bpe.json")];
    const trained = await meshloom("tokenizer", "train", ...words);
    expect(trained.code).toBe(0);
    expect(trained.out).toMatch(
      /bpe\.json: BPE, 420 ids, \d\.\d{3} bytes per token on .*text\.txt/,
    );
    expect(trained.err).toContain("420/420 pieces");
    const shown = await meshloom(
      "tokenizer",
      "show",
      at("bpe.json"),
      "--text",
      "The <|endoftext|>",
    );
    expect(shown.out).toContain("special       <|endoftext|> 0\nroles         0 ends a text\n");
    expect(shown.out).toMatch(/ id {2}piece +bytes\n/);
    const args = ["--text", "<|endoftext|>", "--parse-special", "--json"];
    const { out } = await meshloom("tokenizer", "show", at("bpe.json"), ...args);
    expect(JSON.parse(out)).toMatchObject({
      kind: "BPE",
      encoder: "own",
      vocab: 420,
      endOfText: 0,
      pieces: [{ id: 0, piece: "<|endoftext|>", bytes: 0 }],
    });
  });

  it("takes the kind, the alphabet and special tokens, and answers in JSON", async () => {
    const { code, out } = await meshloom(
      ...["tokenizer", "train", "--data", at("text.txt"), "--kind", "unigram", "--vocab", "700"],
      ...[
        "--special",
        "<unk>,<pad>,<|user|>",
        "--alphabet",
        "200",
        "--out",
        at("uni.json"),
        "--json",
      ],
    );
    expect(code).toBe(0);
    const result = JSON.parse(out);
    expect(result).toMatchObject({
      kind: "Unigram",
      vocab: 700,
      padding: 1,
    });
    // What is held out, a twentieth, is not counted: the tokenizer has not seen it.
    expect(result.bytes / Buffer.byteLength(LANGUAGES)).toBeCloseTo(0.95, 1);
    expect(result.bytesPerToken).toBeGreaterThan(1.5);
    expect(JSON.parse(await readFile(at("uni.json"), "utf8")).model.type).toBe("Unigram");
  });

  it("says what is wrong", async () => {
    const small = await meshloom("tokenizer", "train", "--data", at("text.txt"), "--vocab", "100");
    expect([small.code, small.err]).toEqual([
      2,
      expect.stringContaining("vocab 100 is too small."),
    ]);
    await writeFile(at("bad.json"), "{}");
    const bad = await meshloom("tokenizer", "show", at("bad.json"));
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining('bad has a wrong "model".')]);
    const byte = await meshloom("tokenizer", "show", "byte", "--data", at("text.txt"));
    expect(byte.out).toContain("1.000 bytes per token");
  });
});
