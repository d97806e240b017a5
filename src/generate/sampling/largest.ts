/** @file The k largest of many, in order, without sorting the rest. */

/** Above this a native sort of the values is faster than a heap. */
const HEAP_LIMIT = 2048;

/**
 * Indices of the `k` largest scores, largest first, equal ones by index. NaN counts as the smallest.
 *
 * @param scores - `[n]`
 * @param k - 0 to n
 */
export function largest(scores: Float32Array, k: number): Int32Array<ArrayBuffer> {
  const wanted = Math.min(k, scores.length);
  if (wanted <= 0) return new Int32Array(0);
  const found = wanted <= HEAP_LIMIT ? byHeap(scores, wanted) : byThreshold(scores, wanted);
  return found.sort((a, b) => (precedes(scores, a, b) ? -1 : 1));
}

/** Whether index `a` stands before `b`. */
function precedes(scores: Float32Array, a: number, b: number): boolean {
  const [x, y] = [valueAt(scores, a), valueAt(scores, b)];
  return x === y ? a < b : x > y;
}

function valueAt(scores: Float32Array, index: number): number {
  const value = scores[index] ?? Number.NaN;
  return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
}

/** Keeps the best k seen so far; the worst of them stands at the root. */
function byHeap(scores: Float32Array, k: number): Int32Array<ArrayBuffer> {
  const heap = new Int32Array(k);
  const at = (i: number): number => heap[i] ?? 0;
  const sink = (from: number): void => {
    let i = from;
    for (;;) {
      let worst = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < k && precedes(scores, at(worst), at(child))) worst = child;
      if (worst === i) return;
      const own = at(i);
      heap[i] = at(worst);
      heap[worst] = own;
      i = worst;
    }
  };
  for (let i = 0; i < k; i++) heap[i] = i;
  for (let i = Math.floor(k / 2) - 1; i >= 0; i--) sink(i);
  let bar = valueAt(scores, at(0));
  for (let i = k; i < scores.length; i++) {
    // Equal ones come later in order, so only larger ones enter.
    if (!((scores[i] ?? Number.NaN) > bar)) continue;
    heap[0] = i;
    sink(0);
    bar = valueAt(scores, at(0));
  }
  return heap;
}

/** The k-th largest value tells who is in; of those equal to it the first ones. */
function byThreshold(scores: Float32Array, k: number): Int32Array<ArrayBuffer> {
  const sorted = scores.map((x) => (Number.isNaN(x) ? Number.NEGATIVE_INFINITY : x)).sort();
  const bar = sorted[sorted.length - k] ?? Number.NEGATIVE_INFINITY;
  const found = new Int32Array(k);
  let count = 0;
  for (let i = 0; i < scores.length; i++) if (valueAt(scores, i) > bar) found[count++] = i;
  for (let i = 0; i < scores.length && count < k; i++)
    if (valueAt(scores, i) === bar) found[count++] = i;
  return found;
}
