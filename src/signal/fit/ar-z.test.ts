import { expect, test } from "vitest";
import { gaussian } from "../random.ts";
import type { Series } from "../series.ts";
import { arLine, arZ } from "./ar-z.ts";

const COUNT = 3000;
const wave =
  (frequency: number, damping: number, amplitude: number, phase: number) => (n: number) =>
    amplitude * Math.exp(-damping * n) * Math.cos(2 * Math.PI * frequency * n + phase);
const made = (...parts: readonly ((n: number) => number)[]): Series => ({
  ...{ name: "made", unit: "nm/s²", timeUnit: "minutes", start: 0, step: 1 },
  re: Float64Array.from({ length: COUNT }, (_, n) => parts.reduce((sum, part) => sum + part(n), 0)),
});

test("the relation of the bins is exact for one complex line", () => {
  const [f, alpha] = [0.0732, 0.0011];
  const series: Series = {
    ...made((n) => 2 * Math.exp(-alpha * n) * Math.cos(2 * Math.PI * f * n + 0.4)),
    im: Float64Array.from(
      { length: COUNT },
      (_, n) => 2 * Math.exp(-alpha * n) * Math.sin(2 * Math.PI * f * n + 0.4),
    ),
  };
  for (const degree of [0, 2]) {
    const line = arLine(series, 1 / f, { degree });
    expect(line.frequency).toBeCloseTo(f, 12);
    expect(line.damping).toBeCloseTo(alpha, 11);
    expect(line.amplitude).toBeCloseTo(2, 9);
    expect(line.phase).toBeCloseTo(0.4, 9);
  }
});

test("a polynomial C takes up the tails of neighbours and of the mirror image", () => {
  const series = made(wave(0.0732, 0.0011, 1, 0.4), wave(0.0852, 0.0005, 3, 2));
  const error = (degree: number) =>
    Math.abs(arLine(series, 1 / 0.0732, { degree }).damping / 0.0011 - 1);
  expect(error(2)).toBeLessThan(2e-3); // what is left of tails is of third order over nine bins
  expect(error(2)).toBeLessThan(error(0) / 10);
});

test("standard deviations are those of many draws", () => {
  const draws = Array.from({ length: 200 }, (_, draw) => {
    const noise = gaussian(7, draw);
    return arLine(
      made(wave(0.0732, 0.0011, 1, 0.4), () => 0.2 * noise()),
      1 / 0.0732,
    );
  });
  const mean = draws.reduce((sum, { frequency }) => sum + frequency, 0) / draws.length;
  const sd = Math.sqrt(draws.reduce((sum, x) => sum + (x.frequency - mean) ** 2, 0) / draws.length);
  const told = draws.map((x) => x.sd.frequency).sort((a, b) => a - b)[100] ?? 0;
  // An sd told by ten degrees of freedom (nine bins less four unknowns, complex) wanders by 20 %.
  expect(told / sd).toBeGreaterThan(0.75);
  expect(told / sd).toBeLessThan(1.25);
  expect(Math.abs(mean - 0.0732)).toBeLessThan((4 * sd) / Math.sqrt(200));
});

test("the spectrum peaks at the lines, and a product of records keeps what they share", () => {
  const record = (seed: number, own: number) => {
    const noise = gaussian(seed);
    return made(wave(0.0732, 0.0011, 1, seed), wave(own, 0.002, 1, 1), () => 0.2 * noise());
  };
  const options = { band: [0.06, 0.09], dampings: [0, 0.004] } as const;
  const one = arZ(record(1, 0.065), options);
  const top = one.peaks.slice(0, 2).sort((a, b) => a.frequency - b.frequency);
  expect(top[0]?.frequency).toBeCloseTo(0.065, 3);
  expect(top[1]?.frequency).toBeCloseTo(0.0732, 3);
  expect(top[1]?.damping).toBeCloseTo(0.0011, 3);
  const both = arZ([record(1, 0.065), record(2, 0.083)], options);
  expect(both.peaks[0]?.frequency).toBeCloseTo(0.0732, 3);
  expect((both.peaks[1]?.power ?? 0) / (both.peaks[0]?.power ?? 1)).toBeLessThan(0.1);
});

test("bins that cannot hold the unknowns, and frequencies outside, are refused", () => {
  const series = made(wave(0.0732, 0.0011, 1, 0));
  expect(() => arLine(series, 10, { halfWidth: 1 })).toThrow("3 bins of made");
  expect(() => arLine(series, -10)).toThrow("a frequency of -0.1 per minute in made");
});
