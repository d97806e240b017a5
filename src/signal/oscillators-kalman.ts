/**
 * @file Stochastic oscillators by a Kalman filter and a fixed-interval smoother: O(N) for records of any length.
 *
 * Each part is a small state that moves by x ← Fx + q from sample to sample: a line is a damped rotation of two
 * numbers, a Matérn trend of order 5/2 three, AR(1) noise one; polynomials and seasons are coefficients that do not
 * move, seen through their functions. The same Gaussian process as `oscillators`, but for the trend: a squared
 * exponential has no finite state, so the trend has to be `matern`, which is rougher.
 *
 * The smoother is the one of Durbin and Koopman (2012, §4.4), equal to Rauch, Tung and Striebel's without the
 * inverse of a covariance that coefficients which never move make singular.
 */

import { Matrix } from "ml-matrix";
import { SignalError } from "../core/errors.ts";
import {
  type Component,
  type OscillatorModel,
  type Oscillators,
  refuseComplex,
  wideTerms,
} from "./oscillators.ts";
import { type Series, withValues } from "./series.ts";

/** Part of the state: how it moves, how it starts, how it is seen. */
interface Block {
  readonly move: Matrix;
  readonly noise: Matrix;
  readonly start: Matrix;
  /** Weight of the state's entries in the record at a sample. */
  seen(sample: number): readonly number[];
}

/**
 * The posterior of every part.
 *
 * @throws SignalError for a complex series, and for a trend that is no Matérn process
 */
export function oscillatorsByKalman(series: Series, model: OscillatorModel): Oscillators {
  refuseComplex(series);
  const blocks = blocksOf(series, model);
  const system = joined(blocks);
  const forward = filter(series, system, model.white);
  const smoothed = smooth(series, system, forward);
  const { observed: _, ...whole } = series;
  const component = (indices: readonly number[]): Component => {
    const offsets = indices.map((i) => system.offsets[i] ?? 0);
    const [mean, sd] = [new Float64Array(series.re.length), new Float64Array(series.re.length)];
    smoothed.forEach(({ state, covariance }, n) => {
      const weights = new Float64Array(system.size);
      indices.forEach((i, k) => {
        weights.set(blocks[i]?.seen(n) ?? [], offsets[k] ?? 0);
      });
      mean[n] = weights.reduce((sum, weight, a) => sum + weight * state.get(a, 0), 0);
      sd[n] = Math.sqrt(Math.max(0, quadratic(weights, covariance)));
    });
    return { mean: withValues(whole, mean), sd };
  };
  const count = model.lines.length;
  return {
    lines: model.lines.map((line, i) => ({ line, ...component([i]) })),
    trend: component([count, count + 1]),
    seasons: component([count + 2]),
    red: component([count + 3]),
    logEvidence: forward.logEvidence,
  };
}

function blocksOf(series: Series, model: OscillatorModel): Block[] {
  const { step, name } = series;
  const lines = model.lines.map(({ period, amplitude, memory }): Block => {
    const keep = Math.exp(-step / memory);
    const angle = (2 * Math.PI * step) / period;
    const [c, s] = [keep * Math.cos(angle), keep * Math.sin(angle)];
    const start = Matrix.eye(2, 2, 0.5 * amplitude ** 2);
    const move = new Matrix([
      [c, -s],
      [s, c],
    ]);
    return { move, start, noise: Matrix.mul(start, 1 - keep * keep), seen: () => [1, 0] };
  });
  const { trend } = model;
  if (trend !== undefined && trend.kind !== "matern")
    throw new SignalError("SIGNAL-01", `oscillators of ${name}: the trend is no finite state.`, [
      ["fix", 'give it kind: "matern", or use the Cholesky form'],
    ]);
  const { sd = 0, phi = 0 } = model.red ?? {};
  const polynomial = wideTerms(
    series,
    { legendre: model.polynomial?.degree },
    model.polynomial?.sd,
  );
  const seasons = wideTerms(series, { harmonics: model.harmonics?.periods }, model.harmonics?.sd);
  return [
    ...lines,
    trend === undefined ? still([]) : matern(trend, step),
    still(polynomial),
    still(seasons),
    {
      move: new Matrix([[phi]]),
      noise: new Matrix([[sd ** 2 * (1 - phi ** 2)]]),
      start: new Matrix([[sd ** 2]]),
      seen: () => [1],
    },
  ];
}

/** Coefficients of sd 1 that do not move. */
function still(terms: readonly Float64Array[]): Block {
  const size = terms.length;
  return {
    ...{ move: Matrix.eye(size), noise: Matrix.zeros(size, size), start: Matrix.eye(size) },
    seen: (n) => terms.map((term) => term[n] ?? 0),
  };
}

