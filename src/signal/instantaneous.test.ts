import { describe, expect, test } from "vitest";
import {
  type DampedLine,
  dampingFactor,
  instantaneous,
  localFrequencies,
  localFrequency,
  undamped,
  unwrapped,
} from "./instantaneous.ts";
import { ntftLine } from "./ntft.ts";
import type { Series } from "./series.ts";
import { WINDOWS } from "./windows.ts";

const STEP = 1 / 12;

/** A e^{−αt} e^{i(2πft + phase)}, t from the middle of the record. */
function damped(
  count: number,
  { frequency, damping }: DampedLine,
  { amplitude = 1, phase = 0, real = false } = {},
): Series {
  const parts = [new Float64Array(count), new Float64Array(count)] as const;
  for (let n = 0; n < count; n++) {
    const t = (n - (count - 1) / 2) * STEP;
    const angle = 2 * Math.PI * frequency * t + phase;
    const size = amplitude * Math.exp(-damping * t);
    parts[0][n] = size * Math.cos(angle);
    parts[1][n] = size * Math.sin(angle);
  }
  const [re, im] = parts;
  const facts = { name: "line", unit: "ms", timeUnit: "years", start: 1900, step: STEP } as const;
  return { ...facts, re, ...(!real && { im }) };
}

/** Slope of the values over time, between two samples, by least squares. */
function slope(values: Float64Array, from: number, to: number): number {
  const middle = (from + to - 1) / 2;
  let [up, across] = [0, 0];
  for (let n = from; n < to; n++) {
    up += (n - middle) * (values[n] ?? 0);
    across += (n - middle) ** 2;
  }
  return up / across / STEP;
}

test("amplitude, phase and frequency of a real harmonic, in its units", () => {
  const line = { frequency: 1 / 5.9, damping: 0 };
  const series = damped(2400, line, { amplitude: 0.12, phase: 0.6, real: true });
  const { amplitude, phase, frequency } = instantaneous(series, ntftLine(series, 5.9));
  for (const n of [900, 1200, 1500]) {
    const t = (n - 1199.5) * STEP;
    expect(amplitude[n]).toBeCloseTo(0.12, 10);
    expect(Math.sin((phase[n] ?? 0) - (2 * Math.PI * t) / 5.9 - 0.6)).toBeCloseTo(0, 10);
    expect(frequency[n]).toBeCloseTo(1 / 5.9, 10);
  }
  expect((phase[2399] ?? 0) - (phase[0] ?? 0)).toBeGreaterThan(30 * 2 * Math.PI);
});

test("unwrapping passes over what is missing", () => {
  const wrapped = new Float64Array([3, -3, Number.NaN, -2, 2.9]);
  const found = [...unwrapped(wrapped)];
  expect(found.map((x) => Number(x.toFixed(6)))).toEqual([3, 3.283185, Number.NaN, 4.283185, 2.9]);
});

describe("frequency at each sample", () => {
  const chirp = (count: number): Series => {
    const turns = (n: number) => 2 * Math.PI * (0.2 * n * STEP + 0.0002 * (n * STEP) ** 2);
    const re = Float64Array.from({ length: count }, (_, n) => Math.cos(turns(n)));
    const im = Float64Array.from({ length: count }, (_, n) => Math.sin(turns(n)));
    return { ...damped(1, { frequency: 0, damping: 0 }), re, im };
  };

  test("is that of a harmonic wherever it is read, and up to the ends on its own period", () => {
    const series = damped(1200, { frequency: 1 / 4, damping: 0 });
    for (const period of [3.6, 4, 4.4]) {
      const found = localFrequency(series, period);
      expect(found[600]).toBeCloseTo(0.25, 6);
    }
    const [own] = localFrequencies(series, { periods: [4, 5] });
    // F changes along the record, but has no phase.
    for (const n of [60, 600, 1140]) expect(Math.abs((own?.[n] ?? 0) - 0.25)).toBeLessThan(1e-5);
  });

  test("follows a chirp, as the differences of its phase do", () => {
    const series = chirp(1800);
    const period = 1 / (0.2 + 2 * 0.0002 * 75);
    const found = localFrequency(series, period, { sigma: 6 });
    const { frequency } = instantaneous(series, ntftLine(series, period, { sigma: 6 }));
    expect(found[900]).toBeCloseTo(1 / period, 4);
    expect(frequency[900]).toBeCloseTo(found[900] ?? 0, 7);
    expect(found[1000]).toBeGreaterThan(found[800] ?? 1);
  });

  test("is the same with a kernel built in time", () => {
    const series = damped(1200, { frequency: 1 / 4, damping: 0 });
    const found = localFrequency(series, 4, { window: "nuttall" });
    expect(found[600]).toBeCloseTo(0.25, 9);
  });
});

describe("a damped line", () => {
  test.each([
    [0.95, 0.01],
    [1.05, 0.01],
    [1, 0.03],
    [1.05, -0.02],
  ])(
    "read at %d of its period, α = %d, gives its frequency and damping, and divided by G itself",
    (ratio, alpha) => {
      const line = { frequency: 1 / 5.9, damping: alpha };
      const series = damped(4000, line, { amplitude: 0.12, phase: 1.1 });
      const period = 5.9 * ratio;
      const seen = ntftLine(series, period);
      const { amplitude, phase } = instantaneous(series, seen);
      const [from, to] = [1950, 2050];
      expect(slope(phase, from, to) / (2 * Math.PI)).toBeCloseTo(line.frequency, 9);
      expect(-slope(amplitude.map(Math.log), from, to)).toBeCloseTo(alpha, 9);
      const whole = undamped(seen, line, period);
      for (const n of [from, 2000, to]) {
        expect(whole.re[n]).toBeCloseTo(series.re[n] ?? 9, 9);
        expect(whole.im[n]).toBeCloseTo(series.im?.[n] ?? 9, 9);
      }
    },
  );

  test("restored at P ± 5 % and α = 0.01 per year to the last digits", () => {
    const line = { frequency: 1 / 2, damping: 0.01 };
    const series = damped(4000, line);
    const seen = ntftLine(series, 2.1);
    const whole = undamped(seen, line, 2.1);
    expect(Math.abs((whole.re[2000] ?? 0) - (series.re[2000] ?? 9))).toBeLessThan(1e-13);
  });

  test.each(WINDOWS)("has a factor for the %s window, too", (window) => {
    const line = { frequency: 1 / 5.9, damping: 0.02 };
    const series = damped(4000, line);
    const seen = ntftLine(series, 6.2, { window });
    const whole = undamped(seen, line, 6.2, { window });
    // Sums of windows that end in steps converge slowly.
    expect(whole.re[2000]).toBeCloseTo(series.re[2000] ?? 9, 4);
  });

  test("G is 1 for an undamped line on its own period", () => {
    expect(dampingFactor({ frequency: 0.25, damping: 0 }, 4)).toEqual({ re: 1, im: -0 });
  });
});
