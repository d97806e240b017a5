import { Matrix, solve } from "ml-matrix";
import { expect, test } from "vitest";
import { type OscillatorModel, oscillatorSmoother, oscillators } from "./oscillators.ts";
import { oscillatorsByKalman } from "./oscillators-kalman.ts";
import { gaussian } from "./random.ts";
import type { Series } from "./series.ts";

const made = (count: number, value: (u: number) => number): Series => ({
  ...{ name: "made", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 },
  re: Float64Array.from({ length: count }, (_, n) => value(n / 12)),
});

const model: OscillatorModel = {
  lines: [
    { period: 5.9, amplitude: 0.1, memory: 100 },
    { period: 8.5, amplitude: 0.1, memory: 100 },
  ],
  trend: { sd: 0.6, scale: 9, kind: "matern" },
  polynomial: { degree: 1, sd: 2 },
  harmonics: { periods: [1, 0.5], sd: 0.5 },
  red: { sd: 0.05, phi: 0.9 },
  white: 0.1,
};

const noise = gaussian(3);
const record = made(
  240,
  (u) =>
    0.12 * Math.cos((2 * Math.PI * u) / 5.9) +
    0.3 * Math.cos((2 * Math.PI * u) / 22) +
    0.2 * Math.sin(2 * Math.PI * u) +
    0.1 * noise(),
);
const observed = new Uint8Array(240).fill(1).fill(0, 60, 84);
const gappy: Series = {
  ...record,
  observed,
  re: record.re.map((x, n) => (observed[n] ? x : 0)),
};

test("the smoother and the Cholesky factor hold the same process", () => {
  for (const series of [record, gappy]) {
    const [a, b] = [oscillators(series, model), oscillatorsByKalman(series, model)];
    expect(b.logEvidence).toBeCloseTo(a.logEvidence, 6);
    const parts = (all: typeof a) => [...all.lines, all.trend, all.seasons, all.red];
    parts(a).forEach((part, i) => {
      const other = parts(b)[i];
      part.mean.re.forEach((value, n) => {
        expect(Math.abs(value - (other?.mean.re[n] ?? 0))).toBeLessThan(1e-8);
        expect(Math.abs((part.sd[n] ?? 0) - (other?.sd[n] ?? 0))).toBeLessThan(1e-6);
      });
    });
  }
});

test("the posterior of a line is that of the textbook's formula", () => {
  const small = made(30, (u) => Math.sin(u) + 0.01 * u);
  const lines = [{ period: 0.8, amplitude: 1, memory: 2 }];
  const {
    lines: [line],
  } = oscillators(small, { lines, white: 0.3 });
  const covariance = (i: number, j: number) => {
    const lag = Math.abs(i - j) / 12;
    return 0.5 * Math.exp(-lag / 2) * Math.cos((2 * Math.PI * lag) / 0.8);
  };
  const own = Matrix.zeros(30, 30);
  for (let i = 0; i < 30; i++) for (let j = 0; j < 30; j++) own.set(i, j, covariance(i, j));
  const whole = Matrix.add(own, Matrix.eye(30, 30, 0.09));
  const mean = own.mmul(solve(whole, Matrix.columnVector(small.re))).to1DArray();
  const left = Matrix.sub(own, own.mmul(solve(whole, own)));
  mean.forEach((value, n) => {
    expect(line?.mean.re[n]).toBeCloseTo(value, 11);
    expect(line?.sd[n]).toBeCloseTo(Math.sqrt(left.get(n, n)), 10);
  });
});

test("parts and what is left make up the record", () => {
  const { lines, trend, seasons, red, logEvidence } = oscillators(record, model);
  const sum = record.re.map((_, n) =>
    [...lines, trend, seasons, red].reduce((all, { mean }) => all + (mean.re[n] ?? 0), 0),
  );
  const left = record.re.map((x, n) => x - (sum[n] ?? 0));
  expect(Math.sqrt(left.reduce((s, x) => s + x * x, 0) / 240)).toBeLessThan(0.12);
  // A model with the wrong noise explains it worse.
  expect(oscillators(record, { ...model, white: 0.3 }).logEvidence).toBeLessThan(logEvidence);
});

test("bands hold lines drawn from the model: 95 % ± 3", () => {
  // 150 draws of records of 20 years whose parts are drawn from the model's own covariances.
  const count = 120;
  const like = made(count, () => 0);
  const few: OscillatorModel = {
    lines: [
      { period: 3, amplitude: 0.1, memory: 20 },
      { period: 1.9, amplitude: 0.1, memory: 20 },
    ],
    red: { sd: 0.05, phi: 0.9 },
    white: 0.1,
  };
  const smoother = oscillatorSmoother(like, few);
  const { lines: bands } = smoother(like);
  let [inside, all] = [0, 0];
  for (let draw = 0; draw < 150; draw++) {
    const next = gaussian(11, draw);
    const truth = few.lines.map((line) => wander(line, count, next));
    let red = 0.05 * next();
    const re = like.re.map((_, n) => {
      red = 0.9 * red + 0.05 * Math.sqrt(1 - 0.81) * next();
      return truth.reduce((sum, line) => sum + (line[n] ?? 0), 0) + red + 0.1 * next();
    });
    smoother({ ...like, re }).lines.forEach(({ mean }, i) => {
      for (let n = 0; n < count; n++) {
        const far = Math.abs((mean.re[n] ?? 0) - (truth[i]?.[n] ?? 0));
        inside += far < 1.96 * (bands[i]?.sd[n] ?? 0) ? 1 : 0;
        all++;
      }
    });
  }
  expect(inside / all).toBeGreaterThan(0.92);
  expect(inside / all).toBeLessThan(0.98);
});

/** A damped rotation driven by noise: the first of its two numbers has the line's covariance. */
function wander(
  { period, amplitude, memory }: OscillatorModel["lines"][number],
  count: number,
  next: () => number,
): Float64Array {
  const keep = Math.exp(-1 / 12 / memory);
  const angle = (2 * Math.PI) / 12 / period;
  const sd = amplitude / Math.SQRT2;
  let [x, y] = [sd * next(), sd * next()];
  return Float64Array.from({ length: count }, () => {
    const out = x;
    const push = sd * Math.sqrt(1 - keep * keep);
    [x, y] = [
      keep * (x * Math.cos(angle) - y * Math.sin(angle)) + push * next(),
      keep * (x * Math.sin(angle) + y * Math.cos(angle)) + push * next(),
    ];
    return out;
  });
}

test("complex series, models without white noise and trends without a state are refused", () => {
  expect(() => oscillators({ ...record, im: record.re }, model)).toThrow("the series is complex");
  expect(() => oscillators(record, { ...model, white: 0 })).toThrow("white noise of 0");
  expect(() => oscillatorsByKalman(record, { ...model, trend: { sd: 1, scale: 9 } })).toThrow(
    "no finite state",
  );
});
