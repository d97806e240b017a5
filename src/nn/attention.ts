/** @file Causal multi-head attention, for training on whole sequences and for sampling with a cache. */

import { fromData, type Tensor } from "../core/tensor.ts";
import {
  arange,
  einsum,
  full,
  greaterEqual,
  logistic,
  logSumExp,
  oneHot,
  softmax,
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
}

export interface Attention<T> {
  readonly query: T;
  readonly key: T;
  readonly value: T;
  readonly output: T;
  /** Relative position bias, `[head, bucket]`. */
  readonly bias: T;
}

/** The query starts smaller by √dim, which stands for the usual 1/√dim on the logits. */
export function attentionParams({ embed, head, dim }: AttentionConfig): Attention<ParamSpec> {
  return {
    query: param({ embed, head, dim }, normal((embed * dim) ** -0.5)),
    key: param({ embed, head, dim }, normal(embed ** -0.5)),
    value: param({ embed, head, dim }, normal(embed ** -0.5)),
    output: param({ head, dim, embed }, normal((head * dim) ** -0.5)),
    bias: positionBiasParam(head),
  };
}

/** Far below every logit, yet finite: a row without any allowed position stays finite as well. */
const MASKED = -1e9;

/**
 * Attention of a sequence on itself, each position on itself and earlier ones.
 *
 * @param x - `[batch, pos, embed]`
 * @returns `[batch, pos, embed]`
 * @see Vaswani et al., arXiv:1706.03762; bias: Raffel et al., arXiv:1910.10683
 */
export function causalAttention(p: Attention<Tensor>, x: Tensor, config: AttentionConfig): Tensor {
  const m = x.as("batch mem embed");
  const pos = x.size("pos");
  const q = einsum("batch pos embed, embed head dim -> batch pos head dim", x, p.query);
  const k = einsum("batch mem embed, embed head dim -> batch mem head dim", m, p.key);
  const v = einsum("batch mem embed, embed head dim -> batch mem head dim", m, p.value);
  const causal = greaterEqual(
    arange(pos, "pos").broadcastTo(grid(pos, pos)),
    arange(pos, "mem").broadcastTo(grid(pos, pos)),
  );
  const bias = where(causal, positionBias(p.bias, pos), MASKED);
  return mix(p, q, k, v, bias, config);
}

/** Keys and values of positions seen so far, `[batch, mem, head, dim]`. */
export interface AttentionCache<T> {
  readonly key: T;
  readonly value: T;
}

/**
 * Attention of one new position on the cache, which it joins.
 *
 * @param x - `[batch, pos 1, embed]`
 * @param at - scalar int32, the place of x; earlier places of the cache are filled
 */
export function cachedAttention(
  p: Attention<Tensor>,
  x: Tensor,
  cache: AttentionCache<Tensor>,
  at: Tensor,
  config: AttentionConfig,
): readonly [Tensor, AttentionCache<Tensor>] {
  const m = x.as("batch mem embed");
  const mem = cache.key.size("mem");
  const q = einsum("batch pos embed, embed head dim -> batch pos head dim", x, p.query);
  const places = arange(mem, "mem");
  const join = (old: Tensor, weight: Tensor) => {
    const fresh = einsum("batch mem embed, embed head dim -> batch mem head dim", m, weight);
    const row = fresh.reshape([x.size("batch"), config.head, config.dim], "batch head dim");
    return where(places.equal(at).broadcastTo(old), row.broadcastTo(old), old);
  };
  const next = { key: join(cache.key, p.key), value: join(cache.value, p.value) };
  const bias = einsum("head bucket, mem bucket -> head mem", p.bias, bucketsBefore(at, mem));
  const row = where(greaterEqual(at, places), bias, MASKED).reshape(
    [config.head, 1, mem],
    "head pos mem",
  );
  return [mix(p, q, next.key, next.value, row, config), next];
}

function mix(
  p: Attention<Tensor>,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  bias: Tensor,
  { extraLogit }: AttentionConfig,
): Tensor {
  const logits = einsum("batch pos head dim, batch mem head dim -> batch head pos mem", q, k).add(
    bias,
  );
  const shares = softmax(logits, "mem");
  // exp sⱼ / (1 + Σ exp s) = softmax(s)ⱼ · σ(log Σ exp s)
  const weights = extraLogit ? shares.mul(logistic(logSumExp(logits, "mem"))) : shares;
  const mixed = einsum("batch head pos mem, batch mem head dim -> batch pos head dim", weights, v);
  return einsum("batch pos head dim, head dim embed -> batch pos embed", mixed, p.output);
}

function grid(pos: number, mem: number): Tensor {
  return full(0, [pos, mem], "pos mem", "int32");
}

/** One-hot buckets `[mem, bucket]` of the distances from place `at` back to every place of the cache. */
function bucketsBefore(at: Tensor, mem: number): Tensor {
  const table = fromData(
    "int32",
    [mem],
    Int32Array.from({ length: mem }, (_, distance) => bucketOf(distance)),
  );
  const distance = at.sub(arange(mem, "mem"));
  return oneHot(take(table, distance), BUCKETS, "bucket");
}
