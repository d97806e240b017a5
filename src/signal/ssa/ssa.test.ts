import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { gaussian } from "../random.ts";
import { type Series, timesOf, withValues } from "../series.ts";
import { convolve, hankel, lagCovariances, toeplitz } from "./convolve.ts";
import { espritLines, forecast } from "./forecast.ts";
import { dominantPeriod, groupByCorrelation, groupByPeriod, wCorrelations } from "./grouping.ts";
import { leadingPairs } from "./lanczos.ts";
import { type SsaOptions, ssa } from "./ssa.ts";
import { dot, type Vector } from "./vectors.ts";

interface Parts {
  readonly re: number[];
  readonly im: number[];
}
interface Recorded {
  readonly singularValues: number[];
  readonly eigenvalues: number[];
  readonly shares: number[];
  readonly "first two": number[] | Parts;
  readonly correlations: number[][];
  readonly forecast: number[] | Parts;
  readonly poles: Parts;
}
interface RecordedSeries {
  readonly values: number[] | Parts;
  readonly basic: Recorded;
  readonly toeplitz: Recorded;
}
const recorded = JSON.parse(
  readFileSync(new URL("../../../test/recorded/ssa.json", import.meta.url), "utf8"),
) as {
  readonly window: number;
  readonly triples: number;
  readonly records: Readonly<Record<"real" | "complex", RecordedSeries>>;
};

const vectorOf = (values: number[] | Parts): Vector =>
  Array.isArray(values)
    ? { re: Float64Array.from(values) }
    : { re: Float64Array.from(values.re), im: Float64Array.from(values.im) };
const seriesOf = (values: Vector): Series => ({
  ...{ name: "x", unit: "ms", timeUnit: "days", start: 0, step: 1 },
  ...values,
});
const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (x, n) => Math.abs(x - (b[n] ?? Number.NaN))));
const apart = (a: Vector, b: Vector): number =>
  Math.max(farthest(a.re, b.re), farthest(a.im ?? [0], b.im ?? [0]));

describe.each(["real", "complex"] as const)(
  "of a %s record, numpy's dense decompositions",
  (kind) => {
    const series = seriesOf(vectorOf(recorded.records[kind].values));
    const cases = (["basic", "toeplitz"] as const).flatMap((variant) =>
      (kind === "real" ? (["lanczos", "dense"] as const) : (["lanczos"] as const)).map(
        (method) => [variant, method] as const,
      ),
    );

    test.each(cases)("%s by %s", (variant, method) => {
      const expected = recorded.records[kind][variant];
      const { window, triples } = recorded;
      const found = ssa(series, { window, count: triples, variant, method });
      expect(farthest(found.singularValues, expected.singularValues)).toBeLessThan(1e-11);
      expect(farthest(found.eigenvalues, expected.eigenvalues)).toBeLessThan(1e-11);
      expect(farthest(found.shares, expected.shares)).toBeLessThan(1e-12);
      expect(apart(found.reconstruct([0, 1]), vectorOf(expected["first two"]))).toBeLessThan(1e-10);
      wCorrelations(found).forEach((row, i) => {
        expect(farthest(row, expected.correlations[i] ?? [])).toBeLessThan(1e-9);
      });
      const ahead = forecast(found, [0, 1, 2, 3], 10);
      expect(ahead.start).toBe(120);
      expect(apart(ahead, vectorOf(expected.forecast))).toBeLessThan(1e-9);
      const poles = expected.poles.re
        .map((re, k) => [re, expected.poles.im[k] ?? 0] as const)
        .filter(([, im]) => kind === "complex" || im >= 0)
        .map(([re, im]) => ({
          period: (2 * Math.PI) / Math.atan2(im, re),
          damping: -Math.log(Math.hypot(re, im)),
        }))
        .sort((a, b) => Math.abs(b.period) - Math.abs(a.period));
      const lines = espritLines(found, [0, 1, 2, 3]);
      expect(lines).toHaveLength(poles.length);
      lines.forEach(({ period, damping }, k) => {
        expect(1 / period).toBeCloseTo(1 / (poles[k]?.period ?? 0), 10);
        expect(damping).toBeCloseTo(poles[k]?.damping ?? 0, 10);
      });
    });
  },
);

