/**
 * @file BEPME: extension of a record about its outermost extrema, as mirror images.
 *
 * A cosine is even about each of its extrema: mirrored there, it goes on with the right phase. All other lines
 * and the trend are not, which is the weak point. The extrema are those of the plain transform, which its ends
 * move inwards a little; an extended record is even about them, so that later rounds hardly move them (they do
 * with `keepStub`).
 */

import { SignalError } from "../core/errors.ts";
import { type KernelOptions, requirePeriod } from "./edge.ts";
import type { Complex } from "./fourier.ts";
import { ntftLine, refuseGaps } from "./ntft.ts";
import { vertex } from "./parabola.ts";
import { makeSeries, type Series, withValues } from "./series.ts";

export interface BepmeOptions extends Pick<KernelOptions, "sigma" | "window"> {
  /** Keeps what was observed before the first extremum and after the last, and mirrors only beyond it. Default false. */
  readonly keepStub?: boolean;
  /** Most rounds of extending and finding the extrema anew; default 5. */
  readonly rounds?: number;
}

export interface BepmeLine extends Complex {
  /** The extrema that were mirrored about, in samples with fractions. */
  readonly first: number;
  readonly last: number;
}

/** An extremum that moves by less, in samples, has settled. */
const SETTLED = 0.01;

/**
 * The line at one period of a real series, 2 Re Ψ of the extended record on the original times; in the unit of
 * the series.
 *
 * @throws SignalError SIGNAL-01 for a complex series, gaps, and a line without two extrema; SIGNAL-02 for a record
 * shorter than one and a half periods
 */
export function bepme(series: Series, period: number, options: BepmeOptions = {}): Series {
  return withValues(series, twice(bepmeLine(series, period, options).re));
}

/** The same as Ψ. @throws SignalError as `bepme` does */
export function bepmeLine(
  series: Series,
  period: number,
  { sigma, window, keepStub = false, rounds = 5 }: BepmeOptions = {},
): BepmeLine {
  const shape = { ...(sigma !== undefined && { sigma }), ...(window !== undefined && { window }) };
  makeSeries(series);
  refuseGaps("bepme", series);
  if (series.im !== undefined)
    throw new SignalError("SIGNAL-01", `bepme of ${series.name}: the series is complex.`, [
      ["fix", "extend its real and its imaginary part by themselves"],
    ]);
  requirePeriod("bepme", series, period, shape, 0);
  const count = series.re.length;
  let line: Complex = ntftLine(series, period, { ...shape, c: 0 });
  let [first, last] = outerExtrema(series.name, line.re);
  for (let round = 0; round < rounds; round++) {
    const extended = withValues(series, mirrored(series.re, first, last, keepStub));
    const { re, im } = ntftLine(extended, period, { ...shape, c: 0 });
    line = {
      re: re.slice(count - 1, 2 * count - 1),
      im: im.slice(count - 1, 2 * count - 1),
    };
    const [nextFirst, nextLast] = outerExtrema(series.name, line.re);
    const moved = Math.max(Math.abs(nextFirst - first), Math.abs(nextLast - last));
    if (moved < SETTLED || round === rounds - 1) break;
    [first, last] = [nextFirst, nextLast];
  }
  return { ...line, first, last };
}

function twice(values: Float64Array): Float64Array {
  return values.map((value) => 2 * value);
}

/** First and last extremum, by the parabola through three samples. */
function outerExtrema(name: string, values: Float64Array): [first: number, last: number] {
  const found: number[] = [];
  for (let n = 1; n < values.length - 1; n++) {
    const [before, here, after] = [values[n - 1] ?? 0, values[n] ?? 0, values[n + 1] ?? 0];
    if ((here - before) * (after - here) > 0 || here === before) continue;
    const top = vertex({ x: n - 1, y: before }, { x: n, y: here }, { x: n + 1, y: after });
    found.push(top.x);
  }
  const [first, last] = [found[0], found.at(-1)];
  if (first !== undefined && last !== undefined && last > first) return [first, last];
  throw new SignalError(
    "SIGNAL-01",
    `bepme of ${name}: the line has no two extrema to mirror about.`,
    [["fix", "give a longer record, or a shorter period"]],
  );
}

/**
 * N − 1 samples more on each side: x at the time that folding about both extrema brings back between them, linear
 * between samples.
 */
function mirrored(
  values: Float64Array,
  first: number,
  last: number,
  keepStub: boolean,
): Float64Array {
  const count = values.length;
  return Float64Array.from({ length: 3 * count - 2 }, (_, at) => {
    const n = at - (count - 1);
    if (keepStub && n >= 0 && n < count) return values[n] ?? 0;
    const place = folded(n, first, last);
    const floor = Math.min(Math.floor(place), count - 2);
    const part = place - floor;
    return (1 - part) * (values[floor] ?? 0) + part * (values[floor + 1] ?? 0);
  });
}

function folded(place: number, low: number, high: number): number {
  const span = high - low;
  const turned = (((place - low) % (2 * span)) + 2 * span) % (2 * span);
  return low + (turned > span ? 2 * span - turned : turned);
}
