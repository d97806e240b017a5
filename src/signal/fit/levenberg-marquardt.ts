/** @file Non-linear least squares: Levenberg–Marquardt with a Jacobian, over QR. */

import { Matrix, QrDecomposition, solve } from "ml-matrix";
import { SignalError } from "../../core/errors.ts";

/** Residuals of one guess, weighted by 1/sd where sds are known, and their derivatives. */
export interface Linearised {
  readonly residuals: Float64Array;
  /** One column per parameter, each as long as the residuals: ∂residuals/∂parameter. */
  readonly columns: readonly Float64Array[];
}

/** Limits of a parameter; a missing side has none. */
export interface Bounds {
  readonly low?: number;
  readonly high?: number;
}

export interface SearchOptions {
  /** Limits by parameter; kept by a transformation (below), so no guess ever leaves them. */
  readonly bounds?: readonly (Bounds | undefined)[];
  /** Residuals are in units of their sd, so the covariance is not scaled by what is left over. Default false. */
  readonly absolute?: boolean;
  /** Default 200. */
  readonly maxIterations?: number;
  /** Relative: of the sum of squares, of the step, of the cosine between residuals and a column. Default 1e-12. */
  readonly tolerance?: number;
}

/** What ended the iterations. */
export type Ending = "exact" | "gradient" | "reduction" | "step" | "iterations";

export interface SearchResult {
  readonly parameters: Float64Array;
  /**
   * (JᵀJ)⁻¹·s², s² = Σr²/(count − parameters); without s² for `absolute`. True for independent residuals of one sd.
   * Infinite when the parameters cannot be told apart.
   */
  readonly covariance: readonly (readonly number[])[];
  readonly residuals: Float64Array;
  readonly sumOfSquares: number;
  readonly degreesOfFreedom: number;
  readonly iterations: number;
  readonly converged: boolean;
  readonly ending: Ending;
  /** Parameters that ended on a limit: their covariance says nothing. */
  readonly atBound: readonly number[];
}

/** p = p(u), u free. Two limits: a sine; one limit: a hyperbola, as in MINUIT. */
interface Transform {
  outer(u: number): number;
  inner(p: number): number;
  /** dp/du */
  slope(u: number): number;
}

const FREE: Transform = { outer: (u) => u, inner: (p) => p, slope: () => 1 };

function transformOf(bounds: Bounds | undefined): Transform {
  const { low, high } = bounds ?? {};
  if (low !== undefined && high !== undefined) {
    const [middle, half] = [(low + high) / 2, (high - low) / 2];
    return {
      outer: (u) => middle + half * Math.sin(u),
      // A start on the limit itself would have slope 0 and never move.
      inner: (p) => Math.asin(Math.max(-0.999, Math.min(0.999, (p - middle) / half))),
      slope: (u) => half * Math.cos(u),
    };
  }
  if (low === undefined && high === undefined) return FREE;
  const [limit, sign] = low !== undefined ? [low, 1] : [high ?? 0, -1];
  return {
    outer: (u) => limit + sign * (Math.hypot(u, 1) - 1),
    inner: (p) => Math.sqrt((Math.max(1e-6, sign * (p - limit)) + 1) ** 2 - 1),
    slope: (u) => (sign * u) / Math.hypot(u, 1),
  };
}

/**
 * Parameters that make Σ residuals² least, from a start near enough.
 *
 * Each step solves min ‖[R; √λ·D]·δ + [Qᵀr; 0]‖ by QR, where J = QR and D holds the norms of J's columns, and λ
 * falls after a step that helps and grows after one that does not (Nielsen 1999).
 *
 * @throws SignalError for fewer residuals than parameters, or a start whose residuals are not finite
 */
export function levenbergMarquardt(
  linearise: (parameters: Float64Array) => Linearised,
  start: ArrayLike<number>,
  options: SearchOptions = {},
): SearchResult {
  const { bounds = [], absolute = false, maxIterations = 200, tolerance = 1e-12 } = options;
  const transforms = Array.from(start, (_, i) => transformOf(bounds[i]));
  const outer = (u: Float64Array) => u.map((each, i) => (transforms[i] ?? FREE).outer(each));

  let u = Float64Array.from(start, (p, i) => (transforms[i] ?? FREE).inner(p));
  let now = linearise(outer(u));
  let sum = sumOfSquares(now.residuals);
  const [count, width] = [now.residuals.length, u.length];
  if (count < width)
    throw new SignalError("SIGNAL-01", `fit: ${count} values for ${width} parameters.`, [
      ["fix", "fit fewer lines, or a longer record"],
    ]);
  if (!Number.isFinite(sum))
    throw new SignalError("SIGNAL-01", "fit: the start gives residuals that are not finite.", [
      ["start", Array.from(start).join(", ")],
      ["fix", "start nearer to the lines"],
    ]);

  const first = sum;
  let damping = 1e-3;
  let growth = 2;
  let ending: Ending | undefined;
  let iterations = 0;
  while (ending === undefined && iterations < maxIterations) {
    const slopes = u.map((each, i) => (transforms[i] ?? FREE).slope(each));
    const { triangle, rotated, norms } = reduce(now, slopes);
    if (sum <= first * 1e-30 || sum === 0) ending = "exact";
    else if (gradientCosine(triangle, rotated, norms, sum) <= tolerance) ending = "gradient";
    while (ending === undefined && iterations < maxIterations) {
      iterations++;
      const step = dampedStep(triangle, rotated, norms, damping);
      const next = u.map((each, i) => each + (step[i] ?? 0));
      const tried = linearise(outer(next));
      const triedSum = sumOfSquares(tried.residuals);
      const promised = promisedReduction(step, triangle, rotated, norms, damping);
      const gain = (sum - triedSum) / promised;
      if (triedSum <= sum && gain > 0) {
        const [reduction, moved] = [sum - triedSum, relativeStep(step, u)];
        [u, now, sum] = [next, tried, triedSum];
        damping *= Math.max(1 / 3, 1 - (2 * gain - 1) ** 3);
        growth = 2;
        if (reduction <= tolerance * sum && gain > 0.25) ending = "reduction";
        else if (moved <= tolerance) ending = "step";
        break;
      }
      damping *= growth;
      growth *= 2;
      // Rounding decides now: no step can be told from none.
      if (relativeStep(step, u) <= tolerance || !Number.isFinite(damping)) ending = "step";
    }
  }

  const parameters = outer(u);
  const degreesOfFreedom = count - width;
  const scale = absolute ? 1 : degreesOfFreedom > 0 ? sum / degreesOfFreedom : Infinity;
  return {
    ...{ parameters, residuals: now.residuals, sumOfSquares: sum, degreesOfFreedom, iterations },
    covariance: covarianceOf(now.columns, scale),
    converged: ending !== undefined,
    ending: ending ?? "iterations",
    atBound: [...parameters.keys()].filter((i) => isAtBound(parameters[i] ?? 0, bounds[i])),
  };
}

