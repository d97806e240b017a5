import { expect, test } from "vitest";
import { bepme, bepmeLine } from "./bepme.ts";
import { ntftLine } from "./ntft.ts";
import type { Series } from "./series.ts";

const FACTS = { name: "ΔLOD", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 } as const;
const wave = (u: number, period: number, phase: number) =>
  Math.cos((2 * Math.PI * u) / period + phase);

function series(count: number, value: (u: number) => number): Series {
  return { ...FACTS, re: Float64Array.from({ length: count }, (_, n) => value(n / 12)) };
}

test("a pure cosine comes back whole up to the ends", () => {
  const record = series(600, (u) => 0.12 * wave(u, 5.9, 0.6));
  const restored = bepme(record, 5.9);
  const misfit = record.re.map((value, n) => Math.abs(value - (restored.re[n] ?? 0)));
  // A tenth: the plain transform's extrema lie a little inside of the true ones, and mirroring keeps them there.
  expect(Math.max(...misfit)).toBeLessThan(0.12 * 0.1);
  const plain = ntftLine(record, 5.9);
  expect(Math.abs((record.re[0] ?? 0) - 2 * (plain.re[0] ?? 0))).toBeGreaterThan(0.04);
});

test("the extrema are those of the cosine, to a sample", () => {
  const record = series(600, (u) => wave(u, 5, 1));
  const { first, last } = bepmeLine(record, 5);
  const extremum = (n: number) => Math.abs(Math.sin((2 * Math.PI * n) / 60 + 1));
  // A sample is a tenth of a radian.
  expect(extremum(first)).toBeLessThan(0.1);
  expect(extremum(last)).toBeLessThan(0.1);
  expect(first).toBeLessThan(30);
  expect(last).toBeGreaterThan(569);
});

test("what cannot be extended is refused", () => {
  const record = series(600, (u) => wave(u, 5, 1));
  expect(() => bepme({ ...record, im: record.re }, 5)).toThrow("the series is complex");
  expect(() => bepme(record, 40)).toThrow("shortest    60 years of record at sigma 10, c 0");
  expect(() =>
    bepme(
      series(600, () => 0),
      5,
    ),
  ).toThrow("no two extrema");
  const observed = new Uint8Array(600).fill(1).fill(0, 3, 4);
  expect(() => bepme({ ...record, observed }, 5)).toThrow(
    "bepme of ΔLOD: sample 3 at 1962.25 years is missing",
  );
});
