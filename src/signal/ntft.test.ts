import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { edgeLaw, kernelAt, requirePeriod, shortestPeriod, shortestRecord } from "./edge.ts";
import { type LineOptions, ntft, ntftLine, renormalised } from "./ntft.ts";
import { type Series, timesOf } from "./series.ts";
import { WINDOWS } from "./windows.ts";

const FACTS = { name: "test", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 } as const;

/** A e^{i(2πt/P + phase)}, t since the start. */
function harmonic(
  count: number,
  period: number,
  { amplitude = 1, phase = 0, step = FACTS.step, real = false } = {},
): Series {
  const angle = (n: number) => (2 * Math.PI * n * step) / period + phase;
  const re = Float64Array.from({ length: count }, (_, n) => amplitude * Math.cos(angle(n)));
  const im = Float64Array.from({ length: count }, (_, n) => amplitude * Math.sin(angle(n)));
  return { ...FACTS, step, re, ...(!real && { im }) };
}

/** Numbers that no transform likes better than others. */
function noise(count: number, seed: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
}

/** The definition, summed term by term. */
function directSum(series: Series, period: number, options: LineOptions, at: number) {
  const { omega, mu, window } = kernelAt(period, options);
  let [re, im] = [0, 0];
  for (let n = 0; n < series.re.length; n++) {
    const lag = (n - at) * series.step;
    const size = series.step * mu * window.density(mu * lag);
    const [c, s] = [size * Math.cos(omega * lag), -size * Math.sin(omega * lag)];
    const [x, y] = [series.re[n] ?? 0, series.im?.[n] ?? 0];
    re += x * c - y * s;
    im += x * s + y * c;
  }
  return { re, im };
}

function largest(values: Iterable<number>): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

describe("the transform equals its sum", () => {
  const complex = (count: number): Series => ({
    ...FACTS,
    re: noise(count, 1),
    im: noise(count, 2),
  });
  test.each<[label: string, count: number, period: number, options: LineOptions]>([
    ["in the middle of the band", 744, 5.9, {}],
    ["backwards", 744, -5.9, {}],
    ["with an odd number of samples", 743, 5.9, { sigma: 6 }],
    ["with a prime number of samples", 1009, 1.3, {}],
    ["when 7σ/ω exceeds the record", 400, 9, { sigma: 10 }],
    ["when the kernel is built in time", 400, 9, { sigma: 40, c: 0 }],
    ["close to the Nyquist frequency", 500, 0.27, {}],
    ["decimated", 744, 5.9, { every: 7 }],
    ["decimated by more than the band needs", 744, 0.4, { every: 12 }],
    ["with a window of constant length", 744, 2, { kernel: "gabor", sigma: 8 }],
    ["with a scale of one's own", 744, 4, { kernel: { scale: (w) => Math.sqrt(Math.abs(w)) } }],
    ...WINDOWS.map((window): [string, number, number, LineOptions] => [
      window,
      600,
      3,
      { window, every: 5 },
    ]),
    ["hann, longer than the record", 300, 8, { window: "hann" }],
  ])("%s", (_, count, period, options) => {
    const series = complex(count);
    const { re, im } = ntftLine(series, period, options);
    const { every = 1 } = options;
    expect(re.length).toBe(Math.ceil(count / every));
    const differences = Array.from(re, (value, m) => {
      const sum = directSum(series, period, options, m * every);
      return Math.hypot(value - sum.re, (im[m] ?? 0) - sum.im);
    });
    expect(largest(differences)).toBeLessThan(1e-13);
  });
});

