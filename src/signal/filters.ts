/** @file Filters without phase shift: running means, and low, high and band pass in the frequency domain. */

import { SignalError } from "../core/errors.ts";
import { dft, dftFrequencies, inverseDft } from "./dft.ts";
import { type Series, withValues } from "./series.ts";

/**
 * The mean of the observed samples within half a length to both sides. Towards the ends the window loses the
 * half beyond them, so that the mean leans inwards there. A sample without observation stays one.
 *
 * @param length - of the window, in time units of the series; the samples are an odd number
 * @throws SignalError for a length that is not above 0
 */
export function runningMean(series: Series, length: number): Series {
  if (!(length > 0)) throw wrong(series, `window ${length} ${series.timeUnit}`, "give one above 0");
  const half = Math.floor((length / series.step / 2) * (1 + 1e-12));
  const { re, im, observed } = series;
  const counts = sums(Float64Array.from(re, (_, n) => (observed?.[n] === 0 ? 0 : 1)));
  const averaged = (part: Float64Array): Float64Array => {
    const totals = sums(part);
    return part.map((_, n) => {
      if (observed?.[n] === 0) return 0;
      const [from, to] = [Math.max(0, n - half), Math.min(part.length, n + half + 1)];
      return between(totals, from, to) / between(counts, from, to);
    });
  };
  return withValues(series, averaged(re), im === undefined ? undefined : averaged(im));
}

/** `sums[n]` = x_0 + … + x_{n−1}. */
function sums(values: Float64Array): Float64Array {
  const totals = new Float64Array(values.length + 1);
  for (let n = 0; n < values.length; n++) totals[n + 1] = (totals[n] ?? 0) + (values[n] ?? 0);
  return totals;
}

function between(totals: Float64Array, from: number, to: number): number {
  return (totals[to] ?? 0) - (totals[from] ?? 0);
}

/** How a filter falls off. */
export type Shape =
  /** exp(−(ln 2 / 2)(f/f_c)²): no ringing; amplitude 0.707 at the cutoff. */
  | { readonly kind: "gaussian" }
  /** 1/√(1 + (f/f_c)^{2·order}): flat, the steeper the higher the order; amplitude 0.707 at the cutoff. */
  | { readonly kind: "butterworth"; readonly order: number };

export interface FilterOptions {
  /** Butterworth of order 4 when absent. */
  readonly shape?: Shape;
  /**
   * What lies beyond the ends. `reflect` (when absent): the record turned by half a turn about its first and
   * last sample, which carries a trend on; distorted within about half a cutoff period of the ends. `zero`:
   * nothing, so that values fade there.
   */
  readonly edges?: "reflect" | "zero";
}

/** Keeps periods longer than `period` (time units): amplitude 0.707 at it, no phase shift. */
export function lowPass(series: Series, period: number, options: FilterOptions = {}): Series {
  const low = responseOf(series, period, options.shape);
  return filtered(series, low, options.edges);
}

/** Keeps periods shorter than `period`: what `lowPass` takes away in power. */
export function highPass(series: Series, period: number, options: FilterOptions = {}): Series {
  const low = responseOf(series, period, options.shape);
  return filtered(series, (f) => Math.sqrt(Math.max(0, 1 - low(f) ** 2)), options.edges);
}

/** Keeps periods between two, given in either order. */
export function bandPass(
  series: Series,
  periods: readonly [number, number],
  options: FilterOptions = {},
): Series {
  const long = responseOf(series, Math.max(...periods), options.shape);
  const short = responseOf(series, Math.min(...periods), options.shape);
  const band = (f: number): number => short(f) * Math.sqrt(Math.max(0, 1 - long(f) ** 2));
  return filtered(series, band, options.edges);
}

function responseOf(
  series: Series,
  period: number,
  shape: Shape = { kind: "butterworth", order: 4 },
): (frequency: number) => number {
  if (!(period >= 2 * series.step))
    throw wrong(
      series,
      `cutoff period ${period} ${series.timeUnit} is below two samples`,
      `give at least ${2 * series.step} ${series.timeUnit}`,
    );
  if (shape.kind === "gaussian") return (f) => Math.exp((-Math.LN2 / 2) * (f * period) ** 2);
  const { order } = shape;
  if (!(order > 0)) throw wrong(series, `order ${order}`, "give an order above 0");
  return (f) => 1 / Math.sqrt(1 + Math.abs(f * period) ** (2 * order));
}

/** @param response - real, of the frequency in cycles per time unit, even in it */
function filtered(
  series: Series,
  response: (frequency: number) => number,
  edges: FilterOptions["edges"] = "reflect",
): Series {
  if (series.observed?.includes(0) === true)
    throw wrong(series, "the series has gaps", "take a stretch without gaps, or a running mean");
  const count = series.re.length;
  if (count < 2) throw wrong(series, `${count} samples`, "give at least two");
  // As long again on both sides, so that nothing comes around the circle.
  const beside = count - 1;
  const extended = (part: Float64Array): Float64Array => {
    const out = new Float64Array(count + 2 * beside);
    out.set(part, beside);
    if (edges === "zero") return out;
    const [first, last] = [part[0] ?? 0, part[count - 1] ?? 0];
    for (let k = 1; k <= beside; k++) {
      out[beside - k] = 2 * first - (part[k] ?? 0);
      out[beside + count - 1 + k] = 2 * last - (part[count - 1 - k] ?? 0);
    }
    return out;
  };
  // A straight line from end to end would jump where the circle closes; it is filtered apart.
  const whole = extended(series.re);
  const wholeIm = series.im === undefined ? undefined : extended(series.im);
  const lines = [whole, ...(wholeIm === undefined ? [] : [wholeIm])].map(withoutLine);
  const spectrum = dft(whole, wholeIm);
  const gains = dftFrequencies(whole.length, series.step).map(response);
  const { re, im } = inverseDft({
    re: spectrum.re.map((x, k) => x * (gains[k] ?? 0)),
    im: spectrum.im.map((x, k) => x * (gains[k] ?? 0)),
  });
  // A straight line has the frequency 0.
  const still = response(0);
  const cut = (part: Float64Array, line: Line | undefined): Float64Array =>
    part
      .slice(beside, beside + count)
      .map((x, n) => x + still * ((line?.at ?? 0) + (line?.slope ?? 0) * (beside + n)));
  return withValues(
    series,
    cut(re, lines[0]),
    series.im === undefined ? undefined : cut(im, lines[1]),
  );
}

interface Line {
  readonly at: number;
  readonly slope: number;
}

/** Takes the straight line through the first and last value away, in place. */
function withoutLine(values: Float64Array): Line {
  const at = values[0] ?? 0;
  const slope = ((values.at(-1) ?? 0) - at) / Math.max(1, values.length - 1);
  for (let n = 0; n < values.length; n++) values[n] = (values[n] ?? 0) - at - slope * n;
  return { at, slope };
}

function wrong({ name }: Series, what: string, fix: string): SignalError {
  return new SignalError("SIGNAL-01", `filter of ${name}: ${what}.`, [["fix", fix]]);
}