describe("products by Fourier transforms", () => {
  const draw = gaussian(11);
  const vector = (size: number): Vector => ({
    re: Float64Array.from({ length: size }, draw),
    im: Float64Array.from({ length: size }, draw),
  });
  const at = ({ re, im }: Vector, n: number) => [re[n] ?? 0, im?.[n] ?? 0] as const;

  test("are those of the matrices", () => {
    const [x, u] = [vector(50), vector(20)];
    const seen = hankel(x, 20).correlate(u);
    expect(seen.re).toHaveLength(31);
    for (const j of [0, 7, 30]) {
      const [re, im] = dot(u, { re: x.re.slice(j, j + 20), im: (x.im ?? x.re).slice(j, j + 20) });
      expect(seen.re[j]).toBeCloseTo(re, 12);
      expect(seen.im?.[j]).toBeCloseTo(im, 12);
    }
    const lags = lagCovariances(x, 20);
    const product = toeplitz(lags)(u);
    for (const i of [0, 9, 19]) {
      let [re, im] = [0, 0];
      for (let j = 0; j < 20; j++) {
        const [a, b] = at(lags, Math.abs(i - j));
        const [p, q] = at(u, j);
        const s = i >= j ? b : -b;
        re += a * p - s * q;
        im += a * q + s * p;
      }
      expect(product.re[i]).toBeCloseTo(re, 12);
      expect(product.im?.[i]).toBeCloseTo(im, 12);
    }
    const [a, b] = [vector(3), vector(2)];
    const [a1, a2, b0, b1] = [at(a, 1), at(a, 2), at(b, 0), at(b, 1)];
    const product2 = a2[0] * b0[0] - a2[1] * b0[1] + a1[0] * b1[0] - a1[1] * b1[1];
    expect(convolve(a, b).re[2]).toBeCloseTo(product2, 13);
  });

  test("find eigenvalues that stand twice, and stop where there are no more", () => {
    const values = [5, 5, 3, 1, 1, 1];
    const diagonal = ({ re }: Vector): Vector => ({ re: re.map((x, n) => x * (values[n] ?? 0)) });
    const found = leadingPairs(diagonal, 400, 8, false);
    expect(farthest(found.values, [...values, 0, 0])).toBeLessThan(1e-12);
    found.vectors.forEach((a, i) => {
      found.vectors.forEach((b, j) => {
        expect(dot(a, b)[0]).toBeCloseTo(i === j ? 1 : 0, 12);
      });
    });
  });
});

