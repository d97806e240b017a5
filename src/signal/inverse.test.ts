import { describe, expect, test } from "vitest";
import { admissibility, invert, withZeros } from "./inverse.ts";
import { ntft } from "./ntft.ts";
import type { Series } from "./series.ts";
import { normalWindow } from "./windows.ts";

const FACTS = { name: "band", unit: "ms", timeUnit: "years", start: 1900, step: 1 / 12 } as const;

function logSpaced(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => from * (to / from) ** (at / (count - 1)));
}

/** A pulse between zeros, of periods around 2 to 6. */
function pulse(count: number, complex: boolean): Series {
  const wave = (n: number, angle: number) => {
    const t = (n - count / 2) / 12;
    const hull = Math.exp(-((t / 12) ** 2));
    const turn = (period: number, phase: number) => (2 * Math.PI * t) / period + phase + angle;
    return hull * (Math.cos(turn(3, 0.2)) + 0.5 * Math.cos(turn(4.5, 1)));
  };
  const re = Float64Array.from({ length: count }, (_, n) => wave(n, 0));
  const back = (n: number) => 0.7 * Math.exp(-(((n - count / 2) / 150) ** 2)) * Math.cos(n / 6);
  const im = Float64Array.from({ length: count }, (_, n) => wave(n, -Math.PI / 2) + back(n));
  return { ...FACTS, re, ...(complex && { im }) };
}

function misfit(found: Series, wanted: Series, shift = 0): number {
  let most = 0;
  wanted.re.forEach((value, n) => {
    const re = (found.re[n + shift] ?? 9) - value;
    const im = (found.im?.[n + shift] ?? 0) - (wanted.im?.[n] ?? 0);
    most = Math.max(most, Math.hypot(re, im));
  });
  return most;
}

test.each([
  [6, 0.4305136],
  [10, 0.2532487],
  [18, 0.139691],
])("C at σ = %d is %d", (sigma, expected) => {
  expect(admissibility(normalWindow("gaussian", sigma))).toBeCloseTo(expected, 7);
});

describe("the inverse restores a band-limited signal", () => {
  const grid = logSpaced(0.8, 30, 300);

  test("along frequency, to 1e−4", () => {
    const series = pulse(1500, false);
    const found = invert(ntft(series, { periods: grid }));
    expect(misfit(found, series)).toBeLessThan(1e-4);
    expect([found.name, found.unit, found.start]).toEqual(["band", "ms", 1900]);
  });

  test("complex, from both signs", () => {
    const series = pulse(1500, true);
    const periods = [...grid, ...grid.map((period) => -period)];
    expect(misfit(invert(ntft(series, { periods })), series)).toBeLessThan(1e-4);
  });

  test("decimated, at the times of the map", () => {
    const series = pulse(1500, false);
    const found = invert(ntft(series, { periods: grid, every: 6 }));
    expect(found.step).toBeCloseTo(0.5, 12);
    expect(found.re).toHaveLength(250);
    expect(Math.abs((found.re[120] ?? 9) - (series.re[720] ?? 0))).toBeLessThan(1e-4);
  });

  test("with a constant window", () => {
    const series = pulse(1500, false);
    const even = Array.from({ length: 300 }, (_, at) => 1 / (0.03 + 0.003 * at));
    const map = ntft(series, { periods: even, kernel: "gabor", sigma: 6 });
    expect(misfit(invert(map), series)).toBeLessThan(1e-4);
  });

  test("with a window of cosines", () => {
    const series = pulse(1500, false);
    const map = ntft(series, { periods: grid, window: "blackman-harris" });
    // Its spectrum has side lobes that no band holds all of.
    expect(misfit(invert(map), series)).toBeLessThan(1e-3);
  });

  test("by the double integral, to 1e−4", () => {
    const [series, zeros] = [pulse(1000, false), 900];
    const padded = withZeros(series, zeros);
    const even = Array.from({ length: 240 }, (_, at) => 1 / (0.03 + 0.0035 * at));
    const found = invert(ntft(padded, { periods: even }), { method: "double" });
    expect(misfit(found, series, zeros)).toBeLessThan(1e-4);
    expect(padded.start + zeros / 12).toBeCloseTo(1900, 9);
  });
});

test("a band keeps its line and leaves the other", () => {
  const line = (n: number, period: number) => Math.cos((2 * Math.PI * n) / 12 / period);
  const re = Float64Array.from({ length: 3000 }, (_, n) => line(n, 5) + line(n, 20));
  const map = ntft({ ...FACTS, re }, { periods: logSpaced(2, 40, 400), every: 10, c: 0 });
  const found = invert(map, { band: [3.3, 8.3] });
  for (const m of [120, 150, 180])
    expect(Math.abs((found.re[m] ?? 9) - line(10 * m, 5))).toBeLessThan(1e-3);
});

test("what has no inverse is refused", () => {
  const series = pulse(600, false);
  const map = ntft(series, { periods: [3, 4] });
  expect(() => invert(map, { band: [10, 20] })).toThrow(
    "no two periods of the map lie around 10 to 20 years",
  );
  const own = ntft(series, { periods: [3, 4], kernel: { scale: Math.sqrt } });
  expect(() => invert(own)).toThrow("a scale of its own has no constant");
  expect(() => invert(own, { method: "double" })).not.toThrow();
});
