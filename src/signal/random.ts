/** @file Random numbers in double precision, the same on every machine for one seed. */

import { hash32 } from "../data/permutation.ts";

/** A stream of random numbers. */
export interface Random {
  /** In [0, 1), 53 bits. */
  uniform(): number;
  /** Of the standard normal distribution. */
  gaussian(): number;
}

/**
 * A stream fixed by `seed`; other numbers behind it give streams of their own, so that draw k of a Monte
 * Carlo is the same however many are drawn: `random(seed, k)`.
 *
 * @param seed - whole numbers
 */
export function random(...seed: readonly number[]): Random {
  const next = xoshiro([0, 1, 2, 3].map((word) => hash32(...seed, word)));
  const uniform = (): number => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
  let spare: number | undefined;
  return {
    uniform,
    // Marsaglia's polar method: a point in the unit disc gives two numbers.
    gaussian() {
      if (spare !== undefined) {
        const kept = spare;
        spare = undefined;
        return kept;
      }
      for (;;) {
        const [x, y] = [2 * uniform() - 1, 2 * uniform() - 1];
        const square = x * x + y * y;
        if (square >= 1 || square === 0) continue;
        const scale = Math.sqrt((-2 * Math.log(square)) / square);
        spare = y * scale;
        return x * scale;
      }
    },
  };
}

/** The normal numbers of `random(…seed)`, one a call. */
export function gaussian(...seed: readonly number[]): () => number {
  return random(...seed).gaussian;
}

/**
 * xoshiro128** of Blackman and Vigna (2018): whole numbers of 32 bits, period 2^128 − 1.
 *
 * @param seed - four words, not all 0
 */
export function xoshiro(seed: readonly number[]): () => number {
  let [a = 0, b = 0, c = 0, d = 0] = seed;
  if ((a | b | c | d) === 0) a = 1;
  return () => {
    const result = Math.imul(rotated(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotated(d, 11);
    return result;
  };
}

function rotated(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