/** Value, slope and curvature; e^{GΔ} = e^{−λΔ}(I + MΔ + M²Δ²/2) with M = G + λI, since M³ = 0. */
function matern(
  { sd, scale }: { readonly sd: number; readonly scale: number },
  step: number,
): Block {
  const rate = Math.sqrt(5) / scale;
  const shifted = new Matrix([
    [rate, 1, 0],
    [0, rate, 1],
    [-(rate ** 3), -3 * rate ** 2, -2 * rate],
  ]);
  const move = Matrix.eye(3)
    .add(Matrix.mul(shifted, step))
    .add(shifted.mmul(shifted).mul(step ** 2 / 2))
    .mul(Math.exp(-rate * step));
  const slope = (sd ** 2 * rate ** 2) / 3;
  const start = new Matrix([
    [sd ** 2, 0, -slope],
    [0, slope, 0],
    [-slope, 0, sd ** 2 * rate ** 4],
  ]);
  const noise = Matrix.sub(start, move.mmul(start).mmul(move.transpose()));
  return { move, start, noise, seen: () => [1, 0, 0] };
}

interface System {
  readonly size: number;
  readonly offsets: readonly number[];
  readonly move: Matrix;
  readonly noise: Matrix;
  readonly start: Matrix;
  seen(sample: number): Float64Array;
}

function joined(blocks: readonly Block[]): System {
  const offsets: number[] = [];
  let size = 0;
  for (const { move } of blocks) {
    offsets.push(size);
    size += move.rows;
  }
  const whole = (part: (block: Block) => Matrix): Matrix => {
    const matrix = Matrix.zeros(size, size);
    blocks.forEach((block, i) => {
      const own = part(block);
      if (own.rows > 0) matrix.setSubMatrix(own, offsets[i] ?? 0, offsets[i] ?? 0);
    });
    return matrix;
  };
  return {
    ...{ size, offsets },
    move: whole(({ move }) => move),
    noise: whole(({ noise }) => noise),
    start: whole(({ start }) => start),
    seen: (n) => Float64Array.from(blocks.flatMap((block) => block.seen(n))),
  };
}

/** Before a sample is seen: state and covariance; then what it brings. */
interface Step {
  readonly state: Matrix;
  readonly covariance: Matrix;
  readonly seen: Float64Array;
  /** Observed less foreseen; 0 where nothing was observed. */
  readonly surprise: number;
  /** Its variance; Infinity where nothing was observed. */
  readonly variance: number;
  /** F(I − Kh) */
  readonly carry: Matrix;
}

function filter(series: Series, system: System, white: number) {
  const { move, noise, start, size } = system;
  let state = Matrix.zeros(size, 1);
  let covariance = start;
  let logEvidence = 0;
  const steps: Step[] = [];
  for (let n = 0; n < series.re.length; n++) {
    const seen = system.seen(n);
    const row = Matrix.rowVector(seen);
    const observed = series.observed?.[n] !== 0;
    const gain = covariance.mmul(row.transpose());
    const foreseen = row.mmul(state).get(0, 0);
    const variance = observed ? row.mmul(gain).get(0, 0) + white ** 2 : Infinity;
    const surprise = observed ? (series.re[n] ?? 0) - foreseen : 0;
    gain.mul(1 / variance);
    const carry = move.mmul(Matrix.eye(size).sub(gain.mmul(row)));
    steps.push({ state, covariance, seen, surprise, variance, carry });
    if (observed)
      logEvidence -= 0.5 * (surprise ** 2 / variance + Math.log(2 * Math.PI * variance));
    state = move.mmul(Matrix.add(state, Matrix.mul(gain, surprise)));
    const next = carry.mmul(covariance).mmul(move.transpose()).add(noise);
    covariance = next.add(next.transpose()).mul(0.5);
  }
  return { steps, logEvidence };
}

/** Backwards: r ← h·e/S + Lᵀr, N ← hhᵀ/S + LᵀNL; the state is x + Pr, its covariance P − PNP. */
function smooth(series: Series, { size }: System, { steps }: ReturnType<typeof filter>) {
  let pull = Matrix.zeros(size, 1);
  let information = Matrix.zeros(size, size);
  const out: { readonly state: Matrix; readonly covariance: Matrix }[] = [];
  for (let n = series.re.length - 1; n >= 0; n--) {
    const { state, covariance, seen, surprise, variance, carry } = steps[n] as Step;
    const [column, back] = [Matrix.columnVector(seen), carry.transpose()];
    pull = back.mmul(pull).add(Matrix.mul(column, surprise / variance));
    information = back
      .mmul(information)
      .mmul(carry)
      .add(column.mmul(column.transpose()).mul(1 / variance));
    out.push({
      state: Matrix.add(state, covariance.mmul(pull)),
      covariance: Matrix.sub(covariance, covariance.mmul(information).mmul(covariance)),
    });
  }
  return out.reverse();
}

function quadratic(weights: Float64Array, matrix: Matrix): number {
  let sum = 0;
  weights.forEach((a, i) => {
    if (a === 0) return;
    weights.forEach((b, j) => {
      sum += a * b * matrix.get(i, j);
    });
  });
  return sum;
}
