import { describe, expect, test } from "vitest";
import { normalCumulative } from "./normal.ts";
import { normalWindow, parseWindow, WINDOWS } from "./windows.ts";

/** ∫ from −reach to u, by Simpson. */
function integral(f: (u: number) => number, from: number, to: number, pieces = 4000): number {
  const h = (to - from) / pieces;
  let sum = f(from) + f(to);
  for (let n = 1; n < pieces; n++) sum += f(from + n * h) * (n % 2 === 1 ? 4 : 2);
  return (sum * h) / 3;
}

describe.each(WINDOWS)("%s", (name) => {
  const window = normalWindow(name, 4);
  const { reach } = window;

  test("is even, has the area 1, and says how much of it lies below u", () => {
    expect(window.density(1.3)).toBeCloseTo(window.density(-1.3), 15);
    expect(integral(window.density, -reach, reach)).toBeCloseTo(1, 9);
    for (const u of [-11, -3, 0, 0.7, 8])
      expect(window.cumulative(u)).toBeCloseTo(integral(window.density, -reach, u), 9);
    expect([window.cumulative(-2 * reach), window.cumulative(2 * reach)]).toEqual([0, 1]);
  });

  test("its transform is its integral, 1 at zero and below 1 elsewhere", () => {
    expect(window.transform(0)).toBe(1);
    for (const v of [1e-9, 0.01, 0.1, Math.PI / 20, 0.3, 0.77, 2]) {
      const direct = integral((u) => window.density(u) * Math.cos(u * v), -reach, reach);
      expect(window.transform(v)).toBeCloseTo(direct, 9);
      if (v > 1e-6) expect(Math.abs(window.transform(v))).toBeLessThan(1);
    }
  });

  test("and so it is of a line that decays", () => {
    for (const [v, decay] of [
      [0.1, 0.05],
      [-0.3, 0.2],
      [0, 0.1],
    ] as const) {
      const { re, im } = window.transformAt(v, decay);
      const part = (wave: (x: number) => number) =>
        integral((u) => window.density(u) * Math.exp(decay * u) * wave(-v * u), -reach, reach);
      expect(re).toBeCloseTo(part(Math.cos), 8);
      expect(im).toBeCloseTo(part(Math.sin), 8);
    }
  });
});

test("the normal distribution, against its tables", () => {
  // scipy.special.ndtr
  const known = [
    [0, 0.5],
    [1, 0.8413447460685429],
    [-1.25, 0.10564977366685535],
    [3.09, 0.9989992175233859],
    [-6, 9.865876450376946e-10],
    [12, 1],
    [-12, 0],
  ] as const;
  for (const [x, expected] of known)
    expect(Math.abs(normalCumulative(x) - expected)).toBeLessThan(2e-15);
});

test("a window with a slip is told the nearest", () => {
  expect(parseWindow("hann")).toBe("hann");
  expect(() => parseWindow("guassian")).toThrow('did you mean "gaussian"?');
});
