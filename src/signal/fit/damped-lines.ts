/** @file Damped sinusoids fitted to a series: several lines at once, with covariance and confidence. */

import { Matrix, QrDecomposition } from "ml-matrix";
import { SignalError } from "../../core/errors.ts";
import { type Series, spanOf, timeAt, withValues } from "../series.ts";
import { normalQuantile } from "./confidence.ts";
import {
  type Ending,
  type Linearised,
  levenbergMarquardt,
  sumOfSquares,
} from "./levenberg-marquardt.ts";

/** A line to fit. A number is the period of one with amplitude and damping free. */
export interface LineModel {
  /** Near which it is sought, in the series's time unit; signed for complex series, > 0 prograde. */
  readonly period: number;
  /** Free (default), or held at this value per time unit: 0 for a harmonic. */
  readonly damping?: "free" | number;
  /** Of the polynomial in time that the complex amplitude is. Default 0. */
  readonly degree?: 0 | 1 | 2;
  /** Where the search for a free damping starts, per time unit. Default 0. */
  readonly startDamping?: number;
}

export interface DampedLinesOptions {
  readonly lines: readonly (number | LineModel)[];
  /** Where amplitude and phase are read, a time of the series. Default the middle of the record. */
  readonly centre?: number;
  /** Frequencies stay within this part of the asked ones. Default: no limit. */
  readonly within?: number;
  /** Look for better starts up to one 1/record beside each asked frequency. Default true. */
  readonly search?: boolean;
  /** Sds of the samples, in the series's unit; all alike and unknown when absent. */
  readonly sd?: ArrayLike<number>;
  /** Of the intervals. Default 0.95. */
  readonly confidence?: number;
}

/** What is known of a value: itself, its standard deviation, and an interval of the asked confidence. */
export interface Estimate {
  readonly value: number;
  readonly sd: number;
  readonly interval: readonly [low: number, high: number];
}

/**
 * One line, Re{C(u)·e^{(−α+2πif)u}} of a real series, without Re of a complex one; u = t − centre,
 * C(u) = Σ coefficients[k]·uᵏ.
 */
export interface DampedLine {
  readonly period: Estimate;
  /** f, cycles per time unit, signed. */
  readonly frequency: Estimate;
  /** α per time unit; above 0 it decays. */
  readonly damping: Estimate;
  /** Q = π|f|/α; Infinity for a line that does not decay. The interval is that of α, turned over. */
  readonly quality: Estimate;
  /** |C(0)| in the unit of the series. */
  readonly amplitude: Estimate;
  /** arg C(0), radians. */
  readonly phase: Estimate;
  /** In the unit of the series per time unitᵏ. */
  readonly coefficients: readonly { readonly re: number; readonly im: number }[];
}

export interface DampedLinesFit {
  readonly lines: readonly DampedLine[];
  readonly centre: number;
  /** "frequency 1", "damping 1", "re 1.0", "im 1.0", …: rows of the covariance. */
  readonly parameters: readonly { readonly name: string; readonly value: number }[];
  /** For noise that is white; a smoothed series or red noise needs Monte Carlo. */
  readonly covariance: readonly (readonly number[])[];
  readonly fitted: Series;
  /** Series less fit; 0 where nothing was observed. */
  readonly residual: Series;
  /** Of the residuals, √(Σr²/degrees of freedom), weighted by 1/sd when sds are given. */
  readonly residualSd: number;
  readonly converged: boolean;
  readonly ending: Ending;
  readonly iterations: number;
}

/** A line with its place among the parameters. */
interface Placed {
  readonly frequency: number;
  readonly held: number | undefined;
  readonly startDamping: number;
  readonly degree: number;
}

/** Observed samples: times from the centre, stacked values (real parts, then imaginary), weights of both. */
interface Data {
  readonly u: Float64Array;
  readonly values: Float64Array;
  readonly weights: Float64Array;
  readonly complex: boolean;
}

/**
 * Least-squares fit of damped sinusoids to the observed samples.
 *
 * 1. Starts: each asked frequency, moved to the best of nine trials up to 1/record aside, α = 0.
 * 2. Variable projection (Golub & Pereyra 1973, Kaufman's Jacobian): amplitudes are solved for at every f, α, so
 *    that only f and α are searched. It comes home from much farther than a search over all unknowns.
 * 3. Levenberg–Marquardt over all unknowns, which gives the covariance of all.
 *
 * @throws SignalError for a period of 0 or above the Nyquist frequency, and for too few samples
 */
