/**
 * @file Stochastic oscillators: a record as the sum of lines that wander, a smooth trend, seasons, red and white
 * noise, each a Gaussian process. Their posterior handles ends, gaps and neighbours at once and brings the band.
 *
 * Covariances at lag τ: a line ½A² e^{−|τ|/ℓ} cos(2πτ/P); the trend s² e^{−τ²/2r²}; red noise s² φ^{|τ|/Δ}.
 */

import { SignalError } from "../core/errors.ts";
import { trendTerms } from "./detrend-terms.ts";
import type { RedNoise } from "./noise.ts";
import { type Series, withValues } from "./series.ts";
import { type CholeskyFactor, choleskyFactor, dot, solveLower, solveUpper } from "./triangular.ts";

/** A line whose amplitude and phase wander. */
export interface Oscillator {
  /** In the series's time unit. */
  readonly period: number;
  /** A: its usual amplitude, in the unit of the series. */
  readonly amplitude: number;
  /** ℓ: the time after which it has forgotten its phase by 1/e, in time units. */
  readonly memory: number;
}

export interface OscillatorModel {
  /** All lines that the record is known to hold: one left out goes into its neighbours. */
  readonly lines: readonly Oscillator[];
  /** Smooth wandering: sd in the unit of the series, scale in time units. */
  readonly trend?: {
    readonly sd: number;
    readonly scale: number;
    /**
     * `squared-exponential` (default), or `matern`, of order 5/2: (1 + x + x²/3)e^{−x}, x = √5|τ|/scale, which a
     * Kalman filter can hold exactly. It has only two derivatives, so it reaches farther into short periods.
     */
    readonly kind?: "squared-exponential" | "matern";
  };
  /** Legendre polynomials over the record, each with a coefficient of this sd. */
  readonly polynomial?: { readonly degree: number; readonly sd: number };
  /** Sines of steady amplitude: the seasons. sd of each coefficient. */
  readonly harmonics?: { readonly periods: readonly number[]; readonly sd: number };
  /** AR(1), φ from sample to sample. */
  readonly red?: RedNoise;
  /** sd of the white noise, above 0. */
  readonly white: number;
}

/** One part of the record, given all of it; computed when it is first read. */
export interface Component {
  readonly mean: Series;
  /** Of the posterior, at every sample. */
  readonly sd: Float64Array;
}

export interface Oscillators {
  /** In the order of the model. */
  readonly lines: readonly (Component & { readonly line: Oscillator })[];
  /** Smooth trend and polynomials. */
  readonly trend: Component;
  readonly seasons: Component;
  /** AR(1) part of the noise. */
  readonly red: Component;
  /** log p(record | model): larger for a model that explains it better. */
  readonly logEvidence: number;
}

/**
 * The posterior of every part, from the observed samples alone. A Cholesky factor of N observed samples costs N³/6
 * multiplications; bands as much again for each part.
 *
 * @throws SignalError for a complex series, and for a model that is none
 */
export function oscillators(series: Series, model: OscillatorModel): Oscillators {
  return oscillatorSmoother(series, model)(series);
}

/** `oscillators` for many records on the times and gaps of one: factor and bands are computed once. */
export function oscillatorSmoother(
  like: Series,
  model: OscillatorModel,
): (series: Series) => Oscillators {
  const parts = partsOf(like, model);
  const places = [...like.re.keys()].filter((n) => like.observed?.[n] !== 0);
  const factor = choleskyFactor(covarianceOf(parts, places, model.white));
  const sds = new Map<Part, Float64Array>();
  const sdOf = (part: Part): Float64Array => {
    const known = sds.get(part) ?? posteriorSd(part, like.re.length, places, factor);
    sds.set(part, known);
    return known;
  };
  return (series) => {
    refuseComplex(series);
    const values = Float64Array.from(places, (n) => series.re[n] ?? 0);
    const half = solveLower(factor, values.slice());
    const misfit = dot(half, half, half.length);
    const weights = solveUpper(factor, half);
    const { observed: _, ...whole } = series;
    const component = (part: Part): Component => {
      let mean: Series | undefined;
      return {
        get mean() {
          mean ??= withValues(whole, meanOf(part, series.re.length, places, weights));
          return mean;
        },
        get sd() {
          return sdOf(part);
        },
      };
    };
    const { lines, trend, seasons, red } = parts;
    return {
      lines: lines.map((part, i) =>
        Object.assign(component(part), { line: model.lines[i] as Oscillator }),
      ),
      ...{ trend: component(trend), seasons: component(seasons), red: component(red) },
      logEvidence: -0.5 * (misfit + factor.logDeterminant + places.length * Math.log(2 * Math.PI)),
    };
  };
}

/** Covariance Σ lags[|n − m|] + Σ_k terms_k(n)·terms_k(m), by samples; terms carry their sd. */
interface Part {
  readonly lags: Float64Array;
  readonly terms: readonly Float64Array[];
}