test("a harmonic in the interior is found to 1e−12, and to 1e−3 at c = 3.09", () => {
  const [sigma, period, count] = [10, 0.7, 744];
  const series = harmonic(count, period, { amplitude: 3, phase: 0.4 });
  const { re, im } = ntftLine(series, period, { sigma });
  const width = (sigma * period) / (2 * Math.PI) / series.step;
  const errorAt = (n: number) =>
    Math.hypot((re[n] ?? 0) - (series.re[n] ?? 0), (im[n] ?? 0) - (series.im?.[n] ?? 0)) / 3;
  for (let n = Math.ceil(7.1 * width); n < count - 7.1 * width; n++)
    expect(errorAt(n)).toBeLessThan(1e-12);
  expect(errorAt(Math.ceil(3.09 * width))).toBeLessThan(1e-3);
  expect(errorAt(Math.floor(2.9 * width))).toBeGreaterThan(1e-3);
});

test("a pure harmonic anywhere in the band keeps amplitude and phase to 1e−3 inside the cone", () => {
  const whole = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      whole,
      whole,
      fc.double({ min: 4, max: 16, noNaN: true }),
      fc.boolean(),
      fc.boolean(),
      (place, turn, sigma, real, back) => {
        // Both ends take their share of the middle, and a real harmonic meets its mirror image there.
        const [count, c] = [900, 3.4];
        // From the Nyquist limit to the period whose cone just leaves a middle, in samples.
        const shortest = shortestPeriod(1, sigma);
        const longest = (count - 1) / shortestRecord(1, sigma, c);
        const period = shortest * (longest / shortest) ** place * (back && !real ? -1 : 1);
        const phase = 2 * Math.PI * turn;
        const series = harmonic(count, period, { amplitude: 2, phase, step: 1, real });
        const { re, im } = ntftLine(series, period, { sigma });
        const cut = Math.ceil((c * sigma * Math.abs(period)) / (2 * Math.PI));
        let [worst, turned] = [0, 0];
        for (let n = cut; n < count - cut; n++) {
          const [x, y] = [re[n] ?? 0, im[n] ?? 0];
          worst = Math.max(worst, Math.abs((Math.hypot(x, y) * (real ? 2 : 1)) / 2 - 1));
          const angle = Math.atan2(y, x) - (2 * Math.PI * n) / period - phase;
          turned = Math.max(turned, Math.abs(Math.sin(angle)));
        }
        expect(worst).toBeLessThan(1e-3);
        expect(turned).toBeLessThan(1e-3);
      },
    ),
    { numRuns: 100, seed: 7 },
  );
});

describe("the edge law", () => {
  test("is what the ends leave of a harmonic, to 1e−5 at any c, phase exact", () => {
    for (const [sigma, period] of [
      [10, 5.9],
      [6, 8.5],
      [10, 12],
    ] as const) {
      const series = harmonic(744, period, { phase: 1 });
      const { re, im, edge } = ntftLine(series, period, { sigma });
      const misfit = Array.from(re, (value, n) => {
        const expected = edge[n] ?? 0;
        return Math.hypot(
          value - expected * (series.re[n] ?? 0),
          (im[n] ?? 0) - expected * (series.im?.[n] ?? 0),
        );
      });
      expect(largest(misfit)).toBeLessThan(1e-5);
    }
  });

  test.each([
    [0, 0.5],
    [1, 0.841],
    [1.25, 0.894],
    [1.5, 0.933],
    [2, 0.977],
    [3, 0.99865],
    [3.09, 0.999],
    [4.75, 0.999999],
  ])("at c = %d is %d", (c, expected) => {
    // A window of 1000 samples: half a sample is nothing, and the other end is far.
    const sigma = 10;
    const period = (2 * Math.PI * 1000) / sigma;
    const series = { ...FACTS, step: 1, re: new Float64Array(20_001) };
    const digits = String(expected).split(".")[1]?.length ?? 0;
    // Half a sample makes up to 2e−4.
    const tolerance = 0.5 * 10 ** -digits + 2e-4;
    const found = edgeLaw(series, period, { sigma })[Math.round(c * 1000)] ?? 0;
    expect(Math.abs(found - expected)).toBeLessThan(tolerance);
  });

  test("divided out, leaves a harmonic whole up to the ends", () => {
    const series = harmonic(744, 5.9);
    const map = renormalised(ntft(series, { periods: [5.9] }));
    const misfit = Array.from(map.re[0] ?? [], (value, n) => value - (series.re[n] ?? 0));
    expect(largest(misfit)).toBeLessThan(1e-5);
    expect(renormalised(map)).toBe(map);
  });

  test("says nothing where it is below a half", () => {
    const series = harmonic(300, 14);
    const map = renormalised(ntft(series, { periods: [14], sigma: 6, c: 0 }));
    const half = map.edge[0]?.findIndex((share) => share >= 0.49) ?? 0;
    expect(half).toBeGreaterThan(0);
    expect(map.re[0]?.slice(0, half).every(Number.isNaN)).toBe(true);
    expect(map.re[0]?.[half]).not.toBeNaN();
  });

  test.each(WINDOWS)("holds for the %s window", (window) => {
    const series = harmonic(744, 4);
    const { re, edge } = ntftLine(series, 4, { window, sigma: 8, c: 0 });
    const misfit = Array.from(re, (value, n) => value - (edge[n] ?? 0) * (series.re[n] ?? 0));
    // The Riemann sum of a window that ends in steps is worse than that of a Gaussian.
    expect(largest(misfit)).toBeLessThan(1e-4);
  });
});

