import { expect, test } from "vitest";
import { redNoise } from "../noise.ts";
import { random } from "../random.ts";
import type { Series } from "../series.ts";
import { monteCarloSsa } from "./monte-carlo.ts";
import { ssa } from "./ssa.ts";

const like: Series = {
  ...{ name: "x", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 },
  re: new Float64Array(300),
};
const noise = { sd: 0.25, phi: 0.77 };
const drawn = (draw: number): Series => redNoise(like, noise, random(99, draw));

test("on vectors of the noise, noise leaves its band as often as it should", () => {
  let [outside, all, low] = [0, 0, 0];
  for (let trial = 0; trial < 60; trial++) {
    const found = ssa(drawn(1000 + trial), { window: 3, count: 10 });
    const test = monteCarloSsa(found, { draws: 100, noise, basis: "noise", seed: trial });
    for (const { variance, lower, upper, p } of test.rows) {
      all++;
      if (variance < lower || variance > upper) outside++;
      if (p <= 0.1) low++;
    }
  }
  // 60 records of 100 draws: 600 rows, those of one record a little dependent: three standard errors of √(0.05·0.95/600), and half more.
  expect(Math.abs(outside / all - 0.05 * (100 / 101))).toBeLessThan(0.04);
  expect(Math.abs(low / all - 0.1)).toBeLessThan(0.05);
});
