import { describe, expect, it } from "vitest";
import { ConfigError } from "../core/errors.ts";
import { checkSampling, choose, type SamplingOptions } from "./generate.ts";

const LOGITS = Float32Array.of(0.3, -1.2, 2, 1.1, -4, 0.9, 0.3, 1.9);
const DRAWS = 20_000;

const plain: SamplingOptions = { tokens: 1, temperature: 1, topK: 0, topP: 1, seed: 0 };

function probabilities(temperature: number): number[] {
  const weights = Array.from(LOGITS, (logit) => Math.exp(logit / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/** How often each token is chosen at places 0, 1, 2 … */
function counts(options: Partial<SamplingOptions>): number[] {
  const found: number[] = Array.from(LOGITS, () => 0);
  for (let place = 0; place < DRAWS; place++) {
    const token = choose(LOGITS, { ...plain, ...options }, place);
    found[token] = (found[token] ?? 0) + 1;
  }
  return found;
}

function chosen(options: Partial<SamplingOptions>): number[] {
  return counts(options).flatMap((count, token) => (count > 0 ? [token] : []));
}

/** Σ (found − expected)² / expected, over tokens that can be expected at all. */
function chiSquare(found: readonly number[], expected: readonly number[]): number {
  return expected.reduce((sum, share, i) => {
    if (share === 0) return sum;
    const mean = share * DRAWS;
    return sum + ((found[i] ?? 0) - mean) ** 2 / mean;
  }, 0);
}

/** Renormalised over the tokens kept. */
function among(tokens: readonly number[]): number[] {
  const all = probabilities(1);
  const total = tokens.reduce((sum, token) => sum + (all[token] ?? 0), 0);
  return all.map((share, token) => (tokens.includes(token) ? share / total : 0));
}

// χ² with 7 degrees of freedom exceeds 24.32 with probability 0.001; the seeds are fixed.
const LIMIT_7 = 24.32;
// With 2 degrees of freedom, 13.82.
const LIMIT_2 = 13.82;

describe("choose", () => {
  it.each([
    [0, 1],
    [1, 1],
    [2, 0.7],
    [3, 2],
    [12_345, 1],
  ])("seed %i: frequencies at temperature %f are the probabilities", (seed, temperature) => {
    const found = counts({ seed, temperature });
    expect(chiSquare(found, probabilities(temperature))).toBeLessThan(LIMIT_7);
  });

  it("is as even over seeds at one place as over places for one seed", () => {
    const found: number[] = Array.from(LOGITS, () => 0);
    for (let seed = 0; seed < DRAWS; seed++) {
      const token = choose(LOGITS, { ...plain, seed }, 17);
      found[token] = (found[token] ?? 0) + 1;
    }
    expect(chiSquare(found, probabilities(1))).toBeLessThan(LIMIT_7);
  });

  it("topK keeps the k likeliest, in their proportions", () => {
    const found = counts({ topK: 3 });
    expect(chosen({ topK: 3 })).toEqual([2, 3, 7]);
    expect(chiSquare(found, among([2, 3, 7]))).toBeLessThan(LIMIT_2);
    expect(chosen({ topK: 1 })).toEqual([2]);
    expect(chosen({ topK: 100 })).toEqual(chosen({}));
  });

  it("topP keeps the fewest tokens that reach the share", () => {
    const [first = 0, second = 0, third = 0] = probabilities(1).toSorted((a, b) => b - a);
    expect(chosen({ topP: 1e-6 })).toEqual([2]);
    expect(chosen({ topP: first - 1e-6 })).toEqual([2]);
    expect(chosen({ topP: first + 1e-6 })).toEqual([2, 7]);
    expect(chosen({ topP: first + second + 1e-6 })).toEqual([2, 3, 7]);
    expect(chosen({ topP: first + second + third - 1e-6 })).toEqual([2, 3, 7]);
    expect(chiSquare(counts({ topP: first + second + 1e-6 }), among([2, 3, 7]))).toBeLessThan(
      LIMIT_2,
    );
  });

  it("topP is a share of what topK left", () => {
    const [first = 0, second = 0] = probabilities(1).toSorted((a, b) => b - a);
    // Above the first token's share of two, which is larger than its share of all.
    const ofTwo = first / (first + second);
    expect(chosen({ topK: 2, topP: ofTwo - 1e-6 })).toEqual([2]);
    expect(chosen({ topK: 2, topP: ofTwo + 1e-6 })).toEqual([2, 7]);
  });

  it("at temperature 0 takes the likeliest, the first of equals", () => {
    expect(chosen({ temperature: 0 })).toEqual([2]);
    expect(chosen({ temperature: 0, topK: 4, topP: 0.5 })).toEqual([2]);
    expect(choose(Float32Array.of(1, 3, 3, 2), { ...plain, temperature: 0 }, 0)).toBe(1);
    // So near to 0 that all other weights vanish.
    expect(chosen({ temperature: 1e-30 })).toEqual([2]);
  });

  it("bears logits that are infinite or not numbers", () => {
    expect(choose(Float32Array.of(-Infinity, 0, -Infinity), plain, 3)).toBe(1);
    const token = choose(Float32Array.of(NaN, NaN), plain, 3);
    expect([0, 1]).toContain(token);
  });
});

describe("checkSampling", () => {
  it.each<[Partial<SamplingOptions>, string]>([
    [{ tokens: 0 }, "sample: tokens 0 is out of range; choose a whole number from 1 [CONFIG-01]"],
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
  ])("refuses %j", (change, text) => {
    const check = () => checkSampling({ ...plain, ...change });
    expect(check).toThrow(ConfigError);
    expect(check).toThrow(text);
  });

  it("takes what is in range", () => {
    expect(() => checkSampling({ ...plain, temperature: 0, topK: 0, topP: 1 })).not.toThrow();
  });
});
