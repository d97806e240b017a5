/** @file Singular spectrum analysis: a record taken apart into trends, oscillations and noise of its own. */

import { Matrix, SingularValueDecomposition } from "ml-matrix";
import { SignalError } from "../../core/errors.ts";
import { makeSeries, type Series, withValues } from "../series.ts";
import { convolve, hankel, lagCovariances, toeplitz } from "./convolve.ts";
import { type EigenPairs, leadingPairs, symmetricPairs, turned } from "./lanczos.ts";
import { addScaled, norm, type Vector, zeros } from "./vectors.ts";

/** `basic`: of the trajectory matrix (Broomhead and King). `toeplitz`: of lag covariances (Vautard and Ghil). */
export type SsaVariant = "basic" | "toeplitz";

export interface SsaOptions {
  /** Length of the window in time units of the series, at least two samples; half the record when absent. */
  readonly window?: number;
  /** Leading triples that are computed; 30 when absent, fewer where there are no more. */
  readonly count?: number;
  /** `basic` when absent. */
  readonly variant?: SsaVariant;
  /** Lanczos with FFTs, or the whole decomposition by ml-matrix: a real series of up to about 1,000 samples. */
  readonly method?: "lanczos" | "dense";
}

/** The leading triples of a record. Nothing was centred or standardised: remove a mean first if it shall not count. */
export interface Decomposition {
  readonly series: Series;
  readonly variant: SsaVariant;
  /** L: samples of the window. */
  readonly window: number;
  /** In falling order of what was decomposed: √λ of X Xᴴ; of the Toeplitz variant ‖Xᴴ U_i‖. */
  readonly singularValues: Float64Array;
  /** Eigenvalues: σ²/K for the basic variant, of the lag covariances for Toeplitz; variances, summing to L·⟨|x|²⟩. */
  readonly eigenvalues: Float64Array;
  /** Share of each triple in ‖X‖², from 0 to 1. */
  readonly shares: Float64Array;
  /** The vectors U_i of L entries, of length 1. */
  readonly vectors: readonly Vector[];
  /** The record that one triple stands for: computed when first asked for. */
  component(index: number): Series;
  /** The sum of some components. @throws SignalError for a triple that was not computed */
  reconstruct(indices: readonly number[]): Series;
}

/** Below, all that a record has is asked for anyway, and the whole decomposition is as fast. */
const DENSE_WINDOW = 64;

/**
 * Embeds a record in a window of L samples, X_ij = x_{i+j}, and decomposes X or the covariances of its lags.
 *
 * @throws SignalError for gaps, a window out of range, or a count out of range
 */
export function ssa(series: Series, options: SsaOptions = {}): Decomposition {
  makeSeries(series);
  const count = series.re.length;
  if (series.observed?.includes(0) === true)
    throw wrong(series, "the record has gaps", "take a stretch without gaps, or fill them first");
  if (count < 4) throw wrong(series, `${count} samples`, "give at least four");
  const window = windowOf(series, options.window);
  const most = Math.min(window, options.variant === "toeplitz" ? window : count - window + 1);
  const triples = options.count ?? Math.min(30, most);
  if (!(Number.isInteger(triples) && triples >= 1 && triples <= most))
    throw wrong(series, `${triples} triples`, `ask for 1 to ${most} with this window`);
  const variant = options.variant ?? "basic";
  const complex = series.im !== undefined;
  const small = window <= DENSE_WINDOW && count <= 1024 && !complex;
  const method = options.method ?? (small ? "dense" : "lanczos");
  if (method === "dense" && complex)
    throw wrong(series, "the dense method takes real records", 'leave out method: "dense"');
  const pairs = (method === "dense" ? dense : iterative)(series, window, triples, variant);
  return decomposition(series, window, variant, pairs);
}

function windowOf(series: Series, given: number | undefined): number {
  const count = series.re.length;
  const window = given === undefined ? Math.floor(count / 2) : Math.round(given / series.step);
  if (window >= 2 && window <= count - 1) return window;
  const [least, most] = [2 * series.step, (count - 1) * series.step];
  throw wrong(
    series,
    `window ${given} ${series.timeUnit} is ${window} of ${count} samples`,
    `give ${show(least)} to ${show(most)} ${series.timeUnit}; half the record is usual`,
  );
}

