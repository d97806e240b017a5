/** @file Which triples belong together: by their period, or by how much their records have in common. */

import { SignalError } from "../../core/errors.ts";
import { dftFrequencies, interleaved, powerOfTwo, transformed } from "../dft.ts";
import { type Decomposition, diagonalLengths } from "./ssa.ts";

/** Zero-padded length of the spectra in which the strongest period is looked for. */
const SPECTRUM = 2 ** 15;
/** Triples among which a line is looked for. */
const AMONG = 30;

/**
 * The strongest period of a triple's vector, in time units: signed for a complex record, Infinity where it is
 * the mean. To half a bin of 2^15 samples or of eight windows, the longer.
 */
export function dominantPeriod(
  { series, vectors }: Pick<Decomposition, "series" | "vectors">,
  index: number,
): number {
  const vector = vectors[index];
  if (vector === undefined)
    throw new SignalError("SIGNAL-01", `ssa of ${series.name}: triple ${index} was not computed.`, [
      ["fix", `choose from 0 to ${vectors.length - 1}`],
    ]);
  const size = Math.max(SPECTRUM, powerOfTwo(8 * vector.re.length));
  const spectrum = transformed(interleaved(vector.re, vector.im, size));
  const bins = vector.im === undefined ? size / 2 + 1 : size;
  let [best, most] = [0, -1];
  for (let k = 0; k < bins; k++) {
    const power = (spectrum[2 * k] ?? 0) ** 2 + (spectrum[2 * k + 1] ?? 0) ** 2;
    if (power > most) [best, most] = [k, power];
  }
  return 1 / (dftFrequencies(size, series.step)[best] ?? 0);
}

/**
 * For each wanted period P the triples whose strongest frequency f has |f P − 1| below a tolerance.
 *
 * @param options.tolerance - 0.12 when absent
 * @param options.among - leading triples that are looked at; 30 when absent
 */
export function groupByPeriod(
  decomposition: Decomposition,
  periods: readonly number[],
  options: { readonly tolerance?: number; readonly among?: number } = {},
): number[][] {
  const { tolerance = 0.12, among = AMONG } = options;
  const own = decomposition.vectors
    .slice(0, among)
    .map((_, index) => dominantPeriod(decomposition, index));
  return periods.map((wanted) =>
    [...own.keys()].filter((index) => Math.abs(wanted / (own[index] ?? 0) - 1) < tolerance),
  );
}

/**
 * w-correlations of the first components: `(y_i, y_j)_w / (‖y_i‖_w ‖y_j‖_w)`, with each sample weighed by how
 * often it stands in the trajectory matrix. 0 for separable components. Of a complex record the modulus.
 *
 * @returns rows, symmetric, 1 on the diagonal
 */
export function wCorrelations(
  decomposition: Decomposition,
  count: number = decomposition.vectors.length,
): Float64Array[] {
  const { series, window } = decomposition;
  const weights = diagonalLengths(series.re.length, window);
  const components = Array.from({ length: count }, (_, index) => decomposition.component(index));
  const product = (i: number, j: number): number => {
    const [a, b] = [components[i], components[j]];
    let [re, im] = [0, 0];
    for (let n = 0; n < weights.length; n++) {
      const w = weights[n] ?? 0;
      const [x, y, u, v] = [a?.re[n] ?? 0, a?.im?.[n] ?? 0, b?.re[n] ?? 0, b?.im?.[n] ?? 0];
      re += w * (x * u + y * v);
      im += w * (x * v - y * u);
    }
    return series.im === undefined ? re : Math.hypot(re, im);
  };
  const norms = components.map((_, i) => Math.sqrt(product(i, i)));
  const rows = components.map(() => new Float64Array(count));
  for (let i = 0; i < count; i++) {
    for (let j = i; j < count; j++) {
      const length = (norms[i] ?? 0) * (norms[j] ?? 0);
      const value = i === j ? 1 : length === 0 ? 0 : product(i, j) / length;
      for (const [a, b] of [[i, j] as const, [j, i] as const]) {
        const row = rows[a];
        if (row !== undefined) row[b] = value;
      }
    }
  }
  return rows;
}

/**
 * Groups of components that hang together: each is correlated with another one of its group by more than
 * `threshold` in modulus (single linkage). In the order of their first triples.
 *
 * @param threshold - 0.5 to 0.8 are usual
 */
export function groupByCorrelation(
  correlations: readonly Float64Array[],
  threshold: number = 0.5,
): number[][] {
  const groups: number[][] = [];
  const placed = new Set<number>();
  for (let first = 0; first < correlations.length; first++) {
    if (placed.has(first)) continue;
    placed.add(first);
    const group = [first];
    for (const member of group) {
      correlations[member]?.forEach((value, other) => {
        if (placed.has(other) || Math.abs(value) <= threshold) return;
        placed.add(other);
        group.push(other);
      });
    }
    groups.push(group.sort((a, b) => a - b));
  }
  return groups;
}
