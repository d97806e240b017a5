/** @file A decoder without a model: logits are a hash of all that its cache holds of a row. */

import { aval } from "../../src/core/shape.ts";
import { stored } from "../../src/core/tensor.ts";
import { leaves } from "../../src/core/tree.ts";
import { hash32 } from "../../src/data/permutation.ts";
import type { Cache } from "../../src/generate/cache.ts";
import { CachePool } from "../../src/generate/cache-pool.ts";
import type { Decoder } from "../../src/generate/decoder.ts";

/** A decoder that counts its calls, and what tests may do with it. */
export interface HashDecoder extends Decoder {
  /** Forms of all calls so far, `rows × tokens × places`. */
  readonly calls: string[];
  /** Runs before every call; may wait, or throw. */
  before: (rows: number, tokens: number) => Promise<void> | void;
}

export interface HashOptions {
  readonly vocab?: number;
  /** Tokens that have a chance; all when absent. */
  readonly among?: readonly number[];
  /** Keeps a running state beside the places, as recurrent layers do. */
  readonly recurrent?: boolean;
}

const UNWRITTEN = -1;

/**
 * The cache really holds what was said, so a row that is moved wrongly, read twice or mixed with another
 * gives other logits from there on.
 */
export function hashDecoder({
  vocab = 256,
  among,
  recurrent = false,
}: HashOptions = {}): HashDecoder {
  const start = async (rows: number, places: number): Promise<Cache> => ({
    rows,
    places,
    state: {
      said: stored(aval("int32", [rows, 1, places]), new Int32Array(rows * places).fill(UNWRITTEN)),
      ...(recurrent ? { running: stored(aval("int32", [rows, 1]), new Int32Array(rows)) } : {}),
    },
  });
  const decoder: HashDecoder = {
    vocab,
    layout: recurrent ? [2, undefined] : [2],
    pool: new CachePool(start),
    start,
    calls: [],
    before: () => {},
    compile: async () => {},
    async forward(cache, ids, at) {
      const { rows, places } = cache;
      const pos = ids.length / rows;
      decoder.calls.push(`${rows} × ${pos} × ${places}`);
      await decoder.before(rows, pos);
      const [said, running] = leaves(cache.state);
      const told = said?.data() as Int32Array;
      const sums = running?.data() as Int32Array | undefined;
      const logits = new Float32Array(rows * pos * vocab).fill(among === undefined ? 0 : -1e9);
      for (let row = 0; row < rows; row++) {
        const own = told.subarray(row * places, (row + 1) * places);
        for (let i = 0; i < pos; i++) {
          const place = (at[row] ?? 0) + i;
          own[place] = ids[row * pos + i] ?? 0;
          if (sums !== undefined) sums[row] = hash32(sums[row] ?? 0, own[place] ?? 0);
          const state = hash32(
            ...own.subarray(Math.max(0, place - 8), place + 1),
            place,
            sums?.[row] ?? 0,
          );
          const out = logits.subarray((row * pos + i) * vocab, (row * pos + i + 1) * vocab);
          if (among === undefined) for (let id = 0; id < vocab; id++) out[id] = logitOf(state, id);
          else for (const id of among) out[id] = logitOf(state, id);
        }
      }
      return { logits, cache };
    },
  };
  return decoder;
}

function logitOf(state: number, id: number): number {
  return (hash32(state, id) / 2 ** 32) * 6;
}
