import { expect, test } from "vitest";
import { redNoise } from "./noise.ts";
import { random } from "./random.ts";
import type { Series } from "./series.ts";
import { peakSignificance } from "./significance.ts";

const blank: Series = {
  ...{ name: "made", unit: "ms", timeUnit: "days", start: 0, step: 1 },
  re: new Float64Array(400),
};
const noise = { sd: 1, phi: 0.7 };
const periods = Array.from({ length: 20 }, (_, k) => 8 * 1.07 ** k);
const options = { periods, sigma: 8, every: 4, noise, draws: 99 };

test("noise exceeds the levels as rarely as they say", () => {
  // The levels do not depend on the record: 100 records against those of one run.
  const { level, levelAnywhere } = peakSignificance(blank, options);
  let [above, anywhere] = [0, 0];
  for (let k = 0; k < 100; k++) {
    const record = redNoise(blank, noise, random(77, k));
    const { amplitude } = peakSignificance(record, { ...options, draws: 1 });
    const over = (levels: Float64Array) => amplitude.filter((x, i) => x > (levels[i] ?? 0)).length;
    above += over(level) / periods.length;
    anywhere += over(levelAnywhere) > 0 ? 1 : 0;
  }
  // 5 % with 100 records and levels from 99 draws: ±3.5 % (one sd; the periods of one record go together).
  expect(above / 100).toBeLessThan(0.12);
  expect(anywhere / 100).toBeLessThan(0.15);
  expect(anywhere).toBeGreaterThan(0);
});

test("a line stands out, at its period and anywhere; and no level is below that of one period", () => {
  const drawn = redNoise(blank, noise, random(5));
  const re = drawn.re.map((x, n) => x + 2 * Math.cos((2 * Math.PI * n) / 15));
  const found = peakSignificance({ ...blank, re }, options);
  const peak = found.peaks.find(({ period }) => Math.abs(period / 15 - 1) < 0.04);
  expect(peak?.p).toBe(0.01);
  expect(peak?.pAnywhere).toBe(0.01);
  found.level.forEach((value, i) => {
    expect(found.levelAnywhere[i]).toBeGreaterThanOrEqual(value * 0.999);
    expect(found.pointLevelAnywhere[i]).toBeGreaterThan(found.pointLevel[i] ?? 0);
  });
});

test("a run can be stopped, and tells how far it is", () => {
  const seen: number[] = [];
  const stop = new AbortController();
  const run = () =>
    peakSignificance(blank, {
      ...options,
      signal: stop.signal,
      onProgress(done) {
        seen.push(done);
        if (done === 3) stop.abort();
      },
    });
  expect(run).toThrow();
  expect(seen).toEqual([1, 2, 3]);
});