describe("a decomposition", () => {
  const like = seriesOf({ re: new Float64Array(744) });
  const monthly: Series = { ...like, timeUnit: "years", start: 1962, step: 1 / 12 };
  const times = timesOf(monthly);
  const of = (f: (t: number) => number): Series => withValues(monthly, times.map(f));
  const wave = (t: number, period: number): number => Math.cos((2 * Math.PI * t) / period);
  const draw = gaussian(5);
  const lines = of((t) => wave(t, 5.9) + 0.6 * wave(t, 2.3));
  const noisy = of((t) => wave(t, 5.9) + 0.6 * wave(t, 2.3) + 0.2 * draw());

  test("of all triples adds up to the record, in both variants", () => {
    const short = withValues(monthly, noisy.re.slice(0, 100));
    for (const variant of ["basic", "toeplitz"] as const) {
      const all = ssa(short, { window: 30 / 12, count: 30, variant });
      const whole = all.reconstruct([...all.vectors.keys()]);
      expect(farthest(whole.re, short.re)).toBeLessThan(1e-12);
      expect(all.shares.reduce((sum, x) => sum + x, 0)).toBeCloseTo(1, 12);
    }
  });

  test("by Lanczos is that of ml-matrix", () => {
    const options: SsaOptions = { window: 12, count: 12 };
    const [a, b] = [ssa(noisy, options), ssa(noisy, { ...options, method: "dense" })];
    expect(farthest(a.singularValues, b.singularValues)).toBeLessThan(1e-10);
    expect(farthest(a.reconstruct([0, 1]).re, b.reconstruct([0, 1]).re)).toBeLessThan(1e-10);
  });

  test("of lines has two triples each, and nothing else", () => {
    const found = ssa(lines, { count: 6 });
    expect(found.window).toBe(372);
    expect(found.singularValues.slice(4).every((s) => s < 1e-6)).toBe(true);
    const groups = groupByPeriod(found, [5.9, 2.3]);
    expect(groups).toEqual([
      [0, 1],
      [2, 3],
    ]);
    const restored = found.reconstruct(groups[0] ?? []);
    // What is not orthogonal in a window of no whole number of periods goes astray: of order P/L.
    expect(farthest(restored.re, of((t) => wave(t, 5.9)).re)).toBeLessThan(0.1);
    expect(dominantPeriod(found, 2)).toBeCloseTo(2.3, 1);
  });

  test("is grouped by w-correlation as by period", () => {
    const found = ssa(noisy, { count: 10 });
    const groups = groupByCorrelation(
      wCorrelations(found)
        .map((row) => row.slice(0, 4))
        .slice(0, 4),
    );
    expect(groups).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(
      groupByCorrelation([Float64Array.of(1, 0.4), Float64Array.of(0.4, 1)], 0.5),
    ).toHaveLength(2);
    expect(
      groupByCorrelation([Float64Array.of(1, 0.4), Float64Array.of(0.4, 1)], 0.3),
    ).toHaveLength(1);
  });

  test("continues lines, damped ones too, and tells their period and damping", () => {
    const damped = (t: number) => Math.exp(-(t - 1962) / 40) * wave(t, 5.9) + 0.3 * wave(t, 2.3);
    const found = ssa(of(damped), { count: 4 });
    const ahead = forecast(found, [0, 1, 2, 3], 60);
    expect(ahead.start).toBeCloseTo(2024, 9);
    const truth = timesOf(ahead).map(damped);
    expect(farthest(ahead.re, truth)).toBeLessThan(1e-6);
    const [slow, fast] = espritLines(found, [0, 1, 2, 3]);
    expect(slow?.period).toBeCloseTo(5.9, 7);
    expect(slow?.damping).toBeCloseTo(1 / 40, 8);
    expect(fast?.period).toBeCloseTo(2.3, 7);
    expect(fast?.damping).toBeCloseTo(0, 8);
  });

  test("of a complex record tells the senses of rotation apart", () => {
    const turn = (t: number, period: number, a: number) =>
      [a * wave(t, period), a * Math.sin((2 * Math.PI * t) / period)] as const;
    const sum = times.map((t) => turn(t, 6, 2)[0] + turn(t, -3, 1)[0]);
    const im = times.map((t) => turn(t, 6, 2)[1] + turn(t, -3, 1)[1]);
    const found = ssa(withValues(monthly, sum, im), { count: 3 });
    expect(dominantPeriod(found, 0)).toBeCloseTo(6, 1);
    expect(dominantPeriod(found, 1)).toBeCloseTo(-3, 1);
    expect(groupByPeriod(found, [6, 3, -3])).toEqual([[0], [], [1]]);
    expect(espritLines(found, [0, 1]).map(({ period }) => Number(period.toFixed(6)))).toEqual([
      6, -3,
    ]);
  });

  test("of an ellipse, whose two senses have one period, tells both", () => {
    const re = times.map((t) => 2 * wave(t, 5));
    const im = times.map((t) => Math.sin((2 * Math.PI * t) / 5));
    const found = ssa(withValues(monthly, re, im), { count: 2 });
    const periods = espritLines(found, [0, 1]).map(({ period }) => Number(period.toFixed(6)));
    expect(periods.sort((a, b) => a - b)).toEqual([-5, 5]);
  });

  test("of a daily record with a long window is leading triples alone", () => {
    const count = 6000;
    const daily = seriesOf({
      re: Float64Array.from(
        { length: count },
        (_, n) => wave(n, 365.25) + 0.3 * wave(n, 27.3) + 0.1 * draw(),
      ),
    });
    const found = ssa(daily, { window: 1500, count: 4 });
    expect(groupByPeriod(found, [365.25, 27.3])).toEqual([
      [0, 1],
      [2, 3],
    ]);
    const { correlate } = hankel(daily, 1500);
    // Xᴴ U has the length σ, and different ones are orthogonal.
    const [a, b] = [found.vectors[0], found.vectors[2]].map((u) =>
      correlate(u ?? { re: daily.re }),
    );
    if (a === undefined || b === undefined) throw new Error("no vectors");
    expect(Math.sqrt(dot(a, a)[0]) / (found.singularValues[0] ?? 0)).toBeCloseTo(1, 10);
    expect(Math.abs(dot(a, b)[0]) / dot(a, a)[0]).toBeLessThan(1e-10);
  });

  test.each<[string, Series, SsaOptions, string]>([
    [
      "a window of one sample",
      monthly,
      { window: 1 / 12 },
      "window 0.08333333333333333 years is 1 of 744 samples",
    ],
    [
      "a window of the whole record",
      monthly,
      { window: 62 },
      "window 62 years is 744 of 744 samples",
    ],
    ["more triples than there are", monthly, { window: 1, count: 13 }, "13 triples"],
    ["half a triple", monthly, { count: 0.5 }, "0.5 triples"],
    ["gaps", { ...monthly, observed: new Uint8Array(744) }, {}, "ssa of x: the record has gaps."],
  ])("refuses %s", (_, series, options, message) => {
    expect(() => ssa(series, options)).toThrow(message);
  });

  test("refuses triples that were not computed", () => {
    const found = ssa(noisy, { count: 3 });
    expect(() => found.reconstruct([3])).toThrow("triple 3 was not computed");
    expect(() => forecast(found, [7], 3)).toThrow("triple 7 was not computed");
    expect(() => dominantPeriod(found, 9)).toThrow("triple 9 was not computed");
  });
});
