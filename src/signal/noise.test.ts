import { describe, expect, test } from "vitest";
import { hostFft } from "../ops/fft.host.ts";
import { dft, dftFrequencies, inverseDft } from "./dft.ts";
import { fitRedNoise, phaseRandomised, redNoise } from "./noise.ts";
import { gaussian, random, xoshiro } from "./random.ts";
import type { Series } from "./series.ts";

const monthly = (count: number): Series => ({
  ...{ name: "noise", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 },
  re: new Float64Array(count),
});
const complexLike = (count: number): Series => ({
  ...monthly(count),
  im: new Float64Array(count),
});
const mean = (values: Iterable<number>): number => {
  const list = [...values];
  return list.reduce((sum, x) => sum + x, 0) / list.length;
};

describe("the discrete Fourier transform", () => {
  test.each([1, 2, 3, 7, 64, 100, 777, 1000, 1009])("of length %i is the sum", (size) => {
    const draw = gaussian(size);
    const re = Float64Array.from({ length: size }, draw);
    const im = Float64Array.from({ length: size }, draw);
    const expected = hostFft({ re, im }, -1);
    const found = dft(re, im);
    const far = (a: Float64Array, b: Float64Array) =>
      Math.max(...a.map((x, k) => Math.abs(x - (b[k] ?? 0))));
    expect(far(found.re, expected.re)).toBeLessThan(2e-12 * Math.sqrt(size));
    expect(far(found.im, expected.im)).toBeLessThan(2e-12 * Math.sqrt(size));
    const back = inverseDft(found);
    expect(far(back.re, re)).toBeLessThan(1e-13 * Math.sqrt(size));
    expect(far(back.im, im)).toBeLessThan(1e-13 * Math.sqrt(size));
  });

  test("names its bins as numpy's fftfreq does, but the middle one of an even length positive", () => {
    expect([...dftFrequencies(5, 0.5)]).toEqual([0, 0.4, 0.8, -0.8, -0.4]);
    expect([...dftFrequencies(4, 1)]).toEqual([0, 0.25, 0.5, -0.25]);
  });
});

describe("random numbers", () => {
  test("are those of xoshiro128**", () => {
    const next = xoshiro([1, 2, 3, 4]);
    expect([next(), next(), next(), next(), next()]).toEqual([
      11520, 0, 5927040, 70819200, 2031721883,
    ]);
  });

  test("are normal: moments, tails, and no correlation between neighbours", () => {
    const draw = gaussian(1);
    const x = Float64Array.from({ length: 200_000 }, draw);
    const moment = (k: number) => mean(x.map((value) => value ** k));
    // Tolerances are four standard errors: √(var/n).
    expect(Math.abs(moment(1))).toBeLessThan(4 / Math.sqrt(x.length));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(4 * Math.sqrt(2 / x.length));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(4 * Math.sqrt(96 / x.length));
    expect(Math.abs(mean(x.map((v) => (v > 1.959964 ? 1 : 0))) - 0.025)).toBeLessThan(0.0014);
    const pairs = mean(x.subarray(1).map((v, n) => v * (x[n] ?? 0)));
    expect(Math.abs(pairs)).toBeLessThan(4 / Math.sqrt(x.length));
  });

  test("come in streams: the same for one seed, others for each draw", () => {
    const first = (...seed: number[]) => random(...seed).uniform();
    expect(first(7, 3)).toBe(first(7, 3));
    expect(new Set([first(7), first(8), first(7, 0), first(7, 1), first(0, 7)]).size).toBe(5);
  });
});

