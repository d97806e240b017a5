/** @file The largest of many, in order, without sorting the rest. */

/** The bits of a float32 by which places are counted: sign, exponent, three bits of the fraction. */
const BUCKET_BITS = 12;
const BUCKETS = 2 ** BUCKET_BITS;
const SHIFT = 32 - BUCKET_BITS;
/** Indices lie below this, so that order and index fit into one double exactly. */
const INDICES = 2 ** 21;

/**
 * Indices of the `k` largest scores, largest first, equal ones by index. NaN counts as the smallest.
 *
 * A histogram of the leading bits tells which scores can be among them at all; only those are sorted.
 *
 * @param scores - `[n]`, n up to 2^21
 */
export function largest(scores: Float32Array, k: number): Int32Array {
  const wanted = Math.min(k, scores.length);
  if (wanted <= 0) return new Int32Array(0);
  const counts = new Uint32Array(BUCKETS);
  for (const bits of bitsOf(scores)) {
    const bucket = rankOf(bits) >>> SHIFT;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return sorted(scores, firstReaching(counts, wanted)).subarray(0, wanted);
}

/**
 * Indices of the fewest scores, largest first, whose weights together reach `goal`; of all where they do not.
 *
 * @param scores - `[n]`, as for `largest`
 * @param weights - `[n]`, none below 0
 */
export function reaching(scores: Float32Array, weights: Float32Array, goal: number): Int32Array {
  const masses = new Float64Array(BUCKETS);
  bitsOf(scores).forEach((bits, i) => {
    const bucket = rankOf(bits) >>> SHIFT;
    masses[bucket] = (masses[bucket] ?? 0) + (weights[i] ?? 0);
  });
  // Sums in another order differ in the last bits, so where this falls short everything is looked at.
  for (const bar of [firstReaching(masses, goal), BUCKETS - 1]) {
    const order = sorted(scores, bar);
    let reached = 0;
    for (let count = 0; count < order.length; count++) {
      reached += weights[order[count] ?? 0] ?? 0;
      if (reached >= goal) return order.subarray(0, count + 1);
    }
  }
  return sorted(scores, BUCKETS - 1);
}

function bitsOf(scores: Float32Array): Uint32Array {
  return new Uint32Array(scores.buffer, scores.byteOffset, scores.length);
}

/** Whole numbers in the opposite order of the scores with these bits, equal where those are. */
function rankOf(bits: number): number {
  // −0 is 0, and NaN, of either sign, is −∞.
  if (bits === 0x80000000) return 0x7fffffff;
  if ((bits & 0x7fffffff) > 0x7f800000) return 0xff800000;
  // Floats are ordered like their bits, negative ones backwards.
  return bits >>> 31 === 1 ? bits : 0x7fffffff - bits;
}

function firstReaching(amounts: ArrayLike<number>, goal: number): number {
  let reached = 0;
  for (let bucket = 0; bucket < amounts.length; bucket++) {
    reached += amounts[bucket] ?? 0;
    if (reached >= goal) return bucket;
  }
  return amounts.length - 1;
}

/** Indices of all scores in buckets up to `bar`, in order. */
function sorted(scores: Float32Array, bar: number): Int32Array {
  const bits = bitsOf(scores);
  let count = 0;
  for (const word of bits) if (rankOf(word) >>> SHIFT <= bar) count++;
  const keys = new Float64Array(count);
  let next = 0;
  for (let i = 0; i < bits.length; i++) {
    const rank = rankOf(bits[i] ?? 0);
    if (rank >>> SHIFT <= bar) keys[next++] = rank * INDICES + i;
  }
  keys.sort();
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) order[i] = (keys[i] ?? 0) % INDICES;
  return order;
}
