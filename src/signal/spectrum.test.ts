import { expect, test } from "vitest";
import { redNoise } from "./noise.ts";
import { random } from "./random.ts";
import type { Series } from "./series.ts";
import { excessOf, periodogram, redSpectrum } from "./spectrum.ts";

function like(count: number, complex: boolean): Series {
  return {
    ...{ name: "test", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 },
    re: new Float64Array(count),
    ...(complex && { im: new Float64Array(count) }),
  };
}

test.each([
  [600, false],
  [601, false],
  [600, true],
])("power times distance adds up to the variance: %i samples, complex %s", (count, complex) => {
  const series = redNoise(like(count, complex), { sd: 0.3, phi: 0.6 }, random(3));
  const { frequencies, power } = periodogram(series);
  const mean = (part: Float64Array) => part.reduce((sum, x) => sum + x, 0) / part.length;
  const variance = (part: Float64Array) => mean(part.map((x) => x * x)) - mean(part) ** 2;
  const whole = variance(series.re) + (series.im === undefined ? 0 : variance(series.im));
  const distance = 1 / (count * series.step);
  expect(power.reduce((sum, p) => sum + p, 0) * distance).toBeCloseTo(whole, 12);
  expect(frequencies.every((f, k) => k === 0 || f > (frequencies[k - 1] ?? 0))).toBe(true);
});

test("red noise has the density of its law, and exceeds the level in 5 % of the bins", () => {
  for (const [complex, noise] of [
    [false, { sd: 0.3, phi: 0.8 }],
    [true, { sd: 0.3, phi: 0.5, phiIm: 0.4 }],
  ] as const) {
    const record = like(1024, complex);
    let [above, bins, ratio] = [0, 0, 0];
    for (let draw = 0; draw < 40; draw++) {
      const { frequencies, power } = periodogram(redNoise(record, noise, random(5, draw)));
      const law = redSpectrum(record, noise, frequencies);
      power.forEach((p, k) => {
        const part = p / (law[k] ?? 1);
        ratio += part;
        above += part > excessOf(0.95) ? 1 : 0;
        bins++;
      });
    }
    // 20,000 bins and more: 1/√20,000 is 0.7 %, of the share 0.15 %.
    expect(Math.abs(ratio / bins - 1)).toBeLessThan(0.03);
    expect(Math.abs(above / bins - 0.05)).toBeLessThan(0.008);
  }
});