describe("red noise", () => {
  test("is fitted as it was drawn", () => {
    const noise = redNoise(monthly(60_000), { sd: 0.25, phi: 0.765 }, random(2));
    const { sd, phi } = fitRedNoise(noise);
    expect(sd).toBeCloseTo(0.25, 2);
    expect(phi).toBeCloseTo(0.765, 2);
  });

  test("is stationary from the first sample on", () => {
    const firsts = Array.from(
      { length: 4000 },
      (_, k) => redNoise(monthly(1), { sd: 2, phi: 0.9 }, random(3, k)).re[0] ?? 0,
    );
    expect(Math.sqrt(mean(firsts.map((x) => x * x)))).toBeCloseTo(2, 1);
  });

  test("of complex series may turn", () => {
    const noise = redNoise(complexLike(60_000), { sd: 3, phi: 0.5, phiIm: 0.6 }, random(4));
    const { sd, phi, phiIm } = fitRedNoise(noise);
    expect(sd).toBeCloseTo(3, 1);
    expect(phi).toBeCloseTo(0.5, 2);
    expect(phiIm).toBeCloseTo(0.6, 2);
  });

  test("is fitted beside gaps and lines that a running mean takes", () => {
    const drawn = redNoise(monthly(20_000), { sd: 0.25, phi: 0.7 }, random(5));
    const observed = Uint8Array.from(drawn.re, (_, n) => (n % 50 < 3 ? 0 : 1));
    const re = drawn.re.map((x, n) =>
      observed[n] === 0 ? 0 : x + 5 + 3 * Math.cos((2 * Math.PI * n) / 12 / 65),
    );
    const { sd, phi } = fitRedNoise({ ...drawn, re, observed }, { without: 10 });
    // A running mean of ten years takes a little of the noise along, and leaves a little of the line.
    expect(Math.abs(sd - 0.25)).toBeLessThan(0.02);
    expect(Math.abs(phi - 0.7)).toBeLessThan(0.03);
  });

  test("that never settles is refused, as is a record too short to tell", () => {
    expect(() => redNoise(monthly(9), { sd: 1, phi: 1 }, random(0))).toThrow("|φ| = 1");
    expect(() => fitRedNoise(monthly(2))).toThrow("2 samples are too few");
  });
});

describe("phase-randomised surrogates", () => {
  test.each([776, 777])("of %i real samples keep the amplitudes and the mean", (count) => {
    const drawn = redNoise(monthly(count), { sd: 1, phi: 0.8 }, random(6));
    const series = { ...drawn, re: drawn.re.map((x) => x + 3) };
    const other = phaseRandomised(series, random(7));
    expect(other.im).toBeUndefined();
    expect(mean(other.re)).toBeCloseTo(mean(series.re), 10);
    const [a, b] = [dft(series.re), dft(other.re)];
    const far = a.re.map((x, k) =>
      Math.abs(Math.hypot(x, a.im[k] ?? 0) - Math.hypot(b.re[k] ?? 0, b.im[k] ?? 0)),
    );
    expect(Math.max(...far)).toBeLessThan(1e-9);
    const own = mean(series.re.map((x, n) => (x - 3) * ((other.re[n] ?? 0) - 3)));
    expect(Math.abs(own)).toBeLessThan(0.3);
  });

  test("of complex samples keep prograde and retrograde amplitudes apart", () => {
    const angle = (n: number) => (2 * Math.PI * 20 * n) / 400;
    const series: Series = {
      ...monthly(400),
      re: Float64Array.from({ length: 400 }, (_, n) => Math.cos(angle(n))),
      im: Float64Array.from({ length: 400 }, (_, n) => Math.sin(angle(n))),
    };
    const { re, im } = phaseRandomised(series, random(8));
    const spectrum = dft(re, im);
    expect(Math.hypot(spectrum.re[20] ?? 0, spectrum.im[20] ?? 0)).toBeCloseTo(400, 8);
    expect(Math.hypot(spectrum.re[380] ?? 0, spectrum.im[380] ?? 0)).toBeCloseTo(0, 8);
  });

  test("of a series with gaps are refused", () => {
    const gap = { ...monthly(3), observed: Uint8Array.of(1, 0, 1) };
    expect(() => phaseRandomised(gap, random(0))).toThrow("the series has gaps");
  });
});
