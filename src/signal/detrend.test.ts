import { describe, expect, test } from "vitest";
import { type DetrendOptions, detrend, detrender, partOfTrend } from "./detrend.ts";
import { gaussian } from "./random.ts";
import { type Series, timesOf, withValues } from "./series.ts";

const monthly: Series = {
  ...{ name: "ΔLOD", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 },
  re: new Float64Array(777),
};
const times = timesOf(monthly);
const of = (f: (t: number) => number): Series => withValues(monthly, times.map(f));
const largest = (values: Iterable<number>): number =>
  Math.max(...[...values].map((value) => Math.abs(value)));
const wave = (t: number, period: number): number => Math.cos((2 * Math.PI * t) / period + 0.4);

describe("a trend", () => {
  test("of polynomials and seasons is taken whole", () => {
    const u = (t: number) => (t - 1990) / 30;
    const series = of((t) => 3 - u(t) ** 2 + 2 * u(t) ** 6 + 0.3 * wave(t, 1) + 0.2 * wave(t, 0.5));
    const { residual, trend, coefficients } = detrend(series, { legendre: 6, harmonics: [1, 0.5] });
    expect(largest(residual.re)).toBeLessThan(1e-11);
    expect(largest(trend.re.map((x, n) => x - (series.re[n] ?? 0)))).toBeLessThan(1e-11);
    const of1 = (name: string) => coefficients.find((term) => term.name === name)?.re ?? 0;
    expect(Math.hypot(of1("cos 1"), of1("sin 1"))).toBeCloseTo(0.3, 10);
    // 0.3 cos(2πt + 0.4): phases are those of the calendar.
    expect(Math.atan2(-of1("sin 1"), of1("cos 1"))).toBeCloseTo(0.4, 8);
  });

  test("leaves what is orthogonal to all its terms, and twice is as once", () => {
    const draw = gaussian(1);
    const series = of(() => draw());
    const options = { legendre: 4, harmonics: [1] };
    const { residual } = detrend(series, options);
    const again = detrend(residual, options);
    expect(largest(again.trend.re)).toBeLessThan(1e-13);
    const dot = residual.re.reduce((sum, x, n) => sum + x * wave(times[n] ?? 0, 1), 0);
    expect(Math.abs(dot)).toBeLessThan(1e-9);
  });

  test("does not look into gaps", () => {
    const clean = of((t) => (t - 1990) / 10);
    const observed = Uint8Array.from(times, (_, n) => (n > 200 && n < 300 ? 0 : 1));
    const re = clean.re.map((x, n) => (observed[n] === 0 ? 0 : x));
    const { residual, trend } = detrend({ ...clean, re, observed }, { legendre: 1 });
    expect(largest(residual.re)).toBeLessThan(1e-12);
    expect(trend.re[250]).toBeCloseTo(clean.re[250] ?? 0, 10);
    expect(trend.observed).toBeUndefined();
  });

  test("weighs its samples: one that weighs nothing bends nothing", () => {
    const clean = of((t) => t - 1990);
    const re = clean.re.with(100, 1000);
    const weights = new Float64Array(777).fill(1).with(100, 1e-14);
    const { trend } = detrend(withValues(clean, re), { legendre: 1, weights });
    expect(largest(trend.re.map((x, n) => x - (clean.re[n] ?? 0)))).toBeLessThan(1e-10);
  });

  test("of Legendre polynomials takes high degrees", () => {
    const { residual } = detrend(
      of((t) => Math.exp((t - 1990) / 20)),
      { legendre: 20 },
    );
    expect(largest(residual.re)).toBeLessThan(1e-12);
  });

  test("has parts", () => {
    const series = of((t) => 2 + 0.3 * wave(t, 1));
    const options: DetrendOptions = { legendre: 0, harmonics: [1] };
    const part = partOfTrend(series, options, detrend(series, options), ["harmonic"]);
    expect(largest(part.re.map((x, n) => x - 0.3 * wave(times[n] ?? 0, 1)))).toBeLessThan(1e-11);
  });

  test("is factored once for many series", () => {
    const options = { legendre: 3, harmonics: [1] };
    const remove = detrender(monthly, options);
    const draw = gaussian(2);
    for (const series of [of(() => draw()), of((t) => t)])
      expect(remove(series).residual.re).toEqual(detrend(series, options).residual.re);
  });
});

describe("a complex trend", () => {
  const polar = (f: (t: number) => readonly [number, number]): Series =>
    withValues(
      monthly,
      times.map((t) => f(t)[0]),
      times.map((t) => f(t)[1]),
    );

  test("has harmonics in both senses", () => {
    const series = polar((t) => [
      5 + 2 * Math.cos(2 * Math.PI * t),
      -1 + (t - 1990) + 3 * Math.sin(2 * Math.PI * t),
    ]);
    const { residual, coefficients } = detrend(series, { legendre: 1, harmonics: [1] });
    expect(largest([...residual.re, ...(residual.im ?? [])])).toBeLessThan(1e-10);
    // 2 cos + 3i sin = 2.5 e^{iωt} − 0.5 e^{−iωt}.
    expect(coefficients.find(({ name }) => name === "e 1")?.re).toBeCloseTo(2.5, 8);
    expect(coefficients.find(({ name }) => name === "e -1")?.re).toBeCloseTo(-0.5, 8);
  });

  test("follows a line that wanders, and leaves one that turns the other way", () => {
    const chandler = 433 / 365.25;
    const swing = (t: number) => 150 + 60 * Math.cos((2 * Math.PI * (t - 1962)) / 40);
    const turn = (t: number, period: number, a: number): readonly [number, number] => [
      a * Math.cos((2 * Math.PI * t) / period),
      a * Math.sin((2 * Math.PI * t) / period),
    ];
    const options = { carriers: [{ period: chandler, knots: 5 }], ridge: 1e-6 };
    const followed = detrend(
      polar((t) => turn(t, chandler, swing(t))),
      options,
    ).residual;
    // Splines of 5-year knots miss some (π h/P)⁴/24 = 1e-3 of a 40-year swing of 60, which the fit halves.
    expect(largest([...followed.re, ...(followed.im ?? [])])).toBeLessThan(0.06);
    const opposite = polar((t) => turn(t, -chandler, 10));
    const left = detrend(opposite, options).residual;
    const power = left.re.reduce((sum, x, n) => sum + x * x + (left.im?.[n] ?? 0) ** 2, 0) / 777;
    expect(Math.sqrt(power)).toBeGreaterThan(9.5);
  });
});

describe("what cannot be fitted is refused", () => {
  test.each([
    ["more terms than samples", { legendre: 800 }, "801 terms for 777 samples"],
    ["half a degree", { legendre: 1.5 }, "degree 1.5"],
    ["a period below two samples", { harmonics: [0.1] }, "period 0.1 years is below two samples"],
    ["one term twice", { harmonics: [1, 1] }, 'the term "cos 1" cannot be told from the others'],
    ["weights of another length", { weights: new Float64Array(3) }, "3 weights for 777 samples"],
    ["a weight of 0", { weights: new Float64Array(777) }, "weight 0 is 0"],
    ["knots at once", { carriers: [{ period: 1, knots: 0 }] }, "knots 0 years"],
  ])("%s", (_, options, message) => {
    expect(() => detrend(monthly, options)).toThrow(message);
  });

  test("but a ridge tells twins apart", () => {
    const series = of((t) => wave(t, 1));
    const { residual } = detrend(series, { harmonics: [1, 1], ridge: 1e-6 });
    expect(largest(residual.re)).toBeLessThan(1e-6);
  });
});
