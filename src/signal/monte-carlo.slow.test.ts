import { expect, test } from "vitest";
import { uncertainty } from "./monte-carlo.ts";
import { redNoise } from "./noise.ts";
import { random } from "./random.ts";
import type { Series } from "./series.ts";

// A record of 15 periods of 20 samples, so that a draw takes a few milliseconds; σ = 6 leaves half of it uncut.
const COUNT = 300;
const SPAN = (COUNT - 1) / 2;
const LINE = { frequency: 1 / 20, damping: 0.002, amplitude: 1, phase: 0.7 };
const truth = Float64Array.from({ length: COUNT }, (_, n) => {
  const u = n - SPAN;
  return (
    LINE.amplitude *
    Math.exp(-LINE.damping * u) *
    Math.cos(2 * Math.PI * LINE.frequency * u + LINE.phase)
  );
});
const like: Series = {
  ...{ name: "made", unit: "ms", timeUnit: "days", start: 0, step: 1 },
  re: truth,
};

test("bands and intervals hold the truth: 95 % ± 3, 150 records of 60 draws each", () => {
  const noise = { sd: 0.4, phi: 0.5 };
  const counts = { band: 0, period: 0, damping: 0, amplitude: 0 };
  const records = 150;
  for (let k = 0; k < records; k++) {
    const drawn = redNoise(like, noise, random(99, k));
    const re = truth.map((x, n) => x + (drawn.re[n] ?? 0));
    const { restorations } = uncertainty(
      { ...like, re },
      {
        ...{ periods: [20], exactly: true, sigma: 6, detrend: { legendre: 1 } },
        ...{ draws: 60, seed: k, noise },
      },
    );
    const [found] = restorations;
    if (found === undefined) throw new Error("one period gives one restoration");
    const { band, known } = found;
    truth.forEach((x, n) => {
      const inside = (band.low.re[n] ?? 0) <= x && x <= (band.high.re[n] ?? 0);
      counts.band += (inside ? 1 : 0) / COUNT;
    });
    const holds = ({ interval }: typeof known.period, value: number) =>
      interval[0] <= value && value <= interval[1] ? 1 : 0;
    counts.period += holds(known.period, 1 / LINE.frequency);
    counts.damping += holds(known.damping, LINE.damping);
    counts.amplitude += holds(known.amplitude, LINE.amplitude);
  }
  expect(Math.abs(counts.band / records - 0.95)).toBeLessThan(0.03);
  // Of 150 records each counts whole: one sd is 1.8 %, and 60 draws know an sd to 10 % only.
  for (const count of [counts.period, counts.damping, counts.amplitude])
    expect(Math.abs(count / records - 0.95)).toBeLessThan(0.055);
});
