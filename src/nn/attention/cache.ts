/** @file Attention of new positions on those before, whose keys and values are kept. */

import type { Tensor } from "../../core/tensor.ts";
import {
  and,
  arange,
  attention,
  clip,
  einsum,
  gather,
  minimum,
  scatterSet,
  take,
  zeros,
} from "../../numpy/index.ts";
import { alibiBias } from "./alibi.ts";
import type { Attention, AttentionConfig } from "./config.ts";
import { bucketsByDistance } from "./position-bias.ts";
import { keysOf, outputOf, queriesOf, valuesOf } from "./project.ts";
import { type AttentionMemory, logitOptions } from "./whole.ts";

/** Keys and values of positions seen so far, `[batch, head, mem, dim]`; as many heads as keys have. */
export type AttentionCache<T> = AttentionMemory<T>;

/** A cache for `length` positions of which none is filled, traced. */
export function emptyCache(
  batch: number,
  length: number,
  { head, kvHead = head, dim }: AttentionConfig,
  dtype: Tensor["dtype"] = "float32",
): AttentionCache<Tensor> {
  const one = zeros([batch, kvHead, length, dim], "batch head mem dim", dtype);
  return { key: one, value: one };
}

/**
 * Causal attention of new positions on the cache, which they join: one position a row while sampling, many
 * for a piece of the prompt. In pieces of any size it gives what `causalAttention` gives for the whole.
 *
 * Earlier places of the cache are filled. Places beyond its end are not written, and the queries that
 * stand there see what is in it: such positions are padding.
 *
 * @param x - `[batch, pos, embed]`
 * @param at - int32 `[batch]`, the place of each row's first position, less than the cache's length
 * @returns `[batch, pos, embed]` and the grown cache
 */
export function cachedAttention(
  p: Attention<Tensor>,
  x: Tensor,
  cache: AttentionCache<Tensor>,
  at: Tensor,
  config: AttentionConfig,
): readonly [Tensor, AttentionCache<Tensor>] {
  const [batch, pos, mem] = [x.size("batch"), x.size("pos"), cache.key.size("mem")];
  const places = at.reshape([batch, 1]).add(arange(pos)).as("batch pos");
  const q = queriesOf(p, x, config, places);
  const next = {
    key: written(cache.key, keysOf(p, x, config, places), places),
    value: written(cache.value, valuesOf(p, x), places),
  };
  const distance = places.reshape([batch, pos, 1]).sub(arange(mem)).as("batch pos mem");
  const before = distance.greaterEqual(0);
  const { window = mem } = config;
  const mask = window < mem ? and(before, distance.less(window)) : before;
  const bias = biasOf(p, distance, config);
  const mixed = attention(q, next.key, next.value, {
    ...logitOptions(config),
    ...(bias === undefined ? {} : { bias }),
    mask,
    sighted: true,
  });
  return [outputOf(p, mixed), next];
}

/**
 * The cache with new rows at places `[batch, pos]`: rows alone are written, so that an engine that may
 * overwrite the cache touches nothing else.
 */
function written(cache: Tensor, rows: Tensor, places: Tensor): Tensor {
  const [batch, heads, mem] = cache.dims as [number, number, number];
  const pos = rows.dims[2] ?? 0;
  const everyHead = (x: Tensor) => {
    const flat = x.reshape([batch, 1, pos]);
    return flat.broadcastTo(zeros([batch, heads, pos], undefined, "int32"));
  };
  const last = clip(places, { low: 0, high: mem - 1 });
  // Rows beyond the end repeat the one that belongs to the last place.
  const overhang = minimum(
    arange(pos, "pos"),
    places
      .slice("pos", 0, 1)
      .reshape([batch, 1])
      .neg()
      .add(mem - 1)
      .reshape([batch, 1]),
  );
  const own = pos === 1 ? rows : gather(rows, { axis: 2, at: everyHead(overhang) });
  return scatterSet(
    cache,
    { axis: "mem", at: everyHead(last), distinct: 1 },
    own.astype(cache.dtype).reshape([batch, heads, pos, rows.dims[3] ?? 0]),
  );
}

/** `[batch, head, pos, mem]` for distances `[batch, pos, mem]`. */
function biasOf(
  p: Attention<Tensor>,
  distance: Tensor,
  { positions, head }: AttentionConfig,
): Tensor | undefined {
  if (positions === "alibi") return alibiBias(distance, head);
  if (p.bias === undefined) return undefined;
  const buckets = bucketsByDistance(distance.size("mem"));
  const byDistance = einsum(
    "head bucket, distance bucket -> distance head",
    p.bias.astype("float32"),
    buckets,
  );
  // The mask hides the future, whatever distance 0 makes of it.
  return take(byDistance, distance).as("batch pos mem head").order("batch head pos mem");
}