export function dampedLines(series: Series, options: DampedLinesOptions): DampedLinesFit {
  const { confidence = 0.95, within } = options;
  const centre = options.centre ?? series.start + spanOf(series) / 2;
  const lines = options.lines.map((line) => place(series, line));
  const data = observe(series, centre, options.sd);
  const starts = lines.map(({ frequency }) => frequency);
  if (options.search !== false) search(data, lines, starts, spanOf(series), within);

  const bounds = lines.flatMap(({ frequency, held }) => {
    const [a, b] = [frequency * (1 - (within ?? 0)), frequency * (1 + (within ?? 0))];
    const limits = within === undefined ? undefined : { low: Math.min(a, b), high: Math.max(a, b) };
    return held === undefined ? [limits, undefined] : [limits];
  });
  const nonlinear = lines.flatMap(({ held, startDamping }, j) => [
    starts[j] ?? 0,
    ...(held === undefined ? [startDamping] : []),
  ]);
  const projected = levenbergMarquardt(
    (theta) => project(data, lines, theta).linearised,
    nonlinear,
    {
      bounds,
      maxIterations: 100,
      tolerance: 1e-10,
    },
  );
  const { coefficients } = project(data, lines, projected.parameters);
  const full = levenbergMarquardt(
    (p) => linearise(data, lines, p),
    interleave(lines, projected.parameters, coefficients),
    {
      bounds: interleave<(typeof bounds)[number]>(lines, bounds, []),
      absolute: options.sd !== undefined,
    },
  );

  const { parameters, covariance, converged, ending, iterations } = full;
  const fitted = evaluate(series, centre, lines, parameters);
  return {
    ...{ centre, covariance, converged, ending },
    iterations: projected.iterations + iterations,
    lines: describe(lines, parameters, covariance, confidence),
    parameters: names(lines).map((name, i) => ({ name, value: parameters[i] ?? 0 })),
    fitted,
    residual: difference(series, fitted),
    residualSd: Math.sqrt(full.sumOfSquares / Math.max(1, full.degreesOfFreedom)),
  };
}

function place(series: Series, line: number | LineModel): Placed {
  const {
    period,
    damping = "free",
    degree = 0,
    startDamping = 0,
  } = typeof line === "number" ? { period: line } : line;
  if (!Number.isFinite(1 / period) || period === 0 || Math.abs(period) < 2 * series.step)
    throw new SignalError(
      "SIGNAL-01",
      `series ${series.name}: a line of period ${period} ${series.timeUnit} is not between two samples (${2 * series.step}) and infinity.`,
      [["fix", "give periods above twice the step"]],
    );
  if (period < 0 && series.im === undefined)
    throw new SignalError(
      "SIGNAL-01",
      `series ${series.name}: period ${period} of a real series.`,
      [["fix", "signed periods tell directions of complex series; give it above 0"]],
    );
  const held = damping === "free" ? undefined : damping;
  return { frequency: 1 / period, held, startDamping, degree };
}

function observe(series: Series, centre: number, sd: ArrayLike<number> | undefined): Data {
  const { re, im, observed } = series;
  const places = [...re.keys()].filter((n) => observed?.[n] !== 0);
  const u = Float64Array.from(places, (n) => timeAt(series, n) - centre);
  const parts = im === undefined ? [re] : [re, im];
  const values = parts.flatMap((part) => places.map((n) => part[n] ?? 0));
  const weights = parts.flatMap(() => places.map((n) => 1 / (sd?.[n] ?? 1)));
  return {
    u,
    complex: im !== undefined,
    values: Float64Array.from(values, (value, i) => value * (weights[i] ?? 1)),
    weights: Float64Array.from(weights),
  };
}

/** Places the frequency and damping of every line in a list of them, and of coefficients behind. */
function interleave<T>(
  lines: readonly Placed[],
  nonlinear: ArrayLike<T>,
  linear: ArrayLike<T>,
): T[] {
  let [i, k] = [0, 0];
  return lines.flatMap(({ held, degree }) => {
    const own = Array.from({ length: held === undefined ? 2 : 1 }, () => nonlinear[i++] as T);
    return [...own, ...Array.from({ length: 2 * (degree + 1) }, () => linear[k++] as T)];
  });
}

function names(lines: readonly Placed[]): string[] {
  return lines.flatMap(({ held, degree }, j) => [
    `frequency ${j + 1}`,
    ...(held === undefined ? [`damping ${j + 1}`] : []),
    ...Array.from({ length: degree + 1 }, (_, k) => [
      `re ${j + 1}.${k}`,
      `im ${j + 1}.${k}`,
    ]).flat(),
  ]);
}

