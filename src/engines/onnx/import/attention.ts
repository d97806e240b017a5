/** @file Operators of transformers: attention, rotary embeddings, linear attention. */

import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { contract, labels } from "../../../ops/contract.ts";
import { fullLike } from "../../../ops/creation.ts";
import { reshape, transpose } from "../../../ops/layout.ts";
import type { Call, Result } from "./call.ts";
import { carrierOf, elementName, elementOf } from "./elements.ts";
import { counting, expandTo, inSingle } from "./forms.ts";
import { type Operators, operator } from "./operator.ts";

/** `[batch, length, heads · dim]` → `[batch, heads, length, dim]`. */
function withHeads(call: Call, x: Tensor, heads: number): Tensor {
  if (x.rank === 4) return x;
  const [batch = 0, length = 0, width = 0] = x.dims;
  if (heads < 1 || width % heads !== 0) throw call.wrong(`${width} does not make ${heads} heads`);
  return transpose(reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

/** Key and value heads repeated for the query heads that share them. */
function shared(x: Tensor, heads: number): Tensor {
  const [batch = 0, own = 1, length = 0, dim = 0] = x.dims;
  if (own === heads) return x;
  const apart = reshape(x, [batch, own, 1, length, dim]);
  return reshape(expandTo(apart, [batch, own, heads / own, length, dim]), [
    batch,
    heads,
    length,
    dim,
  ]);
}

/** Which keys a query may see, and what is added to its logits. */
interface Mask {
  readonly allowed: Tensor | undefined;
  readonly added: Tensor | undefined;
  /** Only keys up to the query's own place, the last query standing at the last key. */
  readonly causal: boolean;
}

function maskOf(call: Call, queries: number, keys: number, past: Tensor | undefined): Mask {
  const lengths = call.maybe(6);
  // Place of the first query among the keys: behind those of the cache.
  const offset =
    past === undefined && lengths !== undefined
      ? np.sub(reshape(np.astype(lengths, "int32"), [lengths.dims[0] ?? 1, 1, 1, 1]), queries)
      : (past?.dims[2] ?? 0);
  const form = [queries, keys];
  const [i, j] = [counting(form, 0), counting(form, 1)];
  const place = np.add(i, offset);
  const tests: Tensor[] = [];
  const causal = call.flag("is_causal", false);
  const plain = offset === keys - queries;
  if (causal && !plain) tests.push(np.lessEqual(j, place));
  const left = call.int("left_window_size", -1);
  const right = call.int("right_window_size", -1);
  if (left >= 0) tests.push(np.lessEqual(np.sub(place, j), left));
  if (right >= 0) tests.push(np.lessEqual(np.sub(j, place), right));
  if (lengths !== undefined) {
    const own = reshape(np.astype(lengths, "int32"), [lengths.dims[0] ?? 1, 1, 1, 1]);
    tests.push(np.less(counting([1, 1, 1, keys], 3), own));
  }
  const given = call.maybe(3);
  const mask = given === undefined ? undefined : reachingAll(given, keys);
  if (mask?.dtype === "bool") tests.push(mask);
  return {
    allowed: tests.length === 0 ? undefined : tests.reduce((x, y) => np.and(x, y)),
    added: mask?.dtype === "bool" ? undefined : mask,
    causal: causal && plain,
  };
}

/** The mask as one summand: −∞ for keys that a query may not see; undefined for nothing. */
function biasOf({ allowed, added, causal }: Mask, raw: Tensor): Tensor | undefined {
  const [queries = 0, keys = 0] = raw.dims.slice(2);
  const form = [queries, keys];
  const upTo = causal
    ? np.lessEqual(counting(form, 1), np.add(counting(form, 0), keys - queries))
    : undefined;
  const tests = [allowed, upTo].filter((test) => test !== undefined);
  if (tests.length === 0) return added;
  const seen = tests.reduce((x, y) => np.and(x, y));
  const number = (value: number) => np.full(value, [], undefined, raw.dtype);
  return np.where(seen, added ?? number(0), number(-Infinity));
}

/** A mask that ends before the last key hides the rest. */
function reachingAll(mask: Tensor, keys: number): Tensor {
  const own = mask.dims[mask.rank - 1] ?? 0;
  if (own >= keys || own === 1) return mask;
  const rest = [...mask.dims.slice(0, -1), keys - own];
  const hidden = np.full(mask.dtype === "bool" ? 0 : -Infinity, rest, undefined, mask.dtype);
  return np.concatenate([mask, hidden], mask.rank - 1);
}

/**
 * `softmax(cap(q kᵀ · scale) + bias) · v`, with a cache of keys and values in front.
 *
 * A query that may see no key gets zeros.
 */
function attention(call: Call): readonly Result[] {
  const given = call.x(0);
  const packed = given.rank === 3;
  const heads = packed ? call.int("q_num_heads") : (given.dims[1] ?? 0);
  const kvHeads = packed ? call.int("kv_num_heads") : (call.dims(1)[1] ?? 0);
  const q = withHeads(call, given, heads);
  const [pastKey, pastValue] = [call.maybe(4), call.maybe(5)];
  const after = (past: Tensor | undefined, now: Tensor) =>
    past === undefined ? now : np.concatenate([past, now], 2);
  const key = after(pastKey, withHeads(call, call.x(1), kvHeads));
  const value = after(pastValue, withHeads(call, call.x(2), kvHeads));
  if (heads % kvHeads !== 0) throw call.wrong(`${heads} heads cannot share ${kvHeads}`);
  const mask = maskOf(call, q.dims[2] ?? 0, key.dims[2] ?? 0, pastKey);
  const scale = call.float("scale", 1 / Math.sqrt(q.dims[3] ?? 1));
  const cap = call.float("softcap", 0);
  const packing = (y: Tensor) => {
    const [batch = 0, , queries = 0, dim = 0] = y.dims;
    return packed ? reshape(transpose(y, [0, 2, 1, 3]), [batch, queries, heads * dim]) : y;
  };
  if (cap === 0 && mask.added === undefined && (call.node.outputs[3] ?? "") === "") {
    const { allowed, causal } = mask;
    const options = { scale, causal, ...(allowed === undefined ? {} : { mask: allowed }) };
    return [packing(np.attention(q, key, value, options)), key, value];
  }
  // Half of the factor on either side keeps 16-bit floats in their range.
  const factor = Math.sqrt(scale);
  const raw = contract(
    np.mul(q, factor),
    np.mul(shared(key, heads), factor),
    labels("b h q d, b h k d -> b h q k"),
  );
  const capped = cap > 0 ? np.mul(np.tanh(np.div(raw, cap)), cap) : raw;
  const bias = biasOf(mask, raw);
  const logits = bias === undefined ? capped : np.add(capped, bias);
  const weights = np.astype(attended(precise(call, logits), bias, raw), q.dtype);
  const mixed = contract(weights, shared(value, heads), labels("b h q k, b h k d -> b h q d"));
  const shown = [raw, capped, logits, weights][call.int("qk_matmul_output_mode", 0)];
  return [packing(mixed), key, value, shown];
}

/** Logits in the type that the softmax is to be computed in. */
function precise(call: Call, logits: Tensor): Tensor {
  const number = call.int("softmax_precision", 0);
  if (number === 0) return logits;
  const type = elementOf(number);
  if (type === undefined) throw call.unsupported(`softmax_precision ${elementName(number)}`);
  return np.astype(logits, carrierOf(type));
}

/** Softmax over keys; 0 for queries that see none, whose logits would be NaN. */
function attended(logits: Tensor, bias: Tensor | undefined, raw: Tensor): Tensor {
  if (bias === undefined) return np.softmax(logits, 3);
  const seen = np.astype(np.greater(bias, -Infinity), "int32");
  const any = np.max(expandTo(seen, expanded(bias, raw)), 3);
  const row = np.greater(reshape(any, [...any.dims, 1]), 0);
  const safe = np.where(row, logits, fullLike(logits, 0));
  const weights = np.softmax(safe, 3);
  return np.where(row, weights, fullLike(weights, 0));
}

/** Sizes of a bias with the leading axes of the logits, ones where it does not vary. */
function expanded(bias: Tensor, raw: Tensor): readonly number[] {
  const ones = Array<number>(raw.rank - bias.rank).fill(1);
  const own = [...ones, ...bias.dims];
  return own.map((dim, i) => (i === raw.rank - 1 ? (raw.dims[i] ?? dim) : dim));
}

/** Pairs of elements turned by an angle that grows with the place. */
function rotaryEmbedding(call: Call): Tensor {
  const given = call.x(0);
  const packed = given.rank === 3;
  // [batch, length, heads, dim]
  const x = packed
    ? reshape(given, [
        ...given.dims.slice(0, 2),
        call.int("num_heads"),
        (given.dims[2] ?? 0) / call.int("num_heads"),
      ])
    : transpose(given, [0, 2, 1, 3]);
  const dim = x.dims[3] ?? 0;
  const turned = call.int("rotary_embedding_dim", 0) || dim;
  const half = turned / 2;
  const places = call.maybe(3);
  const angles = (i: number) => {
    const cache = call.x(i);
    const own = places === undefined ? cache : np.take(cache, np.astype(places, "int32"));
    return reshape(own, [...own.dims.slice(0, 2), 1, half]);
  };
  const [cos, sin] = [angles(1), angles(2)];
  const part = np.slice(x, 3, 0, turned);
  const interleaved = call.flag("interleaved", false);
  const pairs = reshape(part, [...part.dims.slice(0, 3), ...(interleaved ? [half, 2] : [2, half])]);
  const axis = interleaved ? 4 : 3;
  const [a, b] = [0, 1].map((k) =>
    reshape(np.slice(pairs, axis, k, k + 1), [...part.dims.slice(0, 3), half]),
  ) as [Tensor, Tensor];
  const both = [np.sub(np.mul(cos, a), np.mul(sin, b)), np.add(np.mul(sin, a), np.mul(cos, b))].map(
    (y) => reshape(y, [...y.dims.slice(0, 3), ...(interleaved ? [half, 1] : [1, half])]),
  );
  const rotated = reshape(np.concatenate(both, axis), part.dims);
  const y = turned === dim ? rotated : np.concatenate([rotated, np.slice(x, 3, turned, dim)], 3);
  return packed ? reshape(y, given.dims) : transpose(y, [0, 2, 1, 3]);
}

/**
 * Attention as a recurrence over places: a state `[key, value]` per head that decays, learns and is read.
 *
 * Source: the operator's page; rules linear, gated, delta and gated_delta.
 */
function linearAttention(call: Call): readonly Result[] {
  const given = call.x(0);
  const heads = call.int("q_num_heads");
  const kvHeads = call.int("kv_num_heads");
  const rule = call.oneOf(
    "update_rule",
    ["linear", "gated", "delta", "gated_delta"],
    "gated_delta",
  );
  const open = (x: Tensor, count: number) => withHeads(call, inSingle(x).x, count);
  const [q, k, v] = [open(given, heads), open(call.x(1), kvHeads), open(call.x(2), kvHeads)];
  const [batch = 0, , length = 0, dk = 0] = q.dims;
  const dv = v.dims[3] ?? 0;
  const scale = call.float("scale", 0) || 1 / Math.sqrt(dk);
  const decay = rule.startsWith("gated") ? open(call.x(4), kvHeads) : undefined;
  const beta = rule.endsWith("delta")
    ? open(call.x(5), call.dims(5)[2] === 1 ? 1 : kvHeads)
    : undefined;
  const past = call.maybe(3);
  const state =
    past === undefined
      ? np.full(0, [batch, kvHeads, dk, dv], undefined, q.dtype)
      : inSingle(past).x;
  type Step = { q: Tensor; k: Tensor; v: Tensor; decay: Tensor; beta: Tensor };
  const step = (before: Tensor, now: Step): readonly [Tensor, Tensor] => {
    const forgotten =
      decay === undefined
        ? before
        : np.mul(before, reshape(np.exp(now.decay), [...now.decay.dims, 1]));
    const known = () => contract(forgotten, now.k, labels("b h d m, b h d -> b h m"));
    const value = beta === undefined ? now.v : np.mul(now.beta, np.sub(now.v, known()));
    const learnt = contract(now.k, value, labels("b h d, b h m -> b h d m"));
    const after = np.add(forgotten, learnt);
    const read = contract(now.q, shared(after, heads), labels("b h d, b h d m -> b h m"));
    return [after, np.mul(read, scale)];
  };
  // Places first, as loops take them; what a rule lacks is not looked at.
  const first = (x: Tensor) => transpose(x, [2, 0, 1, 3]);
  const all = {
    q: first(q),
    k: first(k),
    v: first(v),
    decay: first(decay ?? k),
    beta: first(beta ?? k),
  };
  const [last, outputs] = np.scan(step, state, all);
  // [length, batch, heads, value] → [batch, length, heads · value]
  const y = reshape(transpose(outputs, [1, 0, 2, 3]), [batch, length, heads * dv]);
  return [np.astype(y, given.dtype), np.astype(last, past?.dtype ?? given.dtype)];
}

export const ATTENTION: Operators = {
  Attention: operator(23, attention),
  RotaryEmbedding: operator(23, rotaryEmbedding),
  LinearAttention: operator(26, linearAttention, { fold: false }),
};
