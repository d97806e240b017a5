/** @file A path through rows and times that is cheap to stand on and does not bend much. */

/**
 * The row at each time for which Σ costs + Σ stiffness·(step between places)² is least, by dynamic programming.
 *
 * @param costs - by row, then time
 * @param places - of the rows, ascending
 */
export function cheapestPath(
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
 * @param places - ascending
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
