/** @file Causal multi-head attention, for training on whole sequences and for sampling with a cache. */

import { fromData, type Tensor } from "../core/tensor.ts";
import {
  type AttentionOptions,
  arange,
  attention,
  einsum,
  oneHot,
  take,
  where,
} from "../numpy/index.ts";
import { normal, type ParamSpec, param } from "./param.ts";
import { BUCKETS, bucketOf, positionBias, positionBiasParam } from "./position-bias.ts";

export interface AttentionConfig {
  /** Width of the residual stream. */
  readonly embed: number;
  readonly head: number;
  /** Width of one head's queries, keys and values. */
  readonly dim: number;
  /** A constant logit of 0 that every query may choose instead of a position. */
  readonly extraLogit: boolean;
  /** What tells positions apart: a learnt bias per head and distance, or nothing but the causal mask. */
  readonly positions: "relative-bias" | "none";
  /** Factor of the logits; 1 where the initial query weights are small already. */
  readonly logitScale: number;
}

export interface Attention<T> {
  readonly query: T;
  readonly key: T;
  readonly value: T;
  readonly output: T;
  /** Relative position bias, `[head, bucket]`, where positions have one. */
  readonly bias?: T;
}

/** The query starts smaller by √dim, which stands for the usual 1/√dim on the logits. */
export function attentionParams({
  embed,
  head,
  dim,
  positions,
}: AttentionConfig): Attention<ParamSpec> {
  return {
    query: param({ embed, head, dim }, normal((embed * dim) ** -0.5)),
    key: param({ embed, head, dim }, normal(embed ** -0.5)),
    value: param({ embed, head, dim }, normal(embed ** -0.5)),
    output: param({ head, dim, embed }, normal((head * dim) ** -0.5)),
    ...(positions === "relative-bias" ? { bias: positionBiasParam(head) } : {}),
  };
}

/**
 * Attention of a sequence on itself, each position on itself and earlier ones.
 *
 * @param x - `[batch, pos, embed]`
 * @param segments - int32 `[batch, pos]`: a place sees only places of its own segment
 * @returns `[batch, pos, embed]`
 * @see Vaswani et al., arXiv:1706.03762; bias: Raffel et al., arXiv:1910.10683
 */
export function causalAttention(
  p: Attention<Tensor>,
  x: Tensor,
  config: AttentionConfig,
  segments?: Tensor,
): Tensor {
  const m = x.as("batch mem embed");
  const q = einsum("batch pos embed, embed head dim -> batch head pos dim", x, p.query);
  const k = einsum("batch mem embed, embed head dim -> batch head mem dim", m, p.key);
  const v = einsum("batch mem embed, embed head dim -> batch head mem dim", m, p.value);
  const bias = p.bias === undefined ? {} : { bias: positionBias(p.bias, x.size("pos")) };
  const same = segments === undefined ? {} : { mask: sameSegment(segments) };
  return output(p, attention(q, k, v, { ...optionsOf(config), ...bias, ...same, causal: true }));
}

/** `[batch, 1, pos, mem]` */
function sameSegment(segments: Tensor): Tensor {
  const [batch, pos] = segments.dims as [number, number];
  return segments.reshape([batch, 1, pos, 1]).equal(segments.reshape([batch, 1, 1, pos]));
}

function optionsOf({ logitScale, extraLogit }: AttentionConfig): AttentionOptions {
  return { scale: logitScale, extraLogit };
}

/** Keys and values of positions seen so far, `[batch, head, mem, dim]`. */
export interface AttentionCache<T> {
  readonly key: T;
  readonly value: T;
}

/**
 * Attention of new positions on the cache, which they join.
 *
 * @param x - `[batch, pos, embed]`
 * @param at - int32 `[batch]`, the place of each row's first position; earlier places of the cache are filled
 */
export function cachedAttention(
  p: Attention<Tensor>,
  x: Tensor,
  cache: AttentionCache<Tensor>,
  at: Tensor,
  config: AttentionConfig,
): readonly [Tensor, AttentionCache<Tensor>] {
  const [batch, pos] = [x.size("batch"), x.size("pos")];
  const mem = cache.key.size("mem");
  const q = einsum("batch pos embed, embed head dim -> batch head pos dim", x, p.query);
  const places = at.reshape([batch, 1], "batch pos").add(arange(pos, "pos"));
  const landing = oneHot(places, mem, "mem");
  const taken = landing.sum("pos").greater(0).reshape([batch, 1, mem, 1]);
  const join = (old: Tensor, weight: Tensor) => {
    const fresh = einsum("batch pos embed, embed head dim -> batch head pos dim", x, weight);
    const spread = einsum(
      "batch head pos dim, batch pos mem -> batch head mem dim",
      fresh,
      landing,
    );
    return where(taken, spread, old);
  };
  const next = { key: join(cache.key, p.key), value: join(cache.value, p.value) };
  const distance = places.reshape([batch, pos, 1]).sub(arange(mem)).as("batch pos mem");
  const bias = p.bias === undefined ? {} : { bias: biasAt(p.bias, distance) };
  const mask = distance.greaterEqual(0).reshape([batch, 1, pos, mem]);
  const mixed = attention(q, next.key, next.value, { ...optionsOf(config), ...bias, mask });
  return [output(p, mixed), next];
}

function output(p: Attention<Tensor>, mixed: Tensor): Tensor {
  return einsum("batch head pos dim, head dim embed -> batch pos embed", mixed, p.output);
}

/** Bias `[batch, head, pos, mem]` of distances `[batch, pos, mem]`. */
function biasAt(bias: Tensor, distance: Tensor): Tensor {
  const buckets = Int32Array.from({ length: distance.size("mem") }, (_, d) => bucketOf(d));
  const bucket = take(fromData("int32", [buckets.length], buckets), distance);
  const chosen = oneHot(bucket, BUCKETS, "bucket");
  return einsum("head bucket, batch pos mem bucket -> batch head pos mem", bias, chosen);
}
