import { expect, test } from "vitest";
import { coherence } from "./coherence.ts";
import { gaussian } from "./random.ts";
import type { Series } from "./series.ts";

const COUNT = 600;
const wave = (lag: number) => (n: number) => Math.cos((2 * Math.PI * (n - lag)) / 20);
const made = (value: (n: number) => number): Series => ({
  ...{ name: "made", unit: "ms", timeUnit: "days", start: 0, step: 1 },
  re: Float64Array.from({ length: COUNT }, (_, n) => value(n)),
});

test("a quarter turn ahead is a coherence of 1 at +90°", () => {
  const [a, b] = [made(wave(0)), made(wave(5))];
  const found = coherence(a, b, { period: 20, draws: 20 });
  expect(found.coherence).toBeCloseTo(1, 6);
  expect(found.phase).toBeCloseTo(Math.PI / 2, 3);
  expect(Math.abs(found.derivativePhase)).toBeCloseTo(Math.PI, 3);
  expect(found.independent).toBeCloseTo(((2 / 3) * 599 * Math.sqrt(2 * Math.PI)) / 200, 9);
});

test("records that know nothing of each other have p spread over 0 to 1", () => {
  const ps = Array.from({ length: 40 }, (_, k) => {
    const [x, y] = [gaussian(1, k), gaussian(2, k)];
    const options = { period: 20, sigma: 6, draws: 19, seed: k };
    return coherence(
      made(() => x()),
      made(() => y()),
      options,
    ).p;
  }).sort((a, b) => a - b);
  // Kolmogorov and Smirnov's distance of 40 values is below 0.26 in 99 of 100 cases.
  const far = ps.map((p, k) => Math.max(Math.abs(p - k / 40), Math.abs(p - (k + 1) / 40)));
  expect(Math.max(...far)).toBeLessThan(0.26);
});

test("records of other times are refused by name", () => {
  const other = { ...made(wave(0)), start: 3, name: "late" };
  expect(() => coherence(made(wave(0)), other, { period: 20 })).toThrow(
    "coherence of made and late: their times differ",
  );
});
