/** @file Restoration of oscillations hidden in a record, by six methods with one face. */

import { SignalError } from "../core/errors.ts";
import { type BepmeOptions, bepmeLine } from "./bepme.ts";
import {
  analytic,
  blend,
  type CombinedOptions,
  cutOf,
  doubled,
  fitMiddle,
  peakNear,
} from "./combined.ts";
import { type DetrendOptions, detrender } from "./detrend.ts";
import { edgeLaw, LEAST_EDGE } from "./edge.ts";
import { normalQuantile } from "./fit/confidence.ts";
import { type DampedLine, dampedLines } from "./fit/damped-lines.ts";
import type { Complex } from "./fourier.ts";
import { refuseGaps } from "./ntft.ts";
import { type OscillatorModel, type Oscillators, oscillatorSmoother } from "./oscillators.ts";
import { oscillatorModel } from "./oscillators-model.ts";
import { makeSeries, type Series, withValues } from "./series.ts";
import { groupByPeriod } from "./ssa/grouping.ts";
import { type SsaVariant, ssa } from "./ssa/ssa.ts";

/**
 * - `ntft`: 2 Re Ψ. - `renormalised`: the same over the edge law F. - `bepme`: of the record extended by mirror
 * images. - `fit`: the combined scheme of `combined.ts`. - `ssa`: triples near the period.
 * - `oscillators`: posterior of a Gaussian process that knows the lines.
 */
export const METHODS = ["ntft", "renormalised", "bepme", "fit", "ssa", "oscillators"] as const;
export type Method = (typeof METHODS)[number];

export interface RestoreOptions extends CombinedOptions {
  /** Wanted, in the time unit of the series; signed for a complex one. */
  readonly periods: readonly number[];
  /** Default `fit`. */
  readonly method?: Method;
  /** Read at exactly the wanted periods, without looking for peaks beside. Default false. */
  readonly exactly?: boolean;
  /** Trend and seasons removed first; `oscillators` models them instead. Default: nothing. */
  readonly detrend?: DetrendOptions;
  readonly bepme?: Pick<BepmeOptions, "keepStub" | "rounds">;
  /** Window in time units (default half the record), triples, and how far a triple's period may be. */
  readonly ssa?: {
    readonly window?: number;
    readonly count?: number;
    readonly tolerance?: number;
    readonly variant?: SsaVariant;
  };
  /** Default: `oscillatorModel` of the record. */
  readonly oscillators?: OscillatorModel;
  /** Of the band that `oscillators` bring. Default 0.95. */
  readonly confidence?: number;
}

/** One restored oscillation, in the units of the series. */
export interface Restoration {
  readonly method: Method;
  /** As it was asked for. */
  readonly wanted: number;
  /** At which it was read: the peak. */
  readonly period: number;
  /** On the whole record, the same times. */
  readonly restored: Series;
  /** |s(t)|: amplitude through time. */
  readonly amplitudeSeries: Float64Array;
  /** arg s(t), radians. */
  readonly phaseSeries: Float64Array;
  /**
   * The damped line nearest to it: for `fit` that of the scheme, for the other methods fitted in the same way to what
   * they restored, between the cuts. Its intervals are those of white residuals, which these are not: use
   * `uncertainty` of monte-carlo.ts. Undefined when nothing near the period was found.
   */
  readonly line: DampedLine | undefined;
  /** Where amplitude and phase of the line are read. */
  readonly centre: number;
  /** From each end, where the transform was not believed; 0 for methods that have none. */
  readonly cut: number;
  /** 95 % (or as asked) of the posterior; `oscillators` alone. */
  readonly band?: { readonly low: Series; readonly high: Series; readonly sd: Float64Array };
  /** Triples of `ssa`; none when no triple is near the period, and the restored series is 0 then. */
  readonly triples?: readonly number[];
}

/**
 * Restores an oscillation near each wanted period.
 *
 * @throws SignalError SIGNAL-01 for gaps (but `oscillators` take them), SIGNAL-02 for a record that cannot show a period
 */
export function restore(series: Series, options: RestoreOptions): Restoration[] {
  return restorer(series, options)(series);
}

/** `restore` for many records on the times and gaps of one: trend terms and covariances are factored once. */
export function restorer(like: Series, options: RestoreOptions): (series: Series) => Restoration[] {
  const { method = "fit", periods, detrend } = options;
  makeSeries(like);
  if (method === "oscillators") {
    const model = options.oscillators ?? oscillatorModel(like, options);
    const smoother = oscillatorSmoother(like, model);
    return (series) => byOscillators(series, smoother(series), model, options);
  }
  refuseGaps("restoration", like);
  const trendless = detrend === undefined ? undefined : detrender(like, detrend);
  const without = (series: Series) => trendless?.(series).residual ?? series;
  if (method === "ssa") return (series) => bySsa(without(series), options);
  const one = ONE[method];
  return (series) => {
    const residual = without(series);
    return periods.map((wanted) => {
      const period = options.exactly ? wanted : peakNear(residual, wanted, options);
      return one(residual, wanted, period, options);
    });
  };
}

type One = (series: Series, wanted: number, period: number, options: RestoreOptions) => Restoration;

const byTransform: One = (series, wanted, period, options) =>
  fromSignal("ntft", series, analytic(series, period, options), wanted, period, options);

const byRenormalised: One = (series, wanted, period, options) => {
  const plain = analytic(series, period, options);
  const edge = edgeLaw(series, period, options);
  // Beyond a half of the window, at the very end for periods the record can show, F is a half but for rounding.
  const divide = (part: Float64Array) => part.map((x, n) => x / Math.max(LEAST_EDGE, edge[n] ?? 1));
  const signal = { re: divide(plain.re), im: divide(plain.im) };
  return fromSignal("renormalised", series, signal, wanted, period, options);
};

