import { describe, expect, test } from "vitest";
import { ntft } from "./ntft.ts";
import { peakPeriods, ridges } from "./ridges.ts";
import type { Series } from "./series.ts";

const FACTS = { name: "ΔLOD", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 } as const;

function series(count: number, value: (t: number) => number): Series {
  return { ...FACTS, re: Float64Array.from({ length: count }, (_, n) => value(n / 12)) };
}

function logSpaced(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => from * (to / from) ** (at / (count - 1)));
}

const wave = (t: number, period: number, phase = 0) => Math.cos((2 * Math.PI * t) / period + phase);

test("peaks are the lines, with their amplitudes, in either order of periods", () => {
  const record = series(2400, (t) => 0.12 * wave(t, 5.9, 0.6) + 0.3 * wave(t, 12, 1));
  for (const periods of [logSpaced(3, 20, 200), logSpaced(3, 20, 200).reverse()]) {
    const peaks = peakPeriods(ntft(record, { periods, every: 4 })).filter(
      (p) => p.amplitude > 0.01,
    );
    expect(peaks.map(({ period }) => period.toFixed(2))).toEqual(["5.90", "12.00"]);
    expect(peaks[0]?.amplitude).toBeCloseTo(0.12, 4);
    expect(peaks[1]?.amplitude).toBeCloseTo(0.3, 3);
  }
});

describe("ridges", () => {
  const record = series(2400, (t) => 2 * wave(t, 4, 0.3) + wave(t, 8, 1));
  const periods = logSpaced(2.5, 14, 150);

  test("follow two lines, the stronger first", () => {
    const [strong, weak] = ridges(ntft(record, { periods, every: 12 }), { count: 2 });
    for (const n of [60, 100, 140]) {
      expect(strong?.periods[n]).toBeCloseTo(4, 3);
      expect(strong?.amplitude[n]).toBeCloseTo(2, 3);
      expect(Math.cos((strong?.phase[n] ?? 0) - (2 * Math.PI * n) / 4 - 0.3)).toBeCloseTo(1, 5);
      expect(weak?.periods[n]).toBeCloseTo(8, 2);
      expect(weak?.amplitude[n]).toBeCloseTo(1, 2);
      expect(weak?.edge[n]).toBeGreaterThan(0.95);
    }
  });

  test("follow a period that drifts", () => {
    // f from 0.25 to 0.15 in 200 years
    const drifting = series(2400, (t) => Math.cos(2 * Math.PI * (0.25 * t - 0.00025 * t * t)));
    const [ridge] = ridges(ntft(drifting, { periods, every: 12, sigma: 8 }));
    for (const n of [50, 100, 150])
      expect(Math.abs(1 / (ridge?.periods[n] ?? 1) - (0.25 - 0.0005 * n))).toBeLessThan(1e-3);
  });

  test("stay on their line where another is stronger for a while; without a penalty they jump", () => {
    const burst = (t: number) => 3 * Math.exp(-(((t - 100) / 12) ** 2)) * wave(t, 3);
    const both = series(2400, (t) => 2 * wave(t, 8) + burst(t));
    const map = ntft(both, { periods, every: 12, sigma: 6 });
    const [held] = ridges(map, { penalty: 20 });
    const [free] = ridges(map, { penalty: 0 });
    expect(held?.periods[100]).toBeCloseTo(8, 1);
    expect(free?.periods[100]).toBeCloseTo(3, 1);
    expect(free?.periods[40]).toBeCloseTo(8, 1);
  });

  test("do not depend on the sampling of the map", () => {
    const [fine] = ridges(ntft(record, { periods, every: 6 }));
    const [coarse] = ridges(ntft(record, { periods, every: 24 }));
    expect(fine?.periods[200]).toBeCloseTo(coarse?.periods[50] ?? 0, 6);
  });

  test("leave out what rises beyond the map", () => {
    const towering = series(2400, (t) => 10 * wave(t, 18) + wave(t, 5.9));
    const map = ntft(towering, { periods, every: 12 });
    const [ridge] = ridges(map);
    expect(ridge?.periods[100]).toBeCloseTo(5.9, 2);
    expect(ridge?.periods).not.toContain(periods.at(-1));
  });

  test("of retrograde lines have retrograde periods", () => {
    const angle = (n: number) => (2 * Math.PI * n) / 12 / 5;
    const re = Float64Array.from({ length: 1200 }, (_, n) => Math.cos(angle(n)));
    const im = Float64Array.from({ length: 1200 }, (_, n) => -Math.sin(angle(n)));
    const map = ntft(
      { ...FACTS, re, im },
      { periods: logSpaced(3, 9, 60).map((p) => -p), every: 12 },
    );
    expect(ridges(map)[0]?.periods[50]).toBeCloseTo(-5, 3);
    expect(peakPeriods(map)[0]?.period).toBeCloseTo(-5, 2);
  });
});

test("periods without neighbours are refused", () => {
  const record = series(600, (t) => wave(t, 3));
  expect(() => peakPeriods(ntft(record, { periods: [3, 4] }))).toThrow("2 periods from 3 to 4");
  expect(() => ridges(ntft(record, { periods: [3, 4, -4] }))).toThrow("have no neighbours");
});
