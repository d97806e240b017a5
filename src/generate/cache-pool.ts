/** @file Caches used again and again: an engine keeps the memory of every cache that was given to it. */

import type { Cache } from "./cache.ts";

/** Cache lengths are powers of two times this, so that few programs are compiled. */
const PLACES = 128;

/** The cache length for so many tokens: 128, 256, 512 … */
export function placesFor(tokens: number): number {
  let places = PLACES;
  while (places < tokens) places *= 2;
  return places;
}

/** All cache lengths up to a context. */
export function placesUpTo(context: number): number[] {
  const all = [PLACES];
  while ((all.at(-1) ?? context) < context) all.push((all.at(-1) ?? PLACES) * 2);
  return all;
}

/**
 * Caches by their form. What one holds when it is taken is left over from before: rows are copied in, or
 * filled from their first place on.
 */
export class CachePool {
  readonly #start: (rows: number, places: number) => Promise<Cache>;
  readonly #free = new Map<string, Cache[]>();

  constructor(start: (rows: number, places: number) => Promise<Cache>) {
    this.#start = start;
  }

  async take(rows: number, places: number): Promise<Cache> {
    return this.#free.get(`${rows} ${places}`)?.pop() ?? (await this.#start(rows, places));
  }

  give(cache: Cache): void {
    const key = `${cache.rows} ${cache.places}`;
    const list = this.#free.get(key);
    if (list === undefined) this.#free.set(key, [cache]);
    else list.push(cache);
  }
}
