import { expect, test } from "vitest";
import { redNoise } from "../noise.ts";
import { random } from "../random.ts";
import { type Series, withValues } from "../series.ts";
import { dampedLines } from "./damped-lines.ts";
import { dampedLinesInRedNoise } from "./red-noise.ts";

const NOISE = { sd: 0.05, phi: 0.85 };
const like: Series = {
  ...{ name: "line", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 4 },
  re: new Float64Array(241),
};
const line = like.re.map((_, n) => 1 + 0.12 * Math.cos((2 * Math.PI * n) / 4 / 5.9 + 0.6));

function record(draw: number): Series {
  const noise = redNoise(like, NOISE, random(11, draw));
  return withValues(
    like,
    noise.re.map((x, n) => x + (line[n] ?? 0)),
  );
}

test("deviations in red noise are those of many records, and far above those of white noise", () => {
  const options = { lines: [5.9], detrend: { legendre: 1 }, draws: 200, seed: 3, search: false };
  const { known, noise, fit } = dampedLinesInRedNoise(record(0), options);
  const [own] = known;
  const truths = Array.from({ length: 200 }, (_, draw) => {
    const [each] = dampedLines(
      withValues(
        like,
        record(draw + 1).re.map((x) => x - 1),
      ),
      {
        ...{ lines: [5.9], search: false },
      },
    ).lines;
    return each?.amplitude.value ?? Number.NaN;
  });
  const mean = truths.reduce((sum, x) => sum + x, 0) / truths.length;
  const sd = Math.sqrt(truths.reduce((sum, x) => sum + (x - mean) ** 2, 0) / truths.length);
  // 200 draws give a deviation to 6 % (its robust estimate 8 %); that of the noise, fitted to one record, moves it too.
  expect(Math.abs((own?.amplitude.sd ?? 0) / sd - 1)).toBeLessThan(0.35);
  expect(own?.amplitude.sd).toBeGreaterThan(1.5 * (fit.lines[0]?.amplitude.sd ?? 1));
  expect(Math.abs(noise.phi - NOISE.phi)).toBeLessThan(0.12); // 1/√241 and the lines that were fitted
  expect(Math.abs((own?.period.value ?? 0) - 5.9)).toBeLessThan(4 * (own?.period.sd ?? 0));
});

test("the same seed gives the same numbers, and draws know of gaps and of complex records", () => {
  const gappy: Series = {
    ...record(0),
    re: record(0).re.map((x, n) => (n === 7 ? 0 : x)),
    observed: new Uint8Array(241).fill(1).with(7, 0),
  };
  const complex = withValues(
    like,
    line.map((x) => x - 1),
    like.re.map((_, n) => 0.12 * Math.sin((2 * Math.PI * n) / 4 / 5.9 + 0.6) + 1e-3 * Math.cos(n)),
  );
  for (const series of [gappy, complex]) {
    const run = () =>
      dampedLinesInRedNoise(series, { lines: [5.9], detrend: { legendre: 0 }, draws: 5 }).known;
    expect(run()).toEqual(run());
    expect(Math.abs((run()[0]?.period.value ?? 0) - 5.9)).toBeLessThan(0.3);
  }
});