const byBepme: One = (series, wanted, period, options) => {
  const { sigma, window } = options;
  const line = bepmeLine(series, period, {
    ...options.bepme,
    ...(sigma !== undefined && { sigma }),
    ...(window !== undefined && { window }),
  });
  return fromSignal("bepme", series, doubled(series, line), wanted, period, options);
};

const byFit: One = (series, wanted, period, options) => {
  const cut = cutOf(series, period, options);
  const fit = fitMiddle(series, analytic(series, period, options), period, cut, options);
  const { line, centre } = fit;
  return assemble("fit", series, blend(series, fit, period, cut), {
    ...{ wanted, period, line, centre, cut },
  });
};

const ONE: Readonly<Record<Exclude<Method, "ssa" | "oscillators">, One>> = {
  ntft: byTransform,
  renormalised: byRenormalised,
  bepme: byBepme,
  fit: byFit,
};

/** What a transform restored, with the line that its middle shows. */
function fromSignal(
  method: Method,
  series: Series,
  signal: Complex,
  wanted: number,
  period: number,
  options: RestoreOptions,
): Restoration {
  const cut = cutOf(series, period, options);
  const { line, centre } = fitMiddle(series, signal, period, cut, options);
  return assemble(method, series, signal, { wanted, period, line, centre, cut });
}

function assemble(
  method: Method,
  series: Series,
  signal: Complex,
  facts: Pick<Restoration, "wanted" | "period" | "line" | "centre" | "cut">,
): Restoration {
  return {
    ...{ method, ...facts },
    restored: withValues(series, signal.re, series.im === undefined ? undefined : signal.im),
    amplitudeSeries: signal.re.map((x, n) => Math.hypot(x, signal.im[n] ?? 0)),
    phaseSeries: signal.re.map((x, n) => Math.atan2(signal.im[n] ?? 0, x)),
  };
}

function bySsa(series: Series, options: RestoreOptions): Restoration[] {
  const { window, count, tolerance, variant } = options.ssa ?? {};
  const decomposition = ssa(series, {
    ...(window !== undefined && { window }),
    ...(count !== undefined && { count }),
    ...(variant !== undefined && { variant }),
  });
  const groups = groupByPeriod(decomposition, options.periods, {
    ...(tolerance !== undefined && { tolerance }),
  });
  return options.periods.map((wanted, i) => {
    const triples = groups[i] ?? [];
    const restored = decomposition.reconstruct(triples);
    return { ...fromRestored("ssa", restored, wanted, triples.length > 0, options), triples };
  });
}

function byOscillators(
  series: Series,
  { lines }: Oscillators,
  model: OscillatorModel,
  options: RestoreOptions,
): Restoration[] {
  const wide = normalQuantile((1 + (options.confidence ?? 0.95)) / 2);
  return options.periods.map((wanted) => {
    const index = nearest(model, wanted);
    const line = lines[index];
    if (line === undefined)
      throw new SignalError(
        "SIGNAL-01",
        `restoration of ${series.name}: the oscillators have no line near ${wanted} ${series.timeUnit}.`,
        [["fix", "add it to the model's lines"]],
      );
    const { mean } = line;
    const edge = (side: number) => {
      const { sd } = line;
      return withValues(
        mean,
        mean.re.map((x, n) => x + side * wide * (sd[n] as number)),
      );
    };
    return {
      ...fromRestored("oscillators", mean, wanted, true, options),
      // Draws of a Monte Carlo need no band.
      get band() {
        return { low: edge(-1), high: edge(1), sd: line.sd };
      },
    };
  });
}

/** The line of the model within 15 % of the wanted period, or −1. */
function nearest({ lines }: OscillatorModel, wanted: number): number {
  const far = (period: number) => Math.abs(Math.log(period / wanted));
  return lines.reduce(
    (best, { period }, i) =>
      far(period) < Math.min(0.15, far(lines[best]?.period ?? Infinity)) ? i : best,
    -1,
  );
}

/** Amplitude, phase and line of what was restored without a transform. */
function fromRestored(
  method: Method,
  restored: Series,
  wanted: number,
  found: boolean,
  options: RestoreOptions,
): Restoration {
  const { damping = "free", degree = 0 } = options.fit ?? {};
  const centre = restored.start + ((restored.re.length - 1) * restored.step) / 2;
  const line = found
    ? dampedLines(restored, { lines: [{ period: wanted, damping, degree }], search: false })
        .lines[0]
    : undefined;
  const period = line?.period.value ?? wanted;
  return assemble(method, restored, quadrature(restored, period), {
    ...{ wanted, period, line, centre, cut: 0 },
  });
}

/** A narrow line and its shadow a quarter period behind, −ẋ/ω, by differences of neighbours. */
function quadrature(series: Series, period: number): Complex {
  const { re, im, step } = series;
  if (im !== undefined) return { re, im };
  const last = re.length - 1;
  const turn = Math.sin((2 * Math.PI * step) / period);
  const at = (n: number) => re[n] ?? 0;
  return {
    re,
    im: re.map((_, n) => {
      // At the ends the neighbour outside is that of a sine: x₋₁ = 2x₀cos ωΔ − x₁.
      const outside = (end: number, inner: number) =>
        2 * at(end) * Math.cos((2 * Math.PI * step) / period) - at(inner);
      const before = n === 0 ? outside(0, 1) : at(n - 1);
      const after = n === last ? outside(last, last - 1) : at(n + 1);
      return (before - after) / (2 * turn);
    }),
  };
}
