/**
 * @file The simulated tests: known oscillations on a trend and in noise, restored by each method, and how far off.
 *
 * Monthly, u = t − 1962 from 0 to 61.9 years, in ms. The signals stand in for those of the paper, which are not
 * published; so do the numbers.
 */

import { detrender } from "../../signal/detrend.ts";
import type { RedNoise } from "../../signal/noise.ts";
import { redNoise } from "../../signal/noise.ts";
import type { OscillatorModel } from "../../signal/oscillators.ts";
import { random } from "../../signal/random.ts";
import { METHODS, type Method, type Restoration, restorer } from "../../signal/restore.ts";
import type { Series } from "../../signal/series.ts";

const COUNT = 744;
const STEP = 1 / 12;

export const CASES = ["A", "B", "C"] as const;
/** A: two harmonics. B: one decays, one grows, two more stand beside. C: amplitudes swing, two more beside. */
export type Case = (typeof CASES)[number];

export const NOISES = ["none", "white", "red"] as const;
/** White of sd 0.1 ms; AR(1) with φ = 0.9 of sd 0.05 ms. */
export type Noise = (typeof NOISES)[number];

/** The two oscillations wanted back. */
export const LINES = ["SYO", "EYO"] as const;
export type Line = (typeof LINES)[number];
export const PERIODS: Readonly<Record<Line, number>> = { SYO: 5.9, EYO: 8.5 };

const wave = (u: number, period: number, phase: number): number =>
  Math.cos((2 * Math.PI * u) / period + phase);

const BESIDE = (u: number): number => 0.04 * wave(u, 7.3, 1.2) + 0.05 * wave(u, 4.9, 0.2);

/** ms at u years. */
const SIGNALS: Readonly<Record<Case, Record<Line | "beside", (u: number) => number>>> = {
  A: {
    SYO: (u) => 0.12 * wave(u, 5.9, 0.6),
    EYO: (u) => 0.08 * wave(u, 8.5, 2.1),
    beside: () => 0,
  },
  B: {
    SYO: (u) => 0.15 * Math.exp(-u / 90) * wave(u, 5.9, 0.6),
    EYO: (u) => 0.06 * Math.exp(u / 120) * wave(u, 8.5, 2.1),
    beside: BESIDE,
  },
  C: {
    SYO: (u) => 0.12 * (1 + 0.3 * Math.sin((2 * Math.PI * u) / 45)) * wave(u, 5.9, 0.6),
    EYO: (u) => 0.08 * (1 + 0.3 * Math.cos((2 * Math.PI * u) / 60)) * wave(u, 8.5, 2.1),
    beside: BESIDE,
  },
};

const RED: RedNoise = { sd: 0.05, phi: 0.9 };
const WHITE = 0.1;

/** ms at each month of one of the two lines. */
export function truth(which: Case, line: Line): Float64Array {
  return Float64Array.from({ length: COUNT }, (_, n) => SIGNALS[which][line](n * STEP));
}

/** The record of a case: trend, lines and what stands beside them, without noise. */
export function simulatedRecord(which: Case): Series {
  const { SYO, EYO, beside } = SIGNALS[which];
  const trend = (u: number) => 0.9 * wave(u, 65, 1) + 0.3 * wave(u, 22, 0.5) + 0.01 * u;
  return {
    ...{ name: `case ${which}`, unit: "ms", timeUnit: "years", start: 1962, step: STEP },
    re: Float64Array.from({ length: COUNT }, (_, n) => {
      const u = n * STEP;
      return trend(u) + SYO(u) + EYO(u) + beside(u);
    }),
  };
}

/** What the oscillators are told: four lines, a trend of 0.6 ms over 9 years, the noise that is there. */
export function toldModel(noise: Noise): OscillatorModel {
  const line = (period: number) => ({ period, amplitude: 0.1, memory: 120 });
  return {
    lines: [5.9, 8.5, 7.3, 4.9].map(line),
    trend: { sd: 0.6, scale: 9 },
    polynomial: { degree: 2, sd: 2 },
    ...(noise === "red" && { red: RED }),
    white: { none: 0.01, white: WHITE, red: 0.005 }[noise],
  };
}

