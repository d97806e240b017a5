import { expect, test } from "vitest";
import { redNoise } from "../noise.ts";
import { random } from "../random.ts";
import { type Series, timesOf, withValues } from "../series.ts";
import { monteCarloSsa } from "./monte-carlo.ts";
import { ssa } from "./ssa.ts";

const like: Series = {
  ...{ name: "x", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 },
  re: new Float64Array(300),
};
const noise = { sd: 0.25, phi: 0.77 };
const drawn = (draw: number): Series => redNoise(like, noise, random(99, draw));

test("a line in red noise stands out, and the noise beside it does not", () => {
  const times = timesOf(like);
  const wave = (t: number) => 0.25 * Math.cos((2 * Math.PI * t) / 1.1);
  const series = withValues(
    like,
    drawn(0).re.map((x, n) => x + wave(times[n] ?? 0)),
  );
  for (const variant of ["basic", "toeplitz"] as const) {
    const found = ssa(series, { window: 5, count: 12, variant });
    const { rows } = monteCarloSsa(found, { draws: 200, noise });
    const line = rows.filter(({ period }) => Math.abs(period / 1.1 - 1) < 0.1);
    expect(line).toHaveLength(2);
    for (const { p, variance, upper } of line) {
      expect(p).toBeLessThanOrEqual(0.01);
      expect(variance).toBeGreaterThan(upper);
    }
    expect(rows.filter(({ p }) => p < 0.01)).toHaveLength(2);
  }
});

test("works on complex records", () => {
  const times = timesOf(like);
  const turning = { ...like, im: new Float64Array(300) };
  const red = redNoise(turning, { sd: 1, phi: 0.6 }, random(3));
  const add = (part: Float64Array | undefined, f: (angle: number) => number) =>
    (part ?? like.re).map((x, n) => x + f((-2 * Math.PI * (times[n] ?? 0)) / 1.5));
  const series = withValues(like, add(red.re, Math.cos), add(red.im, Math.sin));
  const { rows } = monteCarloSsa(ssa(series, { window: 5, count: 6 }), { draws: 100 });
  expect(rows[0]?.period).toBeCloseTo(-1.5, 1);
  expect(rows[0]?.p).toBeLessThan(0.02);
});

test("few surrogates tell nothing", () => {
  expect(() => monteCarloSsa(ssa(drawn(0)), { draws: 3 })).toThrow("3 surrogates");
});