function partsOf(series: Series, model: OscillatorModel) {
  refuseComplex(series);
  check(series, model);
  const { step, re } = series;
  const stationary = (covariance: (lag: number) => number): Float64Array =>
    Float64Array.from(re, (_, n) => covariance(n * step));
  const none = stationary(() => 0);
  const lines = model.lines.map(
    ({ period, amplitude, memory }): Part => ({
      lags: stationary(
        (lag) =>
          0.5 * amplitude ** 2 * Math.exp(-lag / memory) * Math.cos((2 * Math.PI * lag) / period),
      ),
      terms: [],
    }),
  );
  const trend: Part = {
    lags: model.trend === undefined ? none : stationary(trendCovariance(model.trend)),
    terms: wideTerms(series, { legendre: model.polynomial?.degree }, model.polynomial?.sd),
  };
  const seasons: Part = {
    lags: none,
    terms: wideTerms(series, { harmonics: model.harmonics?.periods }, model.harmonics?.sd),
  };
  const { sd = 0, phi = 0 } = model.red ?? {};
  const red: Part = { lags: stationary((lag) => sd ** 2 * phi ** (lag / step)), terms: [] };
  return { lines, trend, seasons, red };
}

/** Values of polynomials or sines times the sd of their coefficients. */
export function wideTerms(
  series: Series,
  asked: {
    readonly legendre?: number | undefined;
    readonly harmonics?: readonly number[] | undefined;
  },
  sd = 0,
): Float64Array[] {
  const { legendre, harmonics } = asked;
  const terms = trendTerms(series, {
    ...(legendre !== undefined && { legendre }),
    ...(harmonics !== undefined && { harmonics }),
  });
  return terms.map(({ re }) => re.map((value) => value * sd));
}

function trendCovariance({
  sd,
  scale,
  kind = "squared-exponential",
}: NonNullable<OscillatorModel["trend"]>): (lag: number) => number {
  if (kind === "squared-exponential") return (lag) => sd ** 2 * Math.exp(-0.5 * (lag / scale) ** 2);
  return (lag) => {
    const x = (Math.sqrt(5) * lag) / scale;
    return sd ** 2 * (1 + x + (x * x) / 3) * Math.exp(-x);
  };
}

function covarianceOf(
  { lines, trend, seasons, red }: ReturnType<typeof partsOf>,
  places: readonly number[],
  white: number,
): Float64Array[] {
  const all = [...lines, trend, seasons, red];
  const lags = trend.lags.map((_, lag) =>
    all.reduce((sum, part) => sum + (part.lags[lag] ?? 0), 0),
  );
  const terms = all.flatMap((part) => part.terms).map((term) => places.map((n) => term[n] ?? 0));
  return places.map((n, i) => {
    const row = new Float64Array(i + 1);
    for (let j = 0; j <= i; j++) row[j] = lags[n - (places[j] as number)] as number;
    for (const term of terms) {
      const own = term[i] as number;
      for (let j = 0; j <= i; j++) row[j] = (row[j] as number) + own * (term[j] as number);
    }
    row[i] = (row[i] as number) + white ** 2;
    return row;
  });
}

/** Covariances of the part at a sample with the part at the observed ones. */
function covariancesAt({ lags, terms }: Part, sample: number, places: readonly number[]) {
  const row = new Float64Array(places.length);
  for (let i = 0; i < row.length; i++)
    row[i] = lags[Math.abs((places[i] as number) - sample)] as number;
  for (const term of terms) {
    const own = term[sample] as number;
    for (let i = 0; i < row.length; i++)
      row[i] = (row[i] as number) + own * (term[places[i] as number] as number);
  }
  return row;
}

/** Covariances with the observed samples times the weights K⁻¹y. */
function meanOf(
  { lags, terms }: Part,
  count: number,
  places: readonly number[],
  weights: Float64Array,
): Float64Array {
  const mean = new Float64Array(count);
  for (let n = 0; n < count; n++) {
    let sum = 0;
    for (let i = 0; i < weights.length; i++)
      sum += (lags[Math.abs((places[i] as number) - n)] as number) * (weights[i] as number);
    mean[n] = sum;
  }
  for (const term of terms) {
    const share = places.reduce((sum, n, i) => sum + (term[n] ?? 0) * (weights[i] ?? 0), 0);
    for (let n = 0; n < count; n++) mean[n] = (mean[n] as number) + share * (term[n] as number);
  }
  return mean;
}

/** √(k(t, t) − kᵀK⁻¹k) */
function posteriorSd(
  part: Part,
  count: number,
  places: readonly number[],
  factor: CholeskyFactor,
): Float64Array {
  const { lags, terms } = part;
  return Float64Array.from({ length: count }, (_, n) => {
    const half = solveLower(factor, covariancesAt(part, n, places));
    const prior = terms.reduce((sum, term) => sum + (term[n] ?? 0) ** 2, lags[0] ?? 0);
    return Math.sqrt(Math.max(0, prior - dot(half, half, half.length)));
  });
}

function check({ name, timeUnit }: Series, model: OscillatorModel): void {
  const wrong = (what: string, fix: string) =>
    new SignalError("SIGNAL-01", `oscillators of ${name}: ${what}.`, [["fix", fix]]);
  if (!(model.white > 0)) throw wrong(`white noise of ${model.white}`, "give an sd above 0");
  if (model.trend !== undefined && !(model.trend.scale > 0))
    throw wrong(`a trend of scale ${model.trend.scale} ${timeUnit}`, "give a scale above 0");
  for (const { period, amplitude, memory } of model.lines) {
    if (!(period > 0 && amplitude > 0 && memory > 0))
      throw wrong(
        `a line of period ${period}, amplitude ${amplitude}, memory ${memory}`,
        "give values above 0",
      );
  }
}

export function refuseComplex({ name, im }: Series): void {
  if (im === undefined) return;
  throw new SignalError("SIGNAL-01", `oscillators of ${name}: the series is complex.`, [
    ["fix", "give its real and its imaginary part as series of their own"],
  ]);
}
