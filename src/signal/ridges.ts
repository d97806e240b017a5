/**
 * @file Peaks of a map: over the whole record, and followed through time.
 *
 * A ridge is the path P(t) that minimises Σ −log|Ψ| dt/s + λ (Δ log P / b)² s/dt, where s is the window's standard
 * deviation in time and b = 1/(s|ω|) its relative one in frequency, both at the middle period: neither the
 * sampling nor the unit of the record changes it.
 */

import { SignalError } from "../core/errors.ts";
import { cheapestPath } from "./cheapest-path.ts";
import { scaleOf } from "./kernel.ts";
import type { TimeFrequencyMap } from "./ntft.ts";
import { type Point, vertex } from "./parabola.ts";

export interface Peak {
  /** In the time unit of the series, signed as the map's periods are. */
  readonly period: number;
  /** Mean over the middle half of the record, in the unit of the series. */
  readonly amplitude: number;
}

/**
 * Local maxima of the mean |Ψ| (twice that for a real series) over the middle half of the record, refined by a
 * parabola through three log-amplitudes; the shortest period first.
 *
 * @throws SignalError for periods of both signs, for doubled ones, and for fewer than three
 */
export function peakPeriods(map: TimeFrequencyMap): Peak[] {
  const { order, logs, side } = byPeriod("peaks", map);
  const points = order.map((row, at) => ({ x: logs[at] ?? 0, y: Math.log(middleMean(map, row)) }));
  return points.flatMap((point, at) => {
    const [before, after] = [points[at - 1], points[at + 1]];
    if (before === undefined || after === undefined) return [];
    if (!(point.y > before.y && point.y >= after.y)) return [];
    const top = vertex(before, point, after);
    return [{ period: side * Math.exp(top.x), amplitude: Math.exp(top.y) }];
  });
}

interface Order {
  /** Rows of the map by ascending |P|. */
  readonly order: readonly number[];
  /** log |P| of these. */
  readonly logs: Float64Array;
  readonly side: number;
}

function byPeriod(what: string, { periods, series }: TimeFrequencyMap): Order {
  const size = (row: number) => Math.abs(periods[row] ?? 0);
  const order = periods.map((_, row) => row).sort((a, b) => size(a) - size(b));
  const side = Math.sign(periods[0] ?? 1);
  const doubled = order.some((row, at) => at > 0 && size(row) === size(order[at - 1] ?? row));
  if (periods.length < 3 || doubled || periods.some((period) => Math.sign(period) !== side))
    throw new SignalError(
      "SIGNAL-01",
      `${what} of ${series.name}: ${periods.length} periods from ${periods[0]} to ${periods.at(-1)} have no neighbours to compare.`,
      [
        [
          "fix",
          "give three periods or more, all different, and prograde and retrograde ones in maps of their own",
        ],
      ],
    );
  return { order, logs: Float64Array.from(order, (row) => Math.log(size(row))), side };
}

/** Samples without a value are left out. */
function middleMean(map: TimeFrequencyMap, row: number): number {
  const count = map.times.length;
  let [sum, seen] = [0, 0];
  for (let n = Math.floor(count / 4); n < Math.ceil((3 * count) / 4); n++) {
    const size = Math.hypot(map.re[row]?.[n] ?? 0, map.im[row]?.[n] ?? 0);
    if (Number.isNaN(size)) continue;
    sum += size;
    seen++;
  }
  return ((map.series.im === undefined ? 2 : 1) * sum) / seen;
}

export interface RidgeOptions {
  /** Ridges to follow, the strongest first; default 1. */
  readonly count?: number;
  /** λ, what bending costs; default 1. */
  readonly penalty?: number;
}

/** One value per time of the map; NaN where the map has none, and where the path runs along its border. */
export interface Ridge {
  readonly periods: Float64Array;
  /** |Ψ| on the ridge, twice that for a real series. */
  readonly amplitude: Float64Array;
  /** arg Ψ in radians, from −π to π. */
  readonly phase: Float64Array;
  /** F: see `edgeLaw`. */
  readonly edge: Float64Array;
}

