/** @file A model compiled for decoding. What batches requests knows nothing else of it. */

import { aval } from "../core/shape.ts";
import { fromData, type Tensor } from "../core/tensor.ts";
import { type JitOptions, jit } from "../engines/jit.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { type Cache, type CacheLayout, cacheLayout } from "./cache.ts";
import { CachePool } from "./cache-pool.ts";
import type { DecoderState, DecodingModel, DecodingWeights } from "./model.ts";

/** What one pass through the model gave. */
export interface Forward {
  /** `[rows, pos, vocab]`, the caller's own. */
  readonly logits: Float32Array;
  readonly cache: Cache;
}

/** A model with its weights, run row by row. */
export interface Decoder {
  readonly vocab: number;
  readonly layout: CacheLayout;
  /** Caches to take from and give back to; one of them is as good as another. */
  readonly pool: CachePool;
  /** A cache in which nothing has been said yet. */
  start(rows: number, places: number): Promise<Cache>;
  /**
   * Takes over the memory of `cache`, which cannot be used again.
   *
   * @param ids - `[rows · pos]`, rows one after another
   * @param at - `[rows]`, the place of each row's first id
   */
  forward(cache: Cache, ids: Int32Array, at: Int32Array): Promise<Forward>;
  /** Makes the program for calls of a form, without running it. */
  compile(form: DecoderForm): Promise<void>;
}

/** Form of a call: rows, tokens of each, places of the cache. */
export interface DecoderForm {
  readonly rows: number;
  readonly tokens: number;
  readonly places: number;
}

/** Compiled programs of one model, for any weights of its form. */
export interface DecoderPrograms {
  with(weights: DecodingWeights): Decoder;
}

/** Programs are compiled when first needed: one per number of rows, tokens and places. */
export function decoderPrograms(
  model: DecodingModel,
  engine: Pick<JitOptions, "engine" | "threads"> = {},
): DecoderPrograms {
  const layout = cacheLayout(model);
  const starts = new Map<string, () => Promise<DecoderState>>();
  const decode = jit(
    (cache: DecoderState, weights: DecodingWeights, ids: Tensor, at: Tensor) =>
      model.decode(weights, cache, ids, at),
    { ...engine, name: "decode", donate: [0] },
  );
  const start = async (rows: number, places: number): Promise<Cache> => {
    const key = `${rows} ${places}`;
    const program =
      starts.get(key) ??
      jit(() => model.startDecoding(rows, places), { ...engine, name: "startDecoding" });
    starts.set(key, program);
    return { rows, places, state: await program() };
  };
  // Of the programs, not of the weights: an engine keeps all memory that it was ever given.
  const pool = new CachePool(start);
  return {
    with: (weights) => ({
      vocab: model.vocab,
      layout,
      pool,
      start,
      async forward({ rows, places, state }, ids, at) {
        const [logits, next] = await decode(
          state,
          weights,
          fromData("int32", [rows, ids.length / rows], ids, "batch pos"),
          fromData("int32", [rows], at, "batch"),
        );
        return { logits: logits.data() as Float32Array, cache: { rows, places, state: next } };
      },
      async compile({ rows, tokens, places }) {
        const { result } = trace("cache", () => model.startDecoding(rows, places), []);
        await decode.compile(
          result,
          weights,
          abstract(aval("int32", [rows, tokens], ["batch", "pos"])),
          abstract(aval("int32", [rows], ["batch"])),
        );
      },
    }),
  };
}
