import { expect, test } from "vitest";
import type { Series } from "../series.ts";
import { normalQuantile } from "./confidence.ts";
import { dampedLines } from "./damped-lines.ts";

const YEARS = { unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 } as const;
const COUNT = 744;
const CENTRE = 1962 + 743 / 24;

const made = (value: (u: number) => number, name = "made"): Series => ({
  ...{ name, ...YEARS },
  re: Float64Array.from({ length: COUNT }, (_, n) => value(1962 + n / 12 - CENTRE)),
});

test("two damped lines without noise come back to rounding, from periods 5 % off", () => {
  const series = made(
    (u) =>
      0.15 * Math.exp(-u / 90) * Math.cos((2 * Math.PI * u) / 5.9 + 0.6) +
      0.06 * Math.exp(u / 120) * Math.cos((2 * Math.PI * u) / 8.5 + 2.1),
  );
  const { lines, converged, residualSd } = dampedLines(series, { lines: [6.2, 8.1] });
  expect(converged).toBe(true);
  expect(residualSd).toBeLessThan(1e-13);
  expect(lines[0]?.period.value).toBeCloseTo(5.9, 11);
  expect(lines[0]?.damping.value).toBeCloseTo(1 / 90, 12);
  expect(lines[0]?.amplitude.value).toBeCloseTo(0.15, 12);
  expect(lines[0]?.phase.value).toBeCloseTo(0.6, 11);
  expect(lines[0]?.quality.value).toBeCloseTo((Math.PI * 90) / 5.9, 8);
  expect(lines[1]?.damping.value).toBeCloseTo(-1 / 120, 12);
  expect(lines[1]?.quality.value).toBe(Infinity);
});

test("a complex series tells prograde from retrograde", () => {
  const angle = (u: number, period: number) => (2 * Math.PI * u) / period;
  const series: Series = {
    ...made((u) => 2 * Math.cos(angle(u, 8.5) + 0.3) + Math.cos(angle(u, -8.5) - 1)),
    im: made((u) => 2 * Math.sin(angle(u, 8.5) + 0.3) + Math.sin(angle(u, -8.5) - 1)).re,
  };
  const { lines } = dampedLines(series, { lines: [8.2, -8.9] });
  expect(lines.map(({ period }) => period.value)[0]).toBeCloseTo(8.5, 10);
  expect(lines.map(({ period }) => period.value)[1]).toBeCloseTo(-8.5, 10);
  expect(lines.map(({ amplitude }) => amplitude.value)[0]).toBeCloseTo(2, 10);
  expect(lines.map(({ phase }) => phase.value)[1]).toBeCloseTo(-1, 10);
});

test("an amplitude that is a parabola in time, and a damping held at 0", () => {
  const series = made((u) => (0.1 + 0.002 * u - 1e-4 * u * u) * Math.cos((2 * Math.PI * u) / 5.9));
  const { lines, parameters } = dampedLines(series, {
    lines: [{ period: 6, damping: 0, degree: 2 }],
  });
  expect(parameters.map(({ name }) => name)).not.toContain("damping 1");
  expect(lines[0]?.damping).toEqual({ value: 0, sd: 0, interval: [0, 0] });
  const coefficients = lines[0]?.coefficients.map(({ re }) => re) ?? [];
  expect(coefficients[0]).toBeCloseTo(0.1, 11);
  expect(coefficients[1]).toBeCloseTo(0.002, 12);
  expect(coefficients[2]).toBeCloseTo(-1e-4, 13);
});

test("samples that are not observed have no say", () => {
  const whole = made((u) => 0.1 * Math.cos((2 * Math.PI * u) / 5.9 + 1));
  const observed = new Uint8Array(COUNT).fill(1).fill(0, 100, 200);
  const gappy = { ...whole, observed, re: whole.re.map((x, n) => (observed[n] ? x : 0)) };
  const { lines, fitted, residual } = dampedLines(gappy, { lines: [6] });
  expect(lines[0]?.period.value).toBeCloseTo(5.9, 10);
  expect(fitted.re[150]).toBeCloseTo(whole.re[150] ?? 0, 10);
  expect(residual.re[150]).toBe(0);
});

test("frequencies keep within what was asked", () => {
  const series = made((u) => Math.cos((2 * Math.PI * u) / 5.9));
  const { lines } = dampedLines(series, { lines: [7], within: 0.05 });
  expect(lines[0]?.period.value).toBeGreaterThan(7 / 1.05001);
});

test("a period under two samples and one below 0 of a real series are refused", () => {
  const series = made(() => 1);
  expect(() => dampedLines(series, { lines: [0.1] })).toThrow("period 0.1 years");
  expect(() => dampedLines(series, { lines: [-5] })).toThrow("period -5 of a real series");
});

test("quantiles of the normal distribution", () => {
  // scipy.stats.norm.ppf
  expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 12);
  expect(normalQuantile(0.0001)).toBeCloseTo(-3.719016485455709, 10);
  expect(normalQuantile(0.5)).toBeCloseTo(0, 14);
});