function iterative(
  series: Series,
  window: number,
  triples: number,
  variant: SsaVariant,
): EigenPairs {
  const complex = series.im !== undefined;
  const columns = series.re.length - window + 1;
  if (variant === "toeplitz")
    return leadingPairs(toeplitz(lagCovariances(series, window)), window, triples, complex);
  const { square } = hankel(series, window);
  const { values, vectors } = leadingPairs(square, window, triples, complex);
  return { values: values.map((value) => Math.max(0, value) / columns), vectors };
}

function dense(series: Series, window: number, triples: number, variant: SsaVariant): EigenPairs {
  const { re } = series;
  const columns = re.length - window + 1;
  const taken = (vector: readonly number[]): Vector => turned({ re: Float64Array.from(vector) });
  if (variant === "toeplitz") {
    const lags = lagCovariances(series, window).re;
    const matrix = Matrix.zeros(window, window);
    for (let i = 0; i < window; i++)
      for (let j = 0; j < window; j++) matrix.set(i, j, lags[Math.abs(i - j)] ?? 0);
    const pairs = symmetricPairs(matrix).slice(0, triples);
    return {
      values: Float64Array.from(pairs, ({ value }) => value),
      vectors: pairs.map(({ vector }) => taken(vector)),
    };
  }
  const trajectory = Matrix.zeros(window, columns);
  for (let i = 0; i < window; i++)
    for (let j = 0; j < columns; j++) trajectory.set(i, j, re[i + j] ?? 0);
  const solved = new SingularValueDecomposition(trajectory, { autoTranspose: true });
  const left = solved.leftSingularVectors;
  return {
    values: Float64Array.from(solved.diagonal.slice(0, triples), (value) => value ** 2 / columns),
    vectors: Array.from({ length: triples }, (_, k) => taken(left.getColumn(k))),
  };
}

function decomposition(
  series: Series,
  window: number,
  variant: SsaVariant,
  { values: eigenvalues, vectors }: EigenPairs,
): Decomposition {
  const columns = series.re.length - window + 1;
  const trajectory = hankel(series, window);
  const weights = diagonalLengths(series.re.length, window);
  let energy = 0;
  for (const part of series.im === undefined ? [series.re] : [series.re, series.im])
    for (let n = 0; n < part.length; n++) energy += (weights[n] ?? 0) * (part[n] ?? 0) ** 2;
  const singularValues =
    variant === "basic"
      ? eigenvalues.map((value) => Math.sqrt(value * columns))
      : Float64Array.from(vectors, (vector) => norm(trajectory.correlate(vector)));
  const known = new Map<number, Series>();
  const component = (index: number): Series => {
    const vector = vectors[index];
    if (vector === undefined)
      throw wrong(
        series,
        `triple ${index} was not computed`,
        `choose from 0 to ${vectors.length - 1}, or ask for more with count`,
      );
    const made = known.get(index) ?? reconstruction(series, vector, trajectory.correlate, weights);
    known.set(index, made);
    return made;
  };
  return {
    ...{ series, variant, window, singularValues, eigenvalues, vectors, component },
    shares: singularValues.map((value) => value ** 2 / (energy || 1)),
    reconstruct(indices) {
      const sum = zeros(series.re.length, series.im !== undefined);
      for (const index of new Set(indices)) addScaled(sum, component(index), 1);
      return withValues(series, sum.re, sum.im);
    },
  };
}

/** Diagonal averaging of U (UᴴX): a convolution, over the number of places that fall on each sample. */
function reconstruction(
  series: Series,
  vector: Vector,
  correlate: (u: Vector) => Vector,
  weights: Float64Array,
): Series {
  const { re, im } = convolve(vector, correlate(vector));
  const mean = (part: Float64Array): Float64Array => part.map((x, n) => x / (weights[n] ?? 1));
  return withValues(series, mean(re), im === undefined ? undefined : mean(im));
}

/** How often each sample stands in the trajectory matrix: min(n + 1, L, K, N − n). */
export function diagonalLengths(count: number, window: number): Float64Array {
  const columns = count - window + 1;
  return Float64Array.from({ length: count }, (_, n) =>
    Math.min(n + 1, window, columns, count - n),
  );
}

function wrong({ name }: Series, what: string, fix: string): SignalError {
  return new SignalError("SIGNAL-01", `ssa of ${name}: ${what}.`, [["fix", fix]]);
}

function show(value: number): string {
  return String(Number(value.toPrecision(6)));
}