/** A ridge keeps others away by so many relative widths b. */
const GUARD = 2.5;
/** Cost of a place that is taken: more than any amplitude could save. */
const TAKEN = 700;

/**
 * Follows the strongest ridges through time, each clear of those before it.
 *
 * Along the shortest or the longest period of the map amplitudes rise beyond it, which is no ridge: a path that lies
 * there most of the time is left out, so that there can be fewer than were asked for.
 *
 * @throws SignalError for periods of both signs, for doubled ones, and for fewer than three
 */
export function ridges(map: TimeFrequencyMap, options: RidgeOptions = {}): Ridge[] {
  const { count = 1, penalty = 1 } = options;
  const { order, logs, side } = byPeriod("ridges", map);
  const middle = 2 * Math.PI * Math.exp(-((logs[0] ?? 0) + (logs.at(-1) ?? 0)) / 2);
  const width = map.sigma / scaleOf(map.kernel, middle);
  const relative = 1 / (width * middle);
  const share = (map.series.step * map.every) / width;
  const stiffness = penalty / (share * relative * relative);

  const amplitudes = order.map((row) => {
    const im = map.im[row];
    return (map.re[row] ?? new Float64Array(0)).map((x, n) => Math.hypot(x, im?.[n] ?? 0));
  });
  const least = 1e-300;
  const costs = amplitudes.map((row) =>
    row.map((size) => (Number.isNaN(size) ? 0 : -share * Math.log(Math.max(least, size)))),
  );
  const found: Ridge[] = [];
  // Each border can take one path.
  for (let paths = 0; paths < count + 2 && found.length < count; paths++) {
    const path = cheapestPath(costs, logs, stiffness);
    const onBorder = path.filter((at) => at === 0 || at === logs.length - 1).length;
    if (onBorder <= path.length / 2)
      found.push(ridgeAlong(map, amplitudes, { order, logs, side }, path, relative));
    costs.forEach((row, at) => {
      path.forEach((taken, n) => {
        if (Math.abs((logs[at] ?? 0) - (logs[taken] ?? 0)) < GUARD * relative)
          row[n] = share * TAKEN;
      });
    });
  }
  return found;
}

/** Values on the local maximum beside the path, if it is within half a relative width. */
function ridgeAlong(
  map: TimeFrequencyMap,
  amplitudes: readonly Float64Array[],
  { order, logs, side }: Order,
  path: Int32Array,
  relative: number,
): Ridge {
  const factor = map.series.im === undefined ? 2 : 1;
  const column = () => new Float64Array(path.length).fill(Number.NaN);
  const [periods, amplitude, phase, edge] = [column(), column(), column(), column()];
  path.forEach((start, n) => {
    const size = (at: number) => amplitudes[at]?.[n] ?? Number.NEGATIVE_INFINITY;
    let at = start;
    for (;;) {
      const next = size(at + 1) > size(at - 1) ? at + 1 : at - 1;
      const far = Math.abs((logs[next] ?? Number.POSITIVE_INFINITY) - (logs[start] ?? 0));
      if (!(size(next) > size(at) && far <= relative / 2)) break;
      at = next;
    }
    const point = (i: number): Point => ({ x: logs[i] ?? 0, y: Math.log(size(i)) });
    const row = order[at] ?? 0;
    edge[n] = map.edge[row]?.[n] ?? 0;
    if (at === 0 || at === logs.length - 1) return;
    const peak = size(at) >= size(at - 1) && size(at) >= size(at + 1);
    const top = peak ? vertex(point(at - 1), point(at), point(at + 1)) : point(at);
    if (Number.isNaN(top.y)) return;
    periods[n] = side * Math.exp(top.x);
    amplitude[n] = factor * Math.exp(top.y);
    phase[n] = Math.atan2(map.im[row]?.[n] ?? 0, map.re[row]?.[n] ?? 0);
  });
  return { periods, amplitude, phase, edge };
}
