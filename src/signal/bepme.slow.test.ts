import { Matrix, QrDecomposition } from "ml-matrix";
import { expect, test } from "vitest";
import { bepme } from "./bepme.ts";
import { ntft, renormalised } from "./ntft.ts";

/** Two harmonics on a trend, 62 years of months; ms. */
const FACTS = {
  name: "simulated",
  unit: "ms",
  timeUnit: "years",
  start: 1962,
  step: 1 / 12,
} as const;
const COUNT = 744;
const wave = (u: number, period: number, phase: number) =>
  Math.cos((2 * Math.PI * u) / period + phase);
const times = Float64Array.from({ length: COUNT }, (_, n) => n / 12);
const LINES = {
  SYO: { period: 5.9, value: (u: number) => 0.12 * wave(u, 5.9, 0.6) },
  EYO: { period: 8.5, value: (u: number) => 0.08 * wave(u, 8.5, 2.1) },
};
const trend = (u: number) => 0.9 * wave(u, 65, 1) + 0.3 * wave(u, 22, 0.5) + 0.01 * u;
const clean = times.map((u) => LINES.SYO.value(u) + LINES.EYO.value(u) + trend(u));

/** Least squares of degree 5, annual and semiannual terms; Chebyshev's basis spans what Legendre's does. */
const columns = [0, 1, 2, 3, 4, 5].map((degree) =>
  times.map((_, n) => Math.cos(degree * Math.acos((2 * n) / (COUNT - 1) - 1))),
);
for (const period of [1, 0.5])
  for (const phase of [0, Math.PI / 2]) columns.push(times.map((u) => wave(u, period, phase)));
const design = new Matrix(columns.map((column) => [...column])).transpose();
const solver = new QrDecomposition(design);
function detrended(values: Float64Array): Float64Array {
  const fitted = design.mmul(solver.solve(Matrix.columnVector([...values])));
  return values.map((value, n) => value - fitted.get(n, 0));
}

/** Normal numbers by Box and Muller over a linear congruence. */
function gaussian(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32 + 2 ** -33;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

type Zones = [ends: number, inside: number, last: number];

/** Mean squares in the first and last 10 years, the rest, and the last 3 years. */
function zones(values: Float64Array, truth: (u: number) => number): Zones {
  const mean = (within: (u: number) => boolean) => {
    const squares = [...times].flatMap((u, n) =>
      within(u) ? [((values[n] ?? 0) - truth(u)) ** 2] : [],
    );
    return squares.reduce((a, b) => a + b, 0) / squares.length;
  };
  const end = (u: number) => u < 10 || u >= 52;
  return [mean(end), mean((u) => !end(u)), mean((u) => u >= 59)];
}

/** Rms errors in µs over the draws, of each method. */
function errorsOf(line: keyof typeof LINES, draws: number, noise: number): Record<string, Zones> {
  const { period, value } = LINES[line];
  const draw = gaussian(20_260_101);
  const sums: Record<string, Zones> = {};
  for (let round = 0; round < draws; round++) {
    const series = { ...FACTS, re: detrended(clean.map((x) => x + noise * draw())) };
    const map = ntft(series, { periods: [period] });
    const twice = (values: Float64Array = new Float64Array(0)) => values.map((x) => 2 * x);
    const found = {
      ntft: twice(map.re[0]),
      renormalised: twice(renormalised(map).re[0]),
      bepme: bepme(series, period).re,
      keepStub: bepme(series, period, { keepStub: true }).re,
    };
    for (const [name, values] of Object.entries(found)) {
      const seen = zones(values, value);
      sums[name] = (sums[name] ?? [0, 0, 0]).map((sum, at) => sum + (seen[at] ?? 0)) as Zones;
    }
  }
  const rms = (sum: number) => 1000 * Math.sqrt(sum / draws);
  return Object.fromEntries(
    Object.entries(sums).map(([name, sum]) => [name, sum.map(rms) as Zones]),
  );
}

const SHARES: Readonly<Record<string, number>> = {
  ntft: 0.12,
  renormalised: 0.12,
  // How records are folded differs in details.
  bepme: 0.25,
  keepStub: 0.25,
};

test.each<
  [noise: string, line: keyof typeof LINES, draws: number, expected: Record<string, Zones>]
>([
  ["without noise", "SYO", 1, { ntft: [34, 7, 49], renormalised: [17, 4, 20], bepme: [17, 4, 11] }],
  [
    "without noise",
    "EYO",
    1,
    { ntft: [34, 13, 52], renormalised: [26, 10, 45], bepme: [25, 8, 41] },
  ],
  [
    "in white noise of 0.1 ms, 200 draws",
    "SYO",
    200,
    {
      ntft: [34.5, 9.8, 49.8],
      renormalised: [19.2, 8.2, 22.5],
      bepme: [19.2, 8.5, 15.4],
      keepStub: [21.3, 8.5, 18.1],
    },
  ],
  [
    "in white noise of 0.1 ms, 200 draws",
    "EYO",
    200,
    {
      ntft: [34.1, 13.9, 52.8],
      renormalised: [27.5, 11.8, 46],
      bepme: [26.5, 10.6, 42.6],
      keepStub: [33.3, 13.5, 52.8],
    },
  ],
])(
  "%s, %s: the errors of plain, renormalised and extended are those measured before",
  (_, line, draws, expected) => {
    const found = errorsOf(line, draws, draws === 1 ? 0 : 0.1);
    // Numbers without noise were kept as whole µs.
    const rounding = draws === 1 ? 0.5 : 0;
    for (const [name, zone] of Object.entries(expected)) {
      zone.forEach((value, at) => {
        const apart = Math.abs((found[name]?.[at] ?? 0) - value);
        expect(apart, `${name} ${at}`).toBeLessThan((SHARES[name] ?? 0) * value + rounding);
      });
    }
  },
);