/** (JᵀJ)⁻¹·scale from the columns of J. Columns are brought to norm 1 first: units must not matter. */
function covarianceOf(columns: readonly Float64Array[], scale: number): number[][] {
  const norms = columns.map((column) => Math.sqrt(sumOfSquares(column)));
  const width = columns.length;
  if (width === 0) return [];
  const scaled = Matrix.zeros(columns[0]?.length ?? 0, width);
  columns.forEach((column, j) => {
    const norm = norms[j] || 1;
    column.forEach((value, i) => {
      scaled.set(i, j, value / norm);
    });
  });
  const triangle = new QrDecomposition(scaled).upperTriangularMatrix;
  const flat = triangle.diagonal().some((value) => Math.abs(value) < 1e-14);
  const inverse = flat ? undefined : solve(triangle, Matrix.eye(width));
  const product = inverse?.mmul(inverse.transpose());
  return norms.map((a, i) =>
    norms.map((b, j) => (product === undefined ? Infinity : (product.get(i, j) * scale) / (a * b))),
  );
}

/** R and Qᵀr of J with its columns multiplied by the slopes of the transformation. */
function reduce({ residuals, columns }: Linearised, slopes: Float64Array) {
  const width = columns.length;
  const joined = Matrix.zeros(Math.max(residuals.length, width + 1), width + 1);
  columns.forEach((column, j) => {
    const slope = slopes[j] ?? 1;
    for (let i = 0; i < column.length; i++) joined.set(i, j, (column[i] ?? 0) * slope);
  });
  for (let i = 0; i < residuals.length; i++) joined.set(i, width, residuals[i] ?? 0);
  const all = new QrDecomposition(joined).upperTriangularMatrix;
  const triangle = all.subMatrix(0, width - 1, 0, width - 1);
  const rotated = Float64Array.from(columns, (_, i) => all.get(i, width));
  const norms = Float64Array.from(columns, (_, j) => triangle.getColumnVector(j).norm() || 1);
  return { triangle, rotated, norms };
}

/** Largest |cos| between the residuals and a column: 0 where the sum of squares is least. */
function gradientCosine(
  triangle: Matrix,
  rotated: Float64Array,
  norms: Float64Array,
  sum: number,
): number {
  const gradient = triangle.transpose().mmul(Matrix.columnVector(rotated));
  return norms.reduce(
    (largest, norm, j) => Math.max(largest, Math.abs(gradient.get(j, 0)) / (norm * Math.sqrt(sum))),
    0,
  );
}

function dampedStep(
  triangle: Matrix,
  rotated: Float64Array,
  norms: Float64Array,
  damping: number,
): Float64Array {
  const width = norms.length;
  const system = Matrix.zeros(2 * width, width);
  system.setSubMatrix(triangle, 0, 0);
  norms.forEach((norm, j) => {
    system.set(width + j, j, Math.sqrt(damping) * norm);
  });
  const right = Matrix.zeros(2 * width, 1);
  rotated.forEach((value, i) => {
    right.set(i, 0, -value);
  });
  return Float64Array.from(solve(system, right).to1DArray());
}

/** Fall of the sum of squares that the linear model promises: ‖Qᵀr‖² − ‖Rδ + Qᵀr‖², at least the damped part. */
function promisedReduction(
  step: Float64Array,
  triangle: Matrix,
  rotated: Float64Array,
  norms: Float64Array,
  damping: number,
): number {
  // With (RᵀR + λD²)δ = −RᵀQᵀr it equals ‖Rδ‖² + 2λ‖Dδ‖², a sum without cancellation.
  const moved = triangle.mmul(Matrix.columnVector(step)).to1DArray();
  const damped = norms.reduce((total, norm, j) => total + (norm * (step[j] ?? 0)) ** 2, 0);
  const promised = sumOfSquares(moved) + 2 * damping * damped;
  return promised > 0 ? promised : sumOfSquares(rotated) * Number.EPSILON + Number.MIN_VALUE;
}

function relativeStep(step: Float64Array, from: Float64Array): number {
  return step.reduce(
    (largest, each, i) => Math.max(largest, Math.abs(each) / (Math.abs(from[i] ?? 0) + 1e-12)),
    0,
  );
}

function isAtBound(value: number, bounds: Bounds | undefined): boolean {
  const { low, high } = bounds ?? {};
  const room = 1e-6 * ((high ?? value) - (low ?? value) || Math.abs(value) || 1);
  return (low !== undefined && value - low <= room) || (high !== undefined && high - value <= room);
}

export function sumOfSquares(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2;
  return sum;
}
