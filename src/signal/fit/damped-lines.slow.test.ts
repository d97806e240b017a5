import { expect, test } from "vitest";
import { gaussian } from "../random.ts";
import type { Series } from "../series.ts";
import { dampedLines } from "./damped-lines.ts";

const COUNT = 300;
const MIDDLE = (COUNT - 1) / 2;
const wave = (u: number, frequency: number, damping: number, amplitude: number, phase: number) =>
  amplitude * Math.exp(-damping * u) * Math.cos(2 * Math.PI * frequency * u + phase);

test("intervals of the fit hold the truth in white noise: 95 % ± 3, two lines, 400 draws", () => {
  const truths = [
    { frequency: 0.05, damping: 0.002, amplitude: 1, phase: 0.7 },
    { frequency: 0.07, damping: -0.001, amplitude: 0.8, phase: -2 },
  ] as const;
  const draws = 400;
  const inside = { frequency: 0, damping: 0, amplitude: 0, phase: 0 };
  for (let draw = 0; draw < draws; draw++) {
    const noise = gaussian(31, draw);
    const series: Series = {
      ...{ name: "made", unit: "ms", timeUnit: "days", start: 0, step: 1 },
      re: Float64Array.from({ length: COUNT }, (_, n) =>
        truths.reduce(
          (sum, { frequency, damping, amplitude, phase }) =>
            sum + wave(n - MIDDLE, frequency, damping, amplitude, phase),
          0.5 * noise(),
        ),
      ),
    };
    const { lines } = dampedLines(series, { lines: [20, 1 / 0.07] });
    truths.forEach((truth, j) => {
      for (const name of ["frequency", "damping", "amplitude", "phase"] as const) {
        const [low, high] = lines[j]?.[name].interval ?? [Number.NaN, Number.NaN];
        if (low <= truth[name] && truth[name] <= high) inside[name]++;
      }
    });
  }
  // 800 intervals of each: one sd is 0.8 %.
  for (const count of Object.values(inside))
    expect(Math.abs(count / (2 * draws) - 0.95)).toBeLessThan(0.03);
});
