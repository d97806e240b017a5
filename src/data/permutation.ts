/**
 * @file A random order that can be entered anywhere: position → element without a table.
 *
 * A Feistel network is a bijection on `2^(2·half)` whatever its round function; walking along its
 * cycles until the value falls below `size` makes it a bijection on `[0, size)`.
 */

const ROUNDS = 6;

/** A 32-bit hash of whole numbers (murmur3's finaliser, chained). Not for secrets. */
export function hash32(...words: readonly number[]): number {
  let state = 0x9e3779b9;
  for (const word of words) {
    // Two halves, so that numbers above 2^32 do not fold onto smaller ones.
    state = mix(state ^ (word >>> 0));
    state = mix(state ^ (Math.floor(word / 2 ** 32) >>> 0));
  }
  return state >>> 0;
}

function mix(value: number): number {
  let h = (value + 0x6d2b79f5) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** A whole number drawn from `[0, below)` by the hash of `words`; `below` is at most 2^53. */
export function drawBelow(below: number, ...words: readonly number[]): number {
  const high = hash32(...words, 0) >>> 5;
  const low = hash32(...words, 1) >>> 6;
  return Math.floor(((high * 2 ** 26 + low) / 2 ** 53) * below);
}

/**
 * A permutation of `[0, size)` fixed by `key`, computed for one position at a time.
 *
 * @param size - number of elements, 1 to 2^52
 * @param key - whole numbers; other keys give other orders
 * @returns the element at a position; about 1 to 4 network passes per call, no memory
 */
export function permutation(size: number, ...key: readonly number[]): (position: number) => number {
  const half = halfBits(size);
  const span = 2 ** half;
  const keys = Array.from({ length: ROUNDS }, (_, round) => hash32(...key, round));
  return (position) => {
    let value = position;
    do value = feistel(value, span, keys);
    while (value >= size);
    return value;
  };
}

/** Half the bits of the smallest even-sized power of two that holds `size` values. */
function halfBits(size: number): number {
  let half = 1;
  while (2 ** (2 * half) < size) half++;
  return half;
}

function feistel(value: number, span: number, keys: readonly number[]): number {
  let left = Math.floor(value / span);
  let right = value % span;
  for (const key of keys) {
    const next = (left ^ hash32(key, right)) & (span - 1);
    left = right;
    right = next;
  }
  return left * span + right;
}
