/**
 * @file Peaks of a map: over the whole record, and followed through time.
 *
 * A ridge is the path P(t) that minimises Σ −log|Ψ| dt/s + λ (Δ log P / b)² s/dt, where s is the window's standard
 * deviation in time and b = 1/(s|ω|) its relative one in frequency, both at the middle period: neither the
 * sampling nor the unit of the record changes it.
 */

import { SignalError } from "../core/errors.ts";
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

/** One value per time of the map; NaN where the map has none. */
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
  return Array.from({ length: count }, () => {
    const path = cheapestPath(costs, logs, stiffness);
    const ridge = ridgeAlong(map, amplitudes, { order, logs, side }, path, relative);
    costs.forEach((row, at) => {
      path.forEach((taken, n) => {
        if (Math.abs((logs[at] ?? 0) - (logs[taken] ?? 0)) < GUARD * relative)
          row[n] = share * TAKEN;
      });
    });
    return ridge;
  });
}

/** Index of the period at each time, by dynamic programming. */
function cheapestPath(
  costs: readonly Float64Array[],
  places: Float64Array,
  stiffness: number,
): Int32Array {
  const times = costs[0]?.length ?? 0;
  const origins: Int32Array[] = [];
  let best = Float64Array.from(costs, (row) => row[0] ?? 0);
  for (let n = 1; n < times; n++) {
    const { least, from } = cheapestMoves(best, places, stiffness);
    origins.push(from);
    best = least.map((cost, at) => cost + (costs[at]?.[n] ?? 0));
  }
  const path = new Int32Array(times);
  path[times - 1] = best.indexOf(Math.min(...best));
  for (let n = times - 1; n > 0; n--) path[n - 1] = origins[n - 1]?.[path[n] ?? 0] ?? 0;
  return path;
}

/**
 * min_j best_j + stiffness·(x_i − x_j)² for all i at once, as the lower envelope of parabolas (Felzenszwalb and
 * Huttenlocher 2012).
 *
 * @param places ascending
 */
function cheapestMoves(
  best: Float64Array,
  places: Float64Array,
  stiffness: number,
): { least: Float64Array; from: Int32Array } {
  const count = places.length;
  const at = (list: Float64Array, i: number) => list[i] ?? 0;
  const hull = new Int32Array(count);
  const starts = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  let top = 0;
  const height = (j: number) => at(best, j) + stiffness * at(places, j) ** 2;
  for (let j = 1; j < count; j++) {
    const meets = () => {
      const other = hull[top] ?? 0;
      const apart = 2 * stiffness * (at(places, j) - at(places, other));
      // Without stiffness a move is free: the cheaper of the two holds everywhere.
      if (apart > 0) return (height(j) - height(other)) / apart;
      return height(j) < height(other) ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    };
    let start = meets();
    while (top > 0 && start <= at(starts, top)) {
      top--;
      start = meets();
    }
    if (start === Number.NEGATIVE_INFINITY) top = -1;
    top++;
    hull[top] = j;
    starts[top] = start;
  }
  const last = top;
  const [least, from] = [new Float64Array(count), new Int32Array(count)];
  for (let i = 0, piece = 0; i < count; i++) {
    while (piece < last && at(starts, piece + 1) < at(places, i)) piece++;
    const j = hull[piece] ?? 0;
    from[i] = j;
    least[i] = at(best, j) + stiffness * (at(places, i) - at(places, j)) ** 2;
  }
  return { least, from };
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
  const column = () => new Float64Array(path.length);
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
    const inside = at > 0 && at < logs.length - 1;
    const peak = inside && size(at) >= size(at - 1) && size(at) >= size(at + 1);
    const top = peak ? vertex(point(at - 1), point(at), point(at + 1)) : point(at);
    const row = order[at] ?? 0;
    periods[n] = Number.isNaN(top.y) ? Number.NaN : side * Math.exp(top.x);
    amplitude[n] = factor * Math.exp(top.y);
    phase[n] = Math.atan2(map.im[row]?.[n] ?? 0, map.re[row]?.[n] ?? 0);
    edge[n] = map.edge[row]?.[n] ?? 0;
  });
  return { periods, amplitude, phase, edge };
}
