/** @file The ridge of a weak line beside strong ones: local maxima followed from a wanted period. */

import { scaleOf } from "./kernel.ts";
import type { TimeFrequencyMap } from "./ntft.ts";
import { vertex } from "./parabola.ts";
import type { Ridge } from "./ridges.ts";

/**
 * From the middle of the record to both ends, at each time the local maximum of |Ψ| along the period that is nearest
 * to the one before, at most one relative width of the window aside (1/σ for the wavelet kernel); the wanted period
 * is the first. Unlike `ridges`, it never prefers what is stronger.
 *
 * @param map - with periods of one sign in rising or falling order, about the wanted one
 * @returns NaN where there is no such maximum
 */
export function ridgeNear(map: TimeFrequencyMap, wanted: number): Ridge {
  const count = map.times.length;
  const empty = () => new Float64Array(count).fill(Number.NaN);
  const ridge = { periods: empty(), amplitude: empty(), phase: empty(), edge: empty() };
  const factor = map.series.im === undefined ? 2 : 1;
  const logs = map.periods.map((period) => Math.log(Math.abs(period)));
  const omega = (2 * Math.PI) / Math.abs(wanted);
  const width = scaleOf(map.kernel, omega) / (map.sigma * omega);
  const size = (row: number, n: number) => Math.hypot(map.re[row]?.[n] ?? 0, map.im[row]?.[n] ?? 0);
  const follow = (from: number, to: number, direction: 1 | -1) => {
    let last = Math.log(Math.abs(wanted));
    for (let n = from; n !== to; n += direction) {
      const row = nearestMaximum(n, last);
      ridge.edge[n] = map.edge[row ?? nearestRow(last)]?.[n] ?? Number.NaN;
      if (row === undefined) continue;
      const point = (at: number) => ({ x: logs[at] ?? 0, y: Math.log(size(at, n)) });
      const top = vertex(point(row - 1), point(row), point(row + 1));
      last = top.x;
      ridge.periods[n] = Math.sign(wanted) * Math.exp(top.x);
      ridge.amplitude[n] = factor * Math.exp(top.y);
      ridge.phase[n] = Math.atan2(map.im[row]?.[n] ?? 0, map.re[row]?.[n] ?? 0);
    }
  };
  const nearestMaximum = (n: number, place: number): number | undefined => {
    let best: number | undefined;
    const far = (row: number) => Math.abs((logs[row] ?? 0) - place);
    for (let row = 1; row < logs.length - 1; row++) {
      const here = size(row, n);
      if (!(here > size(row - 1, n) && here >= size(row + 1, n)) || far(row) > width) continue;
      if (best === undefined || far(row) < far(best)) best = row;
    }
    return best;
  };
  const nearestRow = (place: number): number =>
    logs.reduce(
      (best, log, row) =>
        Math.abs(log - place) < Math.abs((logs[best] ?? 0) - place) ? row : best,
      0,
    );
  const middle = count >> 1;
  follow(middle, count, 1);
  follow(middle - 1, -1, -1);
  return ridge;
}
