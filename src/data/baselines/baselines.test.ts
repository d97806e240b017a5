import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { documents } from "../corpora/documents.ts";
import { openCorpus } from "../corpora/table.ts";
import { compressionOf } from "./compression.ts";
import { type NGramOptions, trainNGrams } from "./n-gram-model.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const SMOOTHINGS = ["kneser-ney", "witten-bell", "add-one"] as const;

/** The probability of each token after `context`. */
function row(sequences: number[][], options: NGramOptions, context: number[]): number[] {
  const model = trainNGrams(sequences, options);
  const at = model.start();
  for (const token of context) at.push(token);
  return Array.from({ length: options.vocab }, (_, token) => model.probability(at, token));
}

describe("bigrams of a b a b a c, worked out by hand", () => {
  // a = 0, b = 1, c = 2, and d = 3 never seen. Bigrams: ^a 1, ab 2, ba 2, ac 1.
  const sequence = [[0, 1, 0, 1, 0, 2]];

  it("Kneser-Ney", () => {
    // Before a stand ^ and b, before b stands a, before c stands a: continuations 2, 1, 1 of 4 in all.
    // Order 1: n1 = 2, n2 = 1, D = 2/4 = ½; 3 kinds follow the empty context.
    //   p(a) = (2 − ½)/4 + (½·3/4)/4 = 0.375 + 0.09375
    //   p(b) = p(c) = (1 − ½)/4 + 0.09375; p(d) = 0.09375
    const unigram = [0.46875, 0.21875, 0.21875, 0.09375];
    // Order 2: n1 = 2 (^a, ac), n2 = 2 (ab, ba), D = 2/6 = ⅓. After a come b twice and c once: sum 3, 2 kinds.
    const left = ((1 / 3) * 2) / 3;
    const expected = [
      left * 0.46875,
      (2 - 1 / 3) / 3 + left * 0.21875,
      (1 - 1 / 3) / 3 + left * 0.21875,
      left * 0.09375,
    ];
    const options = { vocab: 4, order: 2, smoothing: "kneser-ney" } as const;
    row(sequence, options, [0]).forEach((p, i) => void expect(p).toBeCloseTo(expected[i]!, 14));
    // Nothing was seen after c: the shorter context answers.
    row(sequence, options, [2]).forEach((p, i) => void expect(p).toBeCloseTo(unigram[i]!, 14));
  });

  it("Witten-Bell", () => {
    // Order 1: counts 3, 2, 1 of 6, 3 kinds, uniform ¼ below: (c + 3/4)/9.
    const unigram = [3.75 / 9, 2.75 / 9, 1.75 / 9, 0.75 / 9];
    // After a: b 2, c 1, 2 kinds: (c + 2p)/5.
    const expected = unigram.map((p, i) => ([0, 2, 1, 0][i]! + 2 * p) / 5);
    const found = row(sequence, { vocab: 4, order: 2, smoothing: "witten-bell" }, [0]);
    found.forEach((p, i) => void expect(p).toBeCloseTo(expected[i]!, 14));
  });

  it("add-one", () => {
    const found = row(sequence, { vocab: 4, order: 2, smoothing: "add-one" }, [0]);
    expect(found).toEqual([1 / 7, 3 / 7, 2 / 7, 1 / 7]);
  });
});

describe("every model", () => {
  const sequences = fc.array(fc.array(fc.nat(4), { maxLength: 30 }), { maxLength: 4 });

  it.each(SMOOTHINGS)("%s gives probabilities above 0 that sum to 1, after any context", (name) => {
    fc.assert(
      fc.property(
        sequences,
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.nat(5), { maxLength: 6 }),
        (text, order, context) => {
          const found = row(text, { vocab: 6, order, smoothing: name }, context);
          expect(Math.min(...found)).toBeGreaterThan(0);
          expect(found.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
        },
      ),
      { seed: 3, numRuns: 150 },
    );
  });

  it("writes what it has learnt by heart in few bits", () => {
    const text = [...bytes("the cat sat on the mat. ".repeat(200))];
    const model = trainNGrams([text], { vocab: 256, order: 6, smoothing: "kneser-ney" });
    // 1.6 would do for the letters of one line; what discounts hold back is left.
    expect(model.bits([text]) / text.length).toBeLessThan(0.1);
  });
});

describe("on Moby-Dick", async () => {
  const corpus = await openCorpus("moby-dick");
  const texts: string[] = [];
  for await (const { text } of documents(corpus)) if (texts.push(text) === 12) break;
  const [train, held] = [bytes(texts.slice(2, 11).join("\n")), bytes(texts.slice(11).join("\n"))];
  const perByte = (order: number, smoothing: NGramOptions["smoothing"]) =>
    trainNGrams([train], { vocab: 256, order, smoothing }).bits([held]) / held.length;

  it("Kneser-Ney and Witten-Bell beat add-one, and longer contexts shorter ones", () => {
    const kneserNey = [1, 2, 3, 4].map((order) => perByte(order, "kneser-ney"));
    expect(kneserNey).toEqual(kneserNey.toSorted((a, b) => b - a));
    expect(perByte(4, "kneser-ney")).toBeLessThan(perByte(4, "add-one"));
    expect(perByte(4, "witten-bell")).toBeLessThan(perByte(4, "add-one"));
    expect(perByte(4, "kneser-ney")).toBeLessThan(perByte(4, "witten-bell"));
  });

  it("refuses an order of nothing", () => {
    expect(() => perByte(0, "kneser-ney")).toThrow("n-grams: order is 0.");
  });

  it("compressors take fewer bytes when they know the training text", async () => {
    for (const compressor of ["gzip", "brotli", "xz"] as const) {
      const found = await compressionOf(compressor, train, held);
      // xz is a program that may not be there.
      if (found === undefined) expect(compressor).toBe("xz");
      else expect(found.primed).toBeLessThan(found.alone);
    }
    const gzip = await compressionOf("gzip", train, held);
    expect(gzip?.alone).toBe((8 * gzipSync(held, { level: 9 }).length) / held.length);
  });
});
