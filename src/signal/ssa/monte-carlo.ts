/** @file Monte Carlo SSA (Allen and Smith 1996): which oscillations stand out of red noise. */

import { SignalError } from "../../core/errors.ts";
import { fitRedNoise, type RedNoise, redNoise } from "../noise.ts";
import { random } from "../random.ts";
import type { Series } from "../series.ts";
import { hankel, lagCovariances, toeplitz } from "./convolve.ts";
import { dominantPeriod } from "./grouping.ts";
import { leadingPairs } from "./lanczos.ts";
import type { Decomposition } from "./ssa.ts";
import { dot, type Vector } from "./vectors.ts";

export interface MonteCarloOptions {
  /** Surrogates; 500 when absent. */
  readonly draws?: number;
  readonly seed?: number;
  /** Of the test, both sides together; 0.95 when absent. */
  readonly confidence?: number;
  /** The noise of the hypothesis; fitted to the record when absent. */
  readonly noise?: RedNoise;
  /**
   * Whose vectors carry the variances. `data` (when absent): those of the record, which show what it has, but
   * were chosen to hold much of it, so that a few too many stand out. `noise`: those of the hypothesis, which
   * owe nothing to the record: the honest test.
   */
  readonly basis?: "data" | "noise";
  readonly onDraw?: (done: number) => void;
}

/** One vector: how much of the record it carries, and how much of red noise. */
export interface MonteCarloRow {
  /** Strongest period of the vector, in time units; Infinity for a mean. */
  readonly period: number;
  /** Variance of the record along the vector, unit². */
  readonly variance: number;
  /** Between which the variance of noise lies with the confidence asked for. */
  readonly lower: number;
  readonly upper: number;
  /** Share of surrogates, the record among them, that carry as much or more. */
  readonly p: number;
}

export interface MonteCarloTest {
  readonly noise: RedNoise;
  readonly draws: number;
  readonly seed: number;
  readonly rows: readonly MonteCarloRow[];
}

/**
 * Projects the record and AR(1) surrogates on one set of vectors E_k, `λ_k = E_kᴴ C E_k`, C the lag covariances
 * of the variant, and holds one against the other. Every row is a test of its own: among 30 rows one or two
 * leave a band of 95 % by chance.
 *
 * @throws SignalError for fewer than 20 draws, or noise that never settles
 */
export function monteCarloSsa(
  decomposition: Decomposition,
  options: MonteCarloOptions = {},
): MonteCarloTest {
  const { series } = decomposition;
  const { draws = 500, seed = 0, confidence = 0.95, basis = "data", onDraw } = options;
  if (!(Number.isInteger(draws) && draws >= 20))
    throw new SignalError("SIGNAL-01", `ssa of ${series.name}: ${draws} surrogates.`, [
      ["fix", "draw at least 20; 500 tell 5 % from 3 %"],
    ]);
  const noise = options.noise ?? fitRedNoise(series);
  const tested = basis === "data" ? decomposition : ofNoise(decomposition, noise);
  const own = variances(decomposition, series, tested.vectors);
  const drawn = tested.vectors.map(() => new Float64Array(draws));
  for (let draw = 0; draw < draws; draw++) {
    const surrogate = redNoise(series, noise, random(seed, draw));
    variances(decomposition, surrogate, tested.vectors).forEach((variance, k) => {
      const list = drawn[k];
      if (list !== undefined) list[draw] = variance;
    });
    onDraw?.(draw + 1);
  }
  const tail = (1 - confidence) / 2;
  const rows = drawn.map((list, k): MonteCarloRow => {
    const variance = own[k] ?? 0;
    const sorted = list.toSorted();
    const above = sorted.reduce((count, value) => count + (value >= variance ? 1 : 0), 0);
    return {
      period: dominantPeriod(tested, k),
      variance,
      lower: quantile(sorted, tail),
      upper: quantile(sorted, 1 - tail),
      p: (1 + above) / (1 + draws),
    };
  });
  return { noise, draws, seed, rows };
}

/** The same number of vectors, of the covariances c_d = sd² φ^d that the noise has by its law. */
function ofNoise(
  decomposition: Decomposition,
  { sd, phi, phiIm = 0 }: RedNoise,
): Pick<Decomposition, "series" | "vectors"> {
  const { series, window, vectors } = decomposition;
  const complex = series.im !== undefined;
  const lags = { re: new Float64Array(window), im: new Float64Array(window) };
  let [x, y] = [sd * sd, 0];
  for (let d = 0; d < window; d++) {
    [lags.re[d], lags.im[d]] = [x, y];
    [x, y] = [x * phi - y * phiIm, x * phiIm + y * phi];
  }
  const column: Vector = complex ? lags : { re: lags.re };
  const pairs = leadingPairs(toeplitz(column), window, vectors.length, complex);
  return { series, vectors: pairs.vectors };
}

function variances(
  { window, variant }: Decomposition,
  series: Series,
  vectors: readonly Vector[],
): number[] {
  if (variant === "toeplitz") {
    const apply = toeplitz(lagCovariances(series, window));
    return vectors.map((vector) => dot(vector, apply(vector))[0]);
  }
  const { correlate } = hankel(series, window);
  const columns = series.re.length - window + 1;
  return vectors.map((vector) => {
    const seen = correlate(vector);
    return dot(seen, seen)[0] / columns;
  });
}

/** Between neighbours by a straight line. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return low + (high - low) * (at - Math.floor(at));
}