/** Rms errors in µs: first and last 10 years, the rest, last 3 years. */
export interface Errors {
  readonly ends: number;
  readonly inside: number;
  readonly last: number;
}

export interface SimulatedResult {
  readonly case: Case;
  readonly noise: Noise;
  readonly line: Line;
  readonly method: Method;
  readonly draws: number;
  /** Square roots of squares averaged over draws and months. */
  readonly errors: Errors;
}

export interface SimulatedOptions {
  readonly cases?: readonly Case[];
  readonly noises?: readonly Noise[];
  readonly methods?: readonly Method[];
  /** Of noise; one is drawn where there is none. Default 200. */
  readonly draws?: number;
  readonly seed?: number;
  /** Radians. Default 10. */
  readonly sigma?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Restores both lines, read at their own periods, from every draw of every case, noise and method. All methods but `oscillators`, which read the
 * record as it is, work on what is left without Legendre polynomials to degree 5 and the two seasons.
 *
 * @throws the reason of the abort signal
 */
export function simulatedTests(options: SimulatedOptions = {}): SimulatedResult[] {
  const { cases = CASES, noises = NOISES, methods = METHODS, draws = 200, seed = 1 } = options;
  const { sigma = 10, onProgress, signal } = options;
  const runs = noises.map((noise) => (noise === "none" ? 1 : draws));
  const total = cases.length * runs.reduce((sum, count) => sum + count, 0);
  let done = 0;
  const results: SimulatedResult[] = [];
  for (const which of cases) {
    const clean = simulatedRecord(which);
    const truths = LINES.map((line) => truth(which, line));
    const trendless = detrender(clean, { legendre: 5, harmonics: [1, 0.5] });
    for (const [place, noise] of noises.entries()) {
      const count = runs[place] ?? 0;
      const restorers = methods.map((method) =>
        restorer(clean, {
          ...{ method, sigma, periods: Object.values(PERIODS), exactly: true },
          ...(method === "oscillators" && { oscillators: toldModel(noise) }),
        }),
      );
      const squares = methods.map(() => LINES.map(() => ({ ends: 0, inside: 0, last: 0 })));
      for (let draw = 0; draw < count; draw++) {
        signal?.throwIfAborted();
        const raw = withNoise(clean, noise, seed, draw);
        const { residual } = trendless(raw);
        methods.forEach((method, m) => {
          const found = restorers[m]?.(method === "oscillators" ? raw : residual) ?? [];
          found.forEach((each, l) => {
            addSquares(squares[m]?.[l], each, truths[l]);
          });
        });
        done++;
        onProgress?.(done, total);
      }
      methods.forEach((method, m) => {
        LINES.forEach((line, l) => {
          const sums = squares[m]?.[l] ?? { ends: 0, inside: 0, last: 0 };
          const errors = {
            ends: microseconds(sums.ends / count),
            inside: microseconds(sums.inside / count),
            last: microseconds(sums.last / count),
          };
          results.push({ case: which, noise, line, method, draws: count, errors });
        });
      });
    }
  }
  return results;
}

function withNoise(clean: Series, noise: Noise, seed: number, draw: number): Series {
  if (noise === "none") return clean;
  const drawn = redNoise(clean, noise === "red" ? RED : { sd: WHITE, phi: 0 }, random(seed, draw));
  return { ...clean, re: clean.re.map((x, n) => x + (drawn.re[n] as number)) };
}

const microseconds = (square: number): number => 1000 * Math.sqrt(square);

/** Adds mean squares of one draw in each zone. */
function addSquares(
  sums: { ends: number; inside: number; last: number } | undefined,
  { restored }: Restoration,
  wanted: Float64Array | undefined,
): void {
  if (sums === undefined || wanted === undefined) return;
  const mean = (within: (u: number) => boolean) => {
    let [sum, count] = [0, 0];
    wanted.forEach((value, n) => {
      if (!within(n * STEP)) return;
      sum += ((restored.re[n] ?? 0) - value) ** 2;
      count++;
    });
    return sum / count;
  };
  const span = (COUNT - 1) * STEP;
  const atEnd = (u: number) => u < 10 || u > span - 10;
  sums.ends += mean(atEnd);
  sums.inside += mean((u) => !atEnd(u));
  sums.last += mean((u) => u > span - 3);
}
