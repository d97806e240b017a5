import fc from "fast-check";
import { expect, test } from "vitest";
import { analytic, blend, cutOf, fitMiddle, peakNear } from "./combined.ts";
import type { Series } from "./series.ts";

const COUNT = 744;
const CENTRE = 743 / 24;
const made = (value: (u: number) => number): Series => ({
  ...{ name: "made", unit: "ms", timeUnit: "years", start: 0, step: 1 / 12 },
  re: Float64Array.from({ length: COUNT }, (_, n) => value(n / 12 - CENTRE)),
});
const turning = (period: number, damping: number, amplitude: number, phase: number): Series => {
  const at = (shift: number) => (u: number) =>
    amplitude * Math.exp(-damping * u) * Math.cos((2 * Math.PI * u) / period + phase - shift);
  return { ...made(at(0)), im: made(at(Math.PI / 2)).re };
};

test("a damped line read 5 % beside its period comes back: the kernel's factor is divided out", () => {
  // σ = 4 leaves a middle that no end reaches: what is outside of it is 1e-12 of the line.
  fc.assert(
    fc.property(
      fc.double({ min: -0.02, max: 0.02, noNaN: true }),
      fc.double({ min: 0.95, max: 1.05, noNaN: true }),
      fc.double({ min: -3, max: 3, noNaN: true }),
      (damping, beside, phase) => {
        const series = turning(5.9, damping, 0.12, phase);
        const period = 5.9 * beside;
        const options = { sigma: 4, c: 6.8 };
        const signal = analytic(series, period, options);
        const cut = cutOf(series, period, options);
        const { line, signal: clean } = fitMiddle(series, signal, period, cut, options);
        expect(Math.abs(line.period.value / 5.9 - 1)).toBeLessThan(1e-9);
        expect(Math.abs(line.damping.value - damping)).toBeLessThan(1e-9);
        expect(Math.abs(line.amplitude.value / 0.12 - 1)).toBeLessThan(1e-9);
        const middle = COUNT / 2;
        expect(Math.abs((clean.re[middle] ?? 0) - (series.re[middle] ?? 1))).toBeLessThan(1e-10);
      },
    ),
    { numRuns: 12, seed: 7 },
  );
});

test("blending takes the transform in the middle and the curve at the ends, half of each at the cut", () => {
  const series = made(() => 0);
  const [ones, twos] = [new Float64Array(COUNT).fill(1), new Float64Array(COUNT).fill(2)];
  const { re } = blend(
    series,
    { signal: { re: ones, im: ones }, curve: { re: twos, im: twos } },
    6,
    10,
  );
  // P/2 = 3 years about the cut at 10: the curve alone up to 8.5, the transform alone from 11.5 on.
  expect([re[0], re[8.5 * 12], re[11.5 * 12], re[372]]).toEqual([2, 2, 1, 1]);
  expect(re[120]).toBeCloseTo(1.5, 12);
  expect(re[743 - 120]).toBeCloseTo(1.5, 12);
});

test("the cut leaves one and a half periods", () => {
  expect(
    cutOf(
      made(() => 0),
      5.9,
      {},
    ),
  ).toBeCloseTo((1.25 * 10 * 5.9) / (2 * Math.PI), 12);
  expect(
    cutOf(
      made(() => 0),
      12,
      { sigma: 20 },
    ),
  ).toBeCloseTo(743 / 24 - 9, 12);
});

test("the peak is looked for beside the wanted period, which is kept where there is none", () => {
  const series = made((u) => 0.1 * Math.cos((2 * Math.PI * u) / 8.6));
  expect(peakNear(series, 8.3, {})).toBeCloseTo(8.6, 1);
  expect(
    peakNear(
      made(() => 0),
      6,
      {},
    ),
  ).toBe(6);
});

test("a harmonic held, an amplitude that runs off, and a neighbour taken off", () => {
  const series = made(
    (u) => 0.1 * Math.cos((2 * Math.PI * u) / 5.9) + 0.1 * Math.cos((2 * Math.PI * u) / 6.9 + 1),
  );
  const errors = [{}, { beside: [6.9] }].map((fit) => {
    const signal = analytic(series, 5.9, { fit });
    const cut = cutOf(series, 5.9, { fit });
    const { curve } = fitMiddle(series, signal, 5.9, cut, { fit: { ...fit, damping: 0 } });
    return Math.abs((curve.re[0] ?? 0) - 0.1 * Math.cos((2 * Math.PI * -CENTRE) / 5.9));
  });
  expect(errors[1]).toBeLessThan((errors[0] ?? 0) / 3);
});
