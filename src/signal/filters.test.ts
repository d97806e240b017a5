import { describe, expect, test } from "vitest";
import { bandPass, highPass, lowPass, runningMean } from "./filters.ts";
import { gaussian } from "./random.ts";
import { binnedMeans, resample, samplesOf } from "./resample.ts";
import { type Series, timesOf, withValues } from "./series.ts";

const daily: Series = {
  ...{ name: "x", unit: "ms", timeUnit: "days", start: 0, step: 1 },
  re: new Float64Array(4001),
};
const times = timesOf(daily);
const of = (f: (t: number) => number): Series => withValues(daily, times.map(f));
const wave = (t: number, period: number): number => Math.cos((2 * Math.PI * t) / period + 1);
/** In the middle half. */
const gain = (after: Series, before: Series): number => {
  const power = ({ re }: Series) => re.subarray(1000, 3000).reduce((sum, x) => sum + x * x, 0);
  return Math.sqrt(power(after) / power(before));
};
const farthest = (a: Float64Array, b: Float64Array): number =>
  Math.max(...a.map((x, n) => Math.abs(x - (b[n] ?? 0))));

describe("filters", () => {
  test("pass 0.707 at the cutoff, keep the phase, and let through or stop what lies apart", () => {
    for (const shape of [
      { kind: "gaussian" } as const,
      { kind: "butterworth", order: 4 } as const,
    ]) {
      const at = of((t) => wave(t, 100));
      const low = lowPass(at, 100, { shape });
      expect(gain(low, at)).toBeCloseTo(Math.SQRT1_2, 2);
      expect(
        farthest(
          low.re.subarray(1000, 3000),
          at.re.subarray(1000, 3000).map((x) => x * Math.SQRT1_2),
        ),
      ).toBeLessThan(0.01);
      expect(gain(highPass(at, 100, { shape }), at)).toBeCloseTo(Math.SQRT1_2, 2);
      const fast = of((t) => wave(t, 20));
      expect(gain(lowPass(fast, 100, { shape }), fast)).toBeLessThan(0.01);
      expect(gain(highPass(fast, 100, { shape }), fast)).toBeCloseTo(1, 3);
    }
  });

  test("of a band pass its middle alone", () => {
    const [slow, middle, fast] = [400, 80, 10].map((period) => of((t) => wave(t, period)));
    const all = of((t) => wave(t, 400) + wave(t, 80) + wave(t, 10));
    const passed = bandPass(all, [200, 30]);
    expect(gain(bandPass(slow ?? all, [30, 200]), slow ?? all)).toBeLessThan(0.1);
    expect(gain(bandPass(fast ?? all, [30, 200]), fast ?? all)).toBeLessThan(0.02);
    const [a, b] = [passed.re.subarray(1000, 3000), (middle ?? all).re.subarray(1000, 3000)];
    expect(farthest(a, b)).toBeLessThan(0.1);
  });

  test("carry a straight line on to the ends, and stop one altogether", () => {
    const line = of((t) => 3 + t / 50);
    expect(farthest(lowPass(line, 100).re, line.re)).toBeLessThan(1e-9);
    expect(Math.max(...highPass(line, 100).re.map(Math.abs))).toBeLessThan(1e-9);
    expect(Math.abs(lowPass(line, 100, { edges: "zero" }).re[4000] ?? 0)).toBeLessThan(60);
  });

  test("treat both senses of a complex series alike", () => {
    const turn = withValues(
      daily,
      times.map((t) => Math.cos((2 * Math.PI * t) / 400)),
      times.map((t) => -Math.sin((2 * Math.PI * t) / 400)),
    );
    const { re, im } = lowPass(turn, 50);
    expect(farthest(re.subarray(1000, 3000), turn.re.subarray(1000, 3000))).toBeLessThan(1e-3);
    expect(
      farthest((im ?? re).subarray(1000, 3000), (turn.im ?? re).subarray(1000, 3000)),
    ).toBeLessThan(1e-3);
  });

  test("refuse gaps and cutoffs that no sample shows", () => {
    const gap = { ...daily, observed: new Uint8Array(4001).fill(1).with(7, 0) };
    expect(() => lowPass(gap, 100)).toThrow("filter of x: the series has gaps.");
    expect(() => lowPass(daily, 1.5)).toThrow("cutoff period 1.5 days is below two samples");
  });
});

