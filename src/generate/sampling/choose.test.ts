import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../core/errors.ts";
import { hash32 } from "../../data/permutation.ts";
import { createSampler } from "./choose.ts";
import { History } from "./history.ts";
import { logSumExp, tokenReport } from "./log-probabilities.ts";
import { checkSampling, PLAIN, type SamplingOptions } from "./options.ts";

const LOGITS = Float32Array.of(0.3, -1.2, 2, 1.1, -4, 0.9, 0.3, 1.9);
const DRAWS = 20_000;
const NOTHING = new History([]);

type Options = Partial<SamplingOptions>;

function distribution(logits: ArrayLike<number> = LOGITS, temperature = 1): number[] {
  const weights = Array.from(logits, (logit) => Math.exp(logit / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/** How often each token is chosen, over seeds 0, 1, 2 … at one place. */
function counts(
  options: Options,
  { logits = LOGITS, history = NOTHING, draws = DRAWS } = {},
): number[] {
  const found: number[] = Array.from(logits, () => 0);
  for (let seed = 0; seed < draws; seed++) {
    const token = createSampler({ ...PLAIN, ...options, seed }).choose(logits, history);
    found[token] = (found[token] ?? 0) + 1;
  }
  return found;
}

function chosen(options: Options, history: History = NOTHING, logits = LOGITS): number[] {
  return counts(options, { logits, history, draws: 2000 }).flatMap((n, token) =>
    n > 0 ? [token] : [],
  );
}

/** Σ (found − expected)² / expected, over tokens that can be expected at all. */
function chiSquare(found: readonly number[], expected: readonly number[]): number {
  return expected.reduce((sum, share, i) => {
    if (share === 0) return (found[i] ?? 0) === 0 ? sum : Number.POSITIVE_INFINITY;
    const mean = share * DRAWS;
    return sum + ((found[i] ?? 0) - mean) ** 2 / mean;
  }, 0);
}

/** Renormalised over the tokens kept. */
function among(tokens: readonly number[], all: readonly number[] = distribution()): number[] {
  const total = tokens.reduce((sum, token) => sum + (all[token] ?? 0), 0);
  return all.map((share, token) => (tokens.includes(token) ? share / total : 0));
}

// χ² with 7 degrees of freedom exceeds 24.32 with probability 0.001, with fewer sooner; the seeds are fixed.
const LIMIT = 24.32;

describe("a draw", () => {
  it.each([0.7, 1, 2])("at temperature %f has the probabilities of the model", (temperature) => {
    expect(chiSquare(counts({ temperature }), distribution(LOGITS, temperature))).toBeLessThan(
      LIMIT,
    );
  });

  it("is as even over places for one seed as over seeds", () => {
    const found: number[] = Array.from(LOGITS, () => 0);
    const history = new History([]);
    const sampler = createSampler({ ...PLAIN, seed: 12_345 });
    for (let place = 0; place < DRAWS; place++) {
      const token = sampler.choose(LOGITS, history);
      found[token] = (found[token] ?? 0) + 1;
      history.add(token);
    }
    expect(chiSquare(found, distribution())).toBeLessThan(LIMIT);
  });

  it("depends on logits, options, history and seed, and leaves the logits alone", () => {
    const before = LOGITS.slice();
    const options = { ...PLAIN, seed: 3, repetitionPenalty: 1.3, banned: [2], topK: 5 };
    const draw = () => createSampler(options).choose(LOGITS, new History([1, 2], [3]));
    expect(draw()).toBe(draw());
    expect(LOGITS).toEqual(before);
  });
});

describe("filters", () => {
  it("top-k keeps the k likeliest, in their proportions", () => {
    expect(chosen({ topK: 3 })).toEqual([2, 3, 7]);
    expect(chiSquare(counts({ topK: 3 }), among([2, 3, 7]))).toBeLessThan(LIMIT);
    expect(chosen({ topK: 1 })).toEqual([2]);
    expect(counts({ topK: 100, seed: 0 })).toEqual(counts({ topK: 8 }));
  });

  it("top-p keeps the fewest tokens that reach the share", () => {
    const [first = 0, second = 0, third = 0] = distribution().toSorted((a, b) => b - a);
    expect(chosen({ topP: 1e-6 })).toEqual([2]);
    expect(chosen({ topP: first - 1e-6 })).toEqual([2]);
    expect(chosen({ topP: first + 1e-6 })).toEqual([2, 7]);
    expect(chosen({ topP: first + second + 1e-6 })).toEqual([2, 3, 7]);
    expect(chosen({ topP: first + second + third - 1e-6 })).toEqual([2, 3, 7]);
    const found = counts({ topP: first + second + 1e-6 });
    expect(chiSquare(found, among([2, 3, 7]))).toBeLessThan(LIMIT);
  });

  it("top-p is a share of what top-k left", () => {
    const [first = 0, second = 0] = distribution().toSorted((a, b) => b - a);
    // Above the first token's share of two, which is larger than its share of all.
    const ofTwo = first / (first + second);
    expect(chosen({ topK: 2, topP: ofTwo - 1e-6 })).toEqual([2]);
    expect(chosen({ topK: 2, topP: ofTwo + 1e-6 })).toEqual([2, 7]);
  });

  it("min-p keeps what is at least that share of the likeliest", () => {
    const [best = 0] = distribution().toSorted((a, b) => b - a);
    const ratio = (token: number) => (distribution()[token] ?? 0) / best;
    expect(chosen({ minP: ratio(7) + 1e-6 })).toEqual([2]);
    expect(chosen({ minP: ratio(7) - 1e-6 })).toEqual([2, 7]);
    expect(chosen({ minP: ratio(5) - 1e-6 })).toEqual([2, 3, 5, 7]);
    expect(chiSquare(counts({ minP: ratio(5) - 1e-6 }), among([2, 3, 5, 7]))).toBeLessThan(LIMIT);
    expect(chosen({ minP: 1 })).toEqual([2]);
  });

  it("typical-p takes tokens by nearness to the entropy, which need not be the likeliest", () => {
    const shares = distribution();
    const entropy = -shares.reduce((sum, p) => sum + p * Math.log(p), 0);
    const order = shares
      .map((p, token) => ({ token, far: Math.abs(-Math.log(p) - entropy) }))
      .sort((a, b) => a.far - b.far)
      .map(({ token }) => token);
    const [a = 0, b = 0, c = 0] = order;
    const reach = (shares[a] ?? 0) + (shares[b] ?? 0);
    expect(a).not.toBe(2);
    expect(chosen({ typicalP: reach - 1e-6 })).toEqual([a, b].toSorted());
    expect(chosen({ typicalP: reach + 1e-6 })).toEqual([a, b, c].toSorted());
    expect(chiSquare(counts({ typicalP: reach + 1e-6 }), among([a, b, c]))).toBeLessThan(LIMIT);
  });

  it("of a large vocabulary keep what sorting all of it would", () => {
    const logits = Float32Array.from({ length: 50_000 }, (_, id) => (hash32(5, id) / 2 ** 32) * 12);
    const order = [...logits.keys()].sort((x, y) => (logits[y] ?? 0) - (logits[x] ?? 0));
    const shares = distribution(logits);
    let reached = 0;
    const nucleus = new Set<number>();
    for (const token of order) {
      if (reached >= 0.4) break;
      nucleus.add(token);
      reached += shares[token] ?? 0;
    }
    expect(nucleus.size).toBeGreaterThan(2048);
    for (let seed = 0; seed < 30; seed++) {
      const choose = (options: Options) =>
        createSampler({ ...PLAIN, ...options, seed }).choose(logits, NOTHING);
      expect(nucleus).toContain(choose({ topP: 0.4 }));
      expect(order.slice(0, 40)).toContain(choose({ topK: 40 }));
      expect(order.slice(0, 5000)).toContain(choose({ topK: 5000 }));
    }
  });
});

describe("logit rules", () => {
  const greedy = (options: Options, history: History, logits: Float32Array = LOGITS) =>
    createSampler({ ...PLAIN, temperature: 0, ...options }).choose(logits, history);

  it("bias is added to the logit", () => {
    const options = { logitBias: new Map([[4, 3.5]]) };
    const biased = LOGITS.map((logit, id) => (id === 4 ? logit + 3.5 : logit));
    expect(chiSquare(counts(options), distribution(biased))).toBeLessThan(LIMIT);
    expect(chosen({ logitBias: new Map([[4, 100]]) })).toEqual([4]);
  });

  it("the repetition penalty divides positive logits and multiplies negative ones, of prompt and answer", () => {
    const history = new History([1, 1], [2]);
    const penal = LOGITS.slice();
    penal[1] = -1.2 * 1.5;
    penal[2] = 2 / 1.5;
    const found = counts({ repetitionPenalty: 1.5 }, { history });
    expect(chiSquare(found, distribution(penal))).toBeLessThan(LIMIT);
  });

  it("presence counts once, frequency as often as the answer holds a token; the prompt does not count", () => {
    const history = new History([7, 7, 7], [2, 2, 3]);
    const penal = LOGITS.slice();
    penal[2] = 2 - 0.5 - 2 * 0.25;
    penal[3] = 1.1 - 0.5 - 0.25;
    const options = { presencePenalty: 0.5, frequencyPenalty: 0.25 };
    expect(chiSquare(counts(options, { history }), distribution(penal))).toBeLessThan(LIMIT);
  });

  it("no n-gram comes twice", () => {
    // After 5 came 2 once; 2 is the likeliest.
    expect(greedy({}, new History([5, 2, 0], [5]))).toBe(2);
    expect(greedy({ noRepeatNgram: 2 }, new History([5, 2, 0], [5]))).toBe(7);
    expect(greedy({ noRepeatNgram: 3 }, new History([5, 2, 0], [5]))).toBe(2);
    expect(greedy({ noRepeatNgram: 3 }, new History([0, 5, 2], [0, 5]))).toBe(7);
    expect(greedy({ noRepeatNgram: 1 }, new History([2], [7]))).toBe(3);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 1e6 }), (n, seed) => {
        const history = new History([1, 2, 3]);
        const sampler = createSampler({ ...PLAIN, noRepeatNgram: n, seed, temperature: 0.3 });
        // With n = 1 every token may come once only.
        for (let i = 0; i < (n === 1 ? 5 : 30); i++) history.add(sampler.choose(LOGITS, history));
        const ids = Array.from({ length: history.length }, (_, i) => history.at(i));
        const grams = ids.slice(n - 1).map((_, i) => ids.slice(i, i + n).join());
        expect(new Set(grams).size).toBe(grams.length);
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  it("banned tokens never come, forced ones whatever else is said", () => {
    expect(chosen({ banned: [2, 7] })).toEqual([0, 1, 3, 4, 5, 6]);
    expect(greedy({ banned: [2, 7] }, NOTHING)).toBe(3);
    const options = { forced: [4, 2], banned: [4], logitBias: new Map([[2, -100]]), topK: 1 };
    expect(chosen(options)).toEqual([4]);
    expect(chosen(options, new History([], [4]))).toEqual([2]);
    expect(chosen(options, new History([], [4, 2]))).toEqual([7]);
  });

  it("come before temperature and filters", () => {
    // Halved first, 2 is no longer among the two likeliest.
    expect(chosen({ repetitionPenalty: 2, topK: 2 }, new History([2]))).toEqual([3, 7]);
  });
});

describe("greedy", () => {
  it("takes the likeliest, the first of equals", () => {
    expect(chosen({ temperature: 0 })).toEqual([2]);
    expect(chosen({ temperature: 0, topK: 4, topP: 0.5, minP: 0.1, typicalP: 0.2 })).toEqual([2]);
    expect(chosen({ temperature: 0 }, NOTHING, Float32Array.of(1, 3, 3, 2))).toEqual([1]);
    // So near to 0 that all other weights vanish.
    expect(chosen({ temperature: 1e-30 })).toEqual([2]);
  });

  it("bears logits that are infinite or not numbers", () => {
    expect(chosen({}, NOTHING, Float32Array.of(-Infinity, 0, -Infinity))).toEqual([1]);
    expect(chosen({}, NOTHING, Float32Array.of(0, Infinity, 0))).toEqual([1]);
    expect(chosen({ topP: 0.9 }, NOTHING, Float32Array.of(NaN, 1, NaN))).toEqual([1]);
    expect([0, 1]).toContain(createSampler(PLAIN).choose(Float32Array.of(NaN, NaN), NOTHING));
  });
});

describe("log-probabilities", () => {
  it("are the model's own, with the likeliest in order", () => {
    const shares = distribution();
    const { id, logProbability, top } = tokenReport(LOGITS, 5, 3);
    expect(id).toBe(5);
    expect(logProbability).toBeCloseTo(Math.log(shares[5] ?? 0), 6);
    expect(top.map((token) => token.id)).toEqual([2, 7, 3]);
    expect(Math.exp(top[0]?.logProbability ?? 0)).toBeCloseTo(shares[2] ?? 0, 6);
  });

  it("do not overflow", () => {
    expect(logSumExp(Float32Array.of(1000, 1000))).toBeCloseTo(1000 + Math.log(2), 6);
  });
});

describe("checkSampling", () => {
  const check = (change: Options) => () => checkSampling({ ...PLAIN, ...change }, 8);

  it.each<[Options, string]>([
    [
      { temperature: -0.1 },
      "sample: temperature -0.1 is out of range; choose 0 (always the likeliest) or more [CONFIG-01]",
    ],
    [
      { topK: 1.5 },
      "sample: topK 1.5 is out of range; choose a whole number, 0 for all tokens [CONFIG-01]",
    ],
    [{ topP: 0 }, "sample: topP 0 is out of range; choose a share above 0 and up to 1 [CONFIG-01]"],
    [
      { topP: NaN },
      "sample: topP NaN is out of range; choose a share above 0 and up to 1 [CONFIG-01]",
    ],
    [{ minP: 1.1 }, "sample: minP 1.1 is out of range; choose a share from 0 to 1 [CONFIG-01]"],
    [
      { presencePenalty: 3 },
      "sample: presencePenalty 3 is out of range; choose a number from -2 to 2 [CONFIG-01]",
    ],
    [{ repetitionPenalty: 0 }, "sample: repetitionPenalty 0 is out of range"],
    [{ banned: [8] }, "sample: banned names token 8, but tokens are 0 to 7 [CONFIG-01]"],
    [{ logitBias: new Map([[1, 101]]) }, "sample: logitBias 101 of token 1 is out of range"],
    [{ seed: -1 }, "sample: seed -1 is out of range; choose a whole number from 0 [CONFIG-01]"],
  ])("refuses %j", (change, text) => {
    expect(check(change)).toThrow(ConfigError);
    expect(check(change)).toThrow(text);
  });

  it("takes what is in range", () => {
    expect(check({ temperature: 0, forced: [7], logitBias: new Map([[0, -100]]) })).not.toThrow();
  });
});
