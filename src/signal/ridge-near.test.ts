import { expect, test } from "vitest";
import { ntft } from "./ntft.ts";
import { ridgeNear } from "./ridge-near.ts";
import type { Series } from "./series.ts";

const series: Series = {
  ...{ name: "two lines", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 },
  re: Float64Array.from({ length: 1441 }, (_, n) => {
    const u = n / 12;
    return 0.1 * Math.cos((2 * Math.PI * u) / 5.9) + Math.cos((2 * Math.PI * u) / 8.5 + 1);
  }),
};
const periods = Array.from({ length: 61 }, (_, k) => 5 * (10 / 5) ** (k / 60));

test("follows a weak line beside one ten times as strong", () => {
  const ridge = ridgeNear(ntft(series, { periods, every: 12 }), 5.9);
  const seen = [...ridge.periods.keys()].filter(
    (n) => n >= 30 && n <= 90 && Number.isFinite(ridge.periods[n]),
  );
  // Where the leak runs against the line, its maximum melts into the flank of the strong one.
  expect(seen.length).toBeGreaterThan(45);
  for (const n of seen) {
    // The strong line leaks 0.009 at 5.9 years and more on the longer side.
    expect(Math.abs((ridge.periods[n] ?? 0) / 5.9 - 1)).toBeLessThan(0.045);
    expect(Math.abs((ridge.amplitude[n] ?? 0) - 0.1)).toBeLessThan(0.012);
  }
});

test("has no value where no period of the map stands out", () => {
  const narrow = Array.from({ length: 9 }, (_, k) => 6.8 + k / 20);
  const ridge = ridgeNear(ntft(series, { periods: narrow, every: 12 }), 7);
  expect(ridge.periods.slice(40, 80).every(Number.isNaN)).toBe(true);
  expect(ridge.edge.every(Number.isFinite)).toBe(true);
});