describe("a running mean", () => {
  test("is the mean of the samples around, fewer at the ends, none from gaps", () => {
    const observed = new Uint8Array(4001).fill(1).with(10, 0);
    const series = { ...of((t) => (t === 10 ? 0 : t * t)), observed };
    const { re } = runningMean(series, 3);
    expect(re[5]).toBeCloseTo((16 + 25 + 36) / 3, 9);
    expect(re[0]).toBeCloseTo(0.5, 9);
    expect(re[9]).toBeCloseTo((64 + 81) / 2, 9);
    expect(re[10]).toBe(0);
  });

  test("over all is the mean of all", () => {
    const draw = gaussian(1);
    const series = of(() => draw());
    const mean = series.re.reduce((sum, x) => sum + x, 0) / 4001;
    expect(runningMean(series, 1e6).re[17]).toBeCloseTo(mean, 10);
  });
});

describe("means over bins", () => {
  const samples = samplesOf({ ...daily, timeUnit: "years", start: 1962, step: 1 / 365.25 });

  test("lie at the centres of months, gaps where days are too few", () => {
    const kept = [...samples.times.keys()].filter((n) => n < 40 || n > 70);
    const monthly = binnedMeans(
      {
        ...samples,
        times: Float64Array.from(kept, (n) => samples.times[n] ?? 0),
        re: Float64Array.from(kept, (n) => n),
      },
      { origin: 1962, width: 1 / 12, minimum: 25 },
    );
    expect(monthly.start).toBeCloseTo(1962 + 0.5 / 12, 12);
    expect(monthly.re[0]).toBe(15); // days 0 … 30: 30.4 a month
    expect([...(monthly.observed ?? [])].slice(0, 4)).toEqual([1, 0, 0, 1]);
    expect(monthly.re[1]).toBe(0);
    expect(monthly.step).toBe(1 / 12);
  });

  test("with no bin full are refused", () => {
    expect(() => binnedMeans(samples, { origin: 1962, width: 1 / 12, minimum: 99 })).toThrow(
      "no bin of 0.08333333333333333 years has 99 samples",
    );
  });
});

describe("resampling", () => {
  const uneven = (f: (t: number) => number) => {
    const at = Float64Array.from({ length: 400 }, (_, n) => n + 0.3 * Math.sin(n * n));
    return { ...{ name: "x", unit: "m", timeUnit: "days" as const }, times: at, re: at.map(f) };
  };

  test("gives a parabola back by cubics, a line by lines, sample times exactly", () => {
    const { re, start, step } = resample(
      uneven((t) => 1 + t * t),
      { step: 0.5, start: 1, longestGap: 3 },
    );
    // Not in the first and last piece, whose slope is one-sided.
    const error = re.map((x, n) => x - 1 - (start + n * step) ** 2).subarray(4, -4);
    expect(Math.max(...error.map(Math.abs))).toBeLessThan(1e-8);
    const line = resample(
      uneven((t) => 3 * t),
      { step: 0.7, longestGap: 3, method: "linear" },
    );
    expect(line.re[100]).toBeCloseTo(3 * (line.start + 70), 9);
    const same = samplesOf(of((t) => Math.sin(t * t)));
    expect(resample(same, { step: 1, longestGap: 1 }).re).toEqual(same.re);
  });

  test("follows a smooth curve", () => {
    const { re, start, step } = resample(
      uneven((t) => wave(t, 40)),
      { step: 0.5, longestGap: 3 },
    );
    const error = re.map((x, n) => x - wave(start + n * step, 40)).subarray(4, -4);
    expect(Math.max(...error.map(Math.abs))).toBeLessThan(2e-3);
  });

  test("leaves gaps open, but for samples at their very edges", () => {
    const times = Float64Array.of(0, 1, 2, 10, 11, 12);
    const series = resample(
      { ...{ name: "x", unit: "m", timeUnit: "days" }, times, re: times },
      { step: 1, longestGap: 2 },
    );
    expect([...(series.observed ?? [])]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    expect([...series.re]).toEqual([0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 10, 11, 12]);
  });

  test("of times that fall back is refused", () => {
    const times = Float64Array.of(0, 2, 1);
    const samples = { ...{ name: "x", unit: "m", timeUnit: "days" as const }, times, re: times };
    expect(() => resample(samples, { step: 1, longestGap: 2 })).toThrow("time 1 follows 2");
  });
});
