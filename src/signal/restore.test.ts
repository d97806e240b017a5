import { expect, test } from "vitest";
import { gaussian } from "./random.ts";
import { METHODS, restore, restorer } from "./restore.ts";
import type { Series } from "./series.ts";

const COUNT = 744;
const truth = (n: number) => 0.12 * Math.cos((2 * Math.PI * n) / 12 / 5.9 + 0.6);
const noise = gaussian(5);
const record: Series = {
  ...{ name: "ΔLOD", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 },
  re: Float64Array.from({ length: COUNT }, (_, n) => truth(n) + 0.05 * noise() + 0.2 + n / 744),
};

/** What the oscillators read where a shorter record will do: their work grows with its third power. */
const SHORT = 360;
const short: Series = { ...record, re: record.re.slice(0, SHORT) };

test.each(METHODS)("%s finds a harmonic in noise and on a slope", (method) => {
  const [found] = restore(record, { periods: [5.8], method, detrend: { legendre: 2 } });
  expect(found?.wanted).toBe(5.8);
  expect(found?.line?.period.value).toBeCloseTo(5.9, 1);
  expect(found?.line?.amplitude.value).toBeGreaterThan(0.105);
  expect(found?.line?.amplitude.value).toBeLessThan(0.135);
  let [error, size] = [0, 0];
  for (let n = 200; n < COUNT - 200; n++) {
    error += ((found?.restored.re[n] ?? 0) - truth(n)) ** 2;
    size += truth(n) ** 2;
    // A line's amplitude in noise of 0.05 ms that passes a band a tenth wide: ±6 %, three times that at most.
    expect(Math.abs((found?.amplitudeSeries[n] ?? 0) / 0.12 - 1)).toBeLessThan(0.2);
  }
  expect(Math.sqrt(error / size)).toBeLessThan(0.12);
});

test("the oscillators bring a band that holds most of the truth", () => {
  const [found] = restore(short, { periods: [5.9], method: "oscillators" });
  const inside = [...short.re.keys()].filter(
    (n) => (found?.band?.low.re[n] ?? 0) < truth(n) && truth(n) < (found?.band?.high.re[n] ?? 0),
  );
  expect(inside.length / SHORT).toBeGreaterThan(0.8);
});

test("oscillators take gaps, the others name them", () => {
  const observed = new Uint8Array(SHORT).fill(1).fill(0, 200, 220);
  const gappy = { ...short, observed, re: short.re.map((x, n) => (observed[n] ? x : 0)) };
  const [found] = restore(gappy, { periods: [5.9], method: "oscillators" });
  expect(Math.abs((found?.restored.re[210] ?? 0) - truth(210))).toBeLessThan(0.04);
  expect(() => restore(gappy, { periods: [5.9] })).toThrow("sample 200");
});

test("several periods at once, each as by itself; a plan serves many records", () => {
  const options = { periods: [5.9, 8.5], detrend: { legendre: 3 } };
  const plan = restorer(record, options);
  const both = plan(record);
  expect(both).toHaveLength(2);
  const [alone] = restore(record, { ...options, periods: [8.5] });
  expect(both[1]?.restored.re).toEqual(alone?.restored.re);
});

test("without a triple near the period, ssa restores nothing and says so", () => {
  const [found] = restore(record, {
    periods: [30],
    method: "ssa",
    detrend: { legendre: 3 },
    ssa: { count: 2 },
  });
  expect(found?.triples).toEqual([]);
  expect(found?.line).toBeUndefined();
  expect(found?.restored.re.every((x) => x === 0)).toBe(true);
});

test("a record too short for the period is told the shortest", () => {
  const brief = { ...record, re: record.re.slice(0, 144) };
  expect(() => restore(brief, { periods: [8.5] })).toThrow("SIGNAL-02");
});