/** Columns of one line: uᵏE and i·uᵏE, k ≤ degree, E = e^{(−α+2πif)u}, in the stacked and weighted form of the data. */
function basis(data: Data, frequency: number, damping: number, degree: number): Float64Array[] {
  const { u, weights, complex } = data;
  const count = u.length;
  const columns = Array.from({ length: 2 * (degree + 1) }, () => new Float64Array(weights.length));
  for (let n = 0; n < count; n++) {
    const time = u[n] as number;
    const decay = Math.exp(-damping * time);
    const angle = 2 * Math.PI * frequency * time;
    const [cosine, sine] = [decay * Math.cos(angle), decay * Math.sin(angle)];
    let power = weights[n] as number;
    for (let k = 0; k <= degree; k++) {
      const [a, b] = [columns[2 * k], columns[2 * k + 1]] as [Float64Array, Float64Array];
      a[n] = power * cosine;
      b[n] = -power * sine;
      if (complex) {
        a[count + n] = power * sine;
        b[count + n] = power * cosine;
      }
      power *= time;
    }
  }
  return columns;
}

/** Derivatives of Σ c·columns by f and α: 2πi·u and −u times the line. `turned` is i times the line. */
function slopes(data: Data, line: Float64Array, turned: Float64Array) {
  const count = data.u.length;
  const time = (n: number) => data.u[n < count ? n : n - count] as number;
  return {
    byFrequency: turned.map((value, n) => 2 * Math.PI * time(n) * value),
    byDamping: line.map((value, n) => -time(n) * value),
  };
}

function combine(columns: readonly Float64Array[], coefficients: readonly number[]): Float64Array {
  const sum = new Float64Array(columns[0]?.length ?? 0);
  columns.forEach((column, j) => {
    const c = coefficients[j] ?? 0;
    for (let n = 0; n < sum.length; n++) sum[n] = (sum[n] as number) + c * (column[n] as number);
  });
  return sum;
}

/** Coefficients of i times what these are of: (a + ib)·i = −b + ia. */
const turn = (coefficients: readonly number[]): number[] =>
  coefficients.map((_, k) =>
    k % 2 === 0 ? -(coefficients[k + 1] ?? 0) : (coefficients[k - 1] ?? 0),
  );

/** Residuals (model less data) and Jacobian over all unknowns. */
function linearise(data: Data, lines: readonly Placed[], parameters: Float64Array): Linearised {
  const residuals = data.values.map((value) => -value);
  const columns: Float64Array[] = [];
  let next = 0;
  for (const { held, degree } of lines) {
    const frequency = parameters[next++] ?? 0;
    const damping = held ?? parameters[next++] ?? 0;
    const own = basis(data, frequency, damping, degree);
    const coefficients = own.map(() => parameters[next++] ?? 0);
    const line = combine(own, coefficients);
    const { byFrequency, byDamping } = slopes(data, line, combine(own, turn(coefficients)));
    columns.push(byFrequency, ...(held === undefined ? [byDamping] : []), ...own);
    for (let n = 0; n < residuals.length; n++)
      residuals[n] = (residuals[n] as number) + (line[n] as number);
  }
  return { residuals, columns };
}

/** What is left after the best amplitudes at these f and α, its Jacobian −P⊥·(∂Φ)c, and the amplitudes. */
function project(data: Data, lines: readonly Placed[], theta: ArrayLike<number>) {
  let next = 0;
  const bases = lines.map(({ held, degree }) => {
    const frequency = theta[next++] ?? 0;
    return basis(data, frequency, held ?? theta[next++] ?? 0, degree);
  });
  const all = bases.flat();
  const matrix = Matrix.zeros(data.values.length, all.length);
  all.forEach((column, j) => {
    for (let n = 0; n < column.length; n++) matrix.set(n, j, column[n] as number);
  });
  const decomposition = new QrDecomposition(matrix);
  const coefficients = decomposition.solve(Matrix.columnVector(data.values)).to1DArray();
  const orthogonal = decomposition.orthogonalMatrix.transpose().to2DArray();
  const outside = (vector: Float64Array): Float64Array => {
    const left = vector.slice();
    for (const q of orthogonal) {
      let dot = 0;
      for (let n = 0; n < left.length; n++) dot += (q[n] as number) * (left[n] as number);
      for (let n = 0; n < left.length; n++) left[n] = (left[n] as number) - dot * (q[n] as number);
    }
    return left;
  };
  let first = 0;
  const columns = bases.flatMap((own, j) => {
    const mine = coefficients.slice(first, first + own.length);
    first += own.length;
    const { byFrequency, byDamping } = slopes(data, combine(own, mine), combine(own, turn(mine)));
    const moved = lines[j]?.held === undefined ? [byFrequency, byDamping] : [byFrequency];
    return moved.map(outside);
  });
  const residuals = outside(data.values).map((value) => -value);
  return { linearised: { residuals, columns }, coefficients };
}