test("the sample case of the public code: ridges at 1.80 and 3.20, smoothed amplitudes at t = 32", () => {
  const times = Float64Array.from({ length: 641 }, (_, n) => n / 10);
  const sample = (wave: (angle: number) => number) =>
    times.map(
      (t) =>
        (4 + Math.sin((2 * Math.PI * t) / 40)) * wave((2 * Math.PI * t) / 1.8) +
        (3 - Math.cos((2 * Math.PI * t) / 30)) * wave((2 * Math.PI * t) / 3.2),
    );
  const series = { ...FACTS, start: 0, step: 0.1, re: sample(Math.cos), im: sample(Math.sin) };
  const periods = Array.from({ length: 301 }, (_, at) => 1 + at / 100);
  const map = ntft(series, { periods, sigma: 10 });
  const amplitudes = periods.map((_, at) =>
    Math.hypot(map.re[at]?.[320] ?? 0, map.im[at]?.[320] ?? 0),
  );
  const peakIn = (low: number, high: number) => {
    const inside = periods.map((p, at) => (p >= low && p <= high ? (amplitudes[at] ?? 0) : 0));
    const at = inside.indexOf(Math.max(...inside));
    return [periods[at], inside[at]];
  };
  const [first = 0, firstSize = 0] = peakIn(1.2, 2.4);
  const [second = 0, secondSize = 0] = peakIn(2.6, 4);
  expect(first).toBeCloseTo(1.8, 6);
  expect([3.2, 3.21]).toContain(second);
  expect([firstSize, secondSize].map((size) => size.toFixed(3))).toEqual(["3.141", "2.483"]);
});

test("a retrograde line is invisible at the prograde period", () => {
  const series = harmonic(1200, -3, { amplitude: 1 });
  const seen = ntft(series, { periods: [3, -3] });
  expect(Math.hypot(seen.re[0]?.[600] ?? 1, seen.im[0]?.[600] ?? 1)).toBeLessThan(1e-12);
  expect(Math.hypot(seen.re[1]?.[600] ?? 0, seen.im[1]?.[600] ?? 0)).toBeCloseTo(1, 9);
});

test("decimated output is each so many-th sample of the whole", () => {
  const series: Series = { ...FACTS, re: noise(1000, 5) };
  const periods = [0.4, 1, 3, 8];
  const [whole, some] = [ntft(series, { periods }), ntft(series, { periods, every: 9 })];
  periods.forEach((_, at) => {
    const misfit = Array.from(
      some.re[at] ?? [],
      (value, m) => value - (whole.re[at]?.[9 * m] ?? 9),
    );
    expect(largest(misfit)).toBeLessThan(1e-13);
  });
  expect([...some.times]).toEqual([...timesOf(series)].filter((_, n) => n % 9 === 0));
  expect(some.edge[3]?.[4]).toBe(whole.edge[3]?.[36]);
});

