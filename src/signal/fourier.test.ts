import { describe, expect, test } from "vitest";
import { fourier, fourierPlan, goodLength, inverseFourier } from "./fourier.ts";

/** Numbers of no pattern, from −1 to 1. */
function numbers(count: number, seed: number): Float64Array {
  return Float64Array.from({ length: count }, (_, n) => Math.sin(seed + 12.9898 * n * n));
}

describe.each([1, 2, 3, 4, 7, 12, 17, 24, 60, 96, 97, 128, 143, 360, 1009])(
  "length %d",
  (length) => {
    const [re, im] = [numbers(length, 1), numbers(length, 2)];

    test("the transform is its sum", () => {
      const found = fourier(re, im);
      let worst = 0;
      for (let k = 0; k < length; k++) {
        let [x, y] = [0, 0];
        for (let n = 0; n < length; n++) {
          const angle = (-2 * Math.PI * ((k * n) % length)) / length;
          const [c, s] = [Math.cos(angle), Math.sin(angle)];
          x += (re[n] ?? 0) * c - (im[n] ?? 0) * s;
          y += (re[n] ?? 0) * s + (im[n] ?? 0) * c;
        }
        worst = Math.max(worst, Math.hypot(x - (found.re[k] ?? 0), y - (found.im[k] ?? 0)));
      }
      expect(worst / Math.sqrt(length)).toBeLessThan(1e-13);
    });

    test("the inverse undoes it", () => {
      const there = fourier(re, im);
      const back = inverseFourier(there.re, there.im);
      back.re.forEach((value, n) => {
        expect(Math.abs(value - (re[n] ?? 0))).toBeLessThan(1e-14);
        expect(Math.abs((back.im[n] ?? 0) - (im[n] ?? 0))).toBeLessThan(1e-14);
      });
    });
  },
);

test("good lengths are not below what they are asked for, at most twice as long, and multiples", () => {
  for (const [least, factor] of [
    [1, 1],
    [23_760, 1],
    [84_689, 30],
    [5, 12],
    [1009, 7],
  ] as const) {
    const length = goodLength(least, factor);
    expect(length % factor).toBe(0);
    expect(length).toBeGreaterThanOrEqual(least);
    expect(length).toBeLessThanOrEqual(Math.max(factor, 2 * least));
  }
  expect(goodLength(23_760)).toBe(24_576);
});

test("a length that is none is refused", () => {
  expect(() => fourierPlan(0)).toThrow("length 0 is no length of a record");
  expect(() => fourier(new Float64Array(0))).toThrow("[SIGNAL-01]");
});