/** Moves each start to the best of nine frequencies; others stay meanwhile, and lines keep apart. */
function search(
  data: Data,
  lines: readonly Placed[],
  starts: number[],
  span: number,
  within = Infinity,
): void {
  const still = lines.map((line) => ({ ...line, held: line.held ?? 0 }));
  for (const [j, { frequency }] of lines.entries()) {
    const trials = Array.from({ length: 9 }, (_, k) => frequency + (k - 4) / (4 * span)).filter(
      (trial) =>
        trial * frequency > 0 &&
        Math.abs(trial - frequency) <= within * Math.abs(frequency) &&
        starts.every((other, i) => i === j || Math.abs(other - trial) > 0.5 / span),
    );
    const left = (trial: number) =>
      sumOfSquares(project(data, still, starts.with(j, trial)).linearised.residuals);
    starts[j] = trials
      .map((trial) => ({ trial, left: left(trial) }))
      .reduce((best, each) => (each.left < best.left ? each : best), {
        trial: frequency,
        left: Infinity,
      }).trial;
  }
}

function describe(
  lines: readonly Placed[],
  parameters: Float64Array,
  covariance: readonly (readonly number[])[],
  confidence: number,
): DampedLine[] {
  const wide = normalQuantile((1 + confidence) / 2);
  const estimate = (value: number, sd: number): Estimate => ({
    ...{ value, sd },
    interval: [value - wide * sd, value + wide * sd],
  });
  let next = 0;
  return lines.map(({ held, degree }) => {
    const sdAt = (i: number) => Math.sqrt(covariance[i]?.[i] ?? 0);
    const frequency = estimate(parameters[next] ?? 0, sdAt(next));
    next++;
    const damping = held === undefined ? estimate(parameters[next] ?? 0, sdAt(next)) : exact(held);
    if (held === undefined) next++;
    const [at, a, b] = [next, parameters[next] ?? 0, parameters[next + 1] ?? 0];
    const [aa, ab, bb] = [
      covariance[at]?.[at] ?? 0,
      covariance[at]?.[at + 1] ?? 0,
      covariance[at + 1]?.[at + 1] ?? 0,
    ];
    const size = Math.hypot(a, b);
    const along = Math.sqrt(Math.max(0, a * a * aa + 2 * a * b * ab + b * b * bb)) / size;
    const across = Math.sqrt(Math.max(0, b * b * aa - 2 * a * b * ab + a * a * bb)) / size ** 2;
    const coefficients = Array.from({ length: degree + 1 }, (_, k) => ({
      re: parameters[at + 2 * k] ?? 0,
      im: parameters[at + 2 * k + 1] ?? 0,
    }));
    next += 2 * (degree + 1);
    const period = estimate(1 / frequency.value, frequency.sd / frequency.value ** 2);
    const quality = qualityOf(frequency.value, damping);
    const phase = estimate(Math.atan2(b, a), across);
    return {
      ...{ period, frequency, damping, quality, phase, coefficients },
      amplitude: estimate(size, along),
    };
  });
}

const exact = (value: number): Estimate => ({ value, sd: 0, interval: [value, value] });

/** Q = π|f|/α: growth and no damping at all are both Q = Infinity. */
export function qualityOf(frequency: number, damping: Estimate): Estimate {
  const of = (alpha: number) => (alpha > 0 ? (Math.PI * Math.abs(frequency)) / alpha : Infinity);
  const value = of(damping.value);
  const sd = damping.value > 0 ? (value * damping.sd) / damping.value : Infinity;
  return {
    ...{ value, sd: damping.sd === 0 ? 0 : sd },
    interval: [of(damping.interval[1]), of(damping.interval[0])],
  };
}

/** The fitted sum at every time of the series, observed or not. */
function evaluate(
  series: Series,
  centre: number,
  lines: readonly Placed[],
  parameters: Float64Array,
): Series {
  const { observed: _, ...whole } = series;
  const data = observe(whole, centre, undefined);
  const nothing = { ...data, values: new Float64Array(data.values.length) };
  const sum = linearise(nothing, lines, parameters).residuals;
  const count = series.re.length;
  return withValues(
    whole,
    sum.slice(0, count),
    series.im === undefined ? undefined : sum.slice(count),
  );
}

function difference(series: Series, fitted: Series): Series {
  const less = (all: Float64Array, part: Float64Array | undefined) =>
    all.map((value, n) => (series.observed?.[n] === 0 ? 0 : value - (part?.[n] ?? 0)));
  return withValues(
    series,
    less(series.re, fitted.re),
    series.im === undefined ? undefined : less(series.im, fitted.im),
  );
}