test("a batch gives each series its map", () => {
  const batch = [harmonic(500, 3), harmonic(600, -3), harmonic(500, 3, { real: true })];
  const maps = ntft(batch, { periods: [3, 4] });
  expect(maps).toHaveLength(3);
  maps.forEach((map, at) => {
    const alone = ntft(batch[at] ?? harmonic(1, 1), { periods: [3, 4] });
    expect(map.re).toEqual(alone.re);
  });
});

describe("gaps", () => {
  const whole = harmonic(744, 3, { amplitude: 2 });
  const observed = new Uint8Array(744).fill(1).fill(0, 300, 312).fill(0, 500, 501);
  const masked = (part: Float64Array) => part.map((value, n) => value * (observed[n] ?? 1));
  const gappy: Series = {
    ...whole,
    re: masked(whole.re),
    im: masked(whole.im ?? whole.re),
    observed,
  };

  test("are refused, by their first sample", () => {
    expect(() => ntftLine(gappy, 3)).toThrow(
      "sample 300 at 1987 years is missing.\n  missing    13 of 744 samples",
    );
  });

  test("or divided out: a harmonic comes back whole, and F tells the share", () => {
    const { re, edge, normalised } = ntftLine(gappy, 3, { gaps: "normalise" });
    expect(normalised).toBe(true);
    expect(largest(re.map((value, n) => value - (whole.re[n] ?? 0)))).toBeLessThan(1e-5);
    const full = edgeLaw(whole, 3);
    expect(edge[306]).toBeLessThan((full[306] ?? 0) - 0.05);
    expect(edge[20]).toBeCloseTo(full[20] ?? 0, 5);
  });

  test("too long to see over are left without a value", () => {
    const wide = new Uint8Array(744).fill(1).fill(0, 300, 420);
    const series = { ...whole, re: whole.re.map((x, n) => x * (wide[n] ?? 1)), observed: wide };
    const { re, edge } = ntftLine(series, 3, { gaps: "normalise" });
    expect(re[360]).toBeNaN();
    expect(edge[360]).toBeLessThan(0.5);
    expect(re[200]).not.toBeNaN();
  });
});

describe("periods that the record cannot show", () => {
  const years40: Series = { ...FACTS, name: "ΔLOD", re: new Float64Array(481) };

  test("are refused with the shortest record", () => {
    expect(() => ntft(years40, { periods: [5, 30] })).toThrow(
      [
        "ntft of ΔLOD: a period of 30 years is too long for a record of 40 years.",
        "  shortest    92.75 years of record at sigma 10, c 0.5",
        "  fix         give a longer record, ask for periods up to 12.94 years, or lower sigma    [SIGNAL-02]",
      ].join("\n"),
    );
    expect(() => requirePeriod("restore", years40, 8.5)).toThrow(
      "shortest    46.57 years of record",
    );
  });

  test("are refused with the shortest period", () => {
    expect(() => ntft(years40, { periods: [0.25] })).toThrow(
      "a period of 0.25 years is too short for samples 0.08333 years apart.\n  shortest    0.2667 years at sigma 10",
    );
    expect(() => ntftLine(years40, shortestPeriod(years40.step))).not.toThrow();
  });

  test("the shortest records of the two decade lines", () => {
    expect(shortestRecord(5.9, 10)).toBeCloseTo(32.3, 1);
    expect(shortestRecord(8.5, 10)).toBeCloseTo(46.6, 1);
  });

  test("and settings that are none, too", () => {
    expect(() => ntftLine(years40, 0)).toThrow("0 is no period");
    expect(() => ntftLine(years40, 5, { sigma: -1 })).toThrow("sigma -1 is no width");
    expect(() => ntftLine(years40, 5, { every: 0.5 })).toThrow("every 0.5 is no number of samples");
    expect(() => ntftLine(years40, 5, { kernel: { scale: () => 0 } })).toThrow("scale(");
  });
});
