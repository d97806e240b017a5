/** @file Scaled dot-product attention: masks, biases, causal order, grouped queries. */

import { dtypeFacts } from "../core/dtype.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { type Aval, aval, dimOf, sameDims, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul, scale } from "../ops/arithmetic.ts";
import { attend } from "../ops/attention.ts";
import { contract } from "../ops/contract.ts";
import { logistic } from "../ops/exponential.ts";
import { reshape } from "../ops/layout.ts";
import { convert } from "../ops/logic.ts";
import { concatenate, slice, split } from "../ops/pieces.ts";
import { logSumExp, softmax } from "../ops/softmax.ts";
import { restore } from "../ops/sum.ts";
import {
  addTerms,
  both,
  causalTerm,
  cut,
  type Term,
  termOf,
  zeroWhereNothing,
} from "./attention-terms.ts";

export interface AttentionOptions {
  /** Factor of the logits; `dim^(−1/2)` when absent. */
  readonly scale?: number;
  /** Which keys a query may see: bool, broadcast to `[batch…, head, query, key]`. */
  readonly mask?: Tensor;
  /** Added to the scaled logits; broadcast to `[batch…, head, query, key]`. */
  readonly bias?: Tensor;
  /** Only keys up to the query's own place; the last query stands at the last key. */
  readonly causal?: boolean;
  /** One more logit, of 0, that a query may choose instead of any key: `exp s / (1 + Σ exp s)`. */
  readonly extraLogit?: boolean;
  /** The mask is known to leave every query a key, which spares the test for those without. */
  readonly sighted?: boolean;
  /** What becomes of the weights before they mix the values, such as dropout; keeps their form and dtype. */
  readonly reweigh?: (weights: Tensor) => Tensor;
}

/**
 * `softmax(q · kᵀ · scale + bias) · v` over the keys that mask and causal order allow.
 *
 * Heads stand before places: each head's queries, keys and values are then matrices without a gap, and
 * both products take them as they lie. Masks and biases broadcast as in arithmetic: by name where all
 * axes are named, else from the right. A query without any allowed key gets zeros. Forbidden keys must be
 * finite all the same: their weight is 0, and `0 · NaN` is NaN. The softmax of 16-bit logits is taken in
 * float32.
 *
 * @param q - `[batch…, head, query, dim]`
 * @param k - `[batch…, kvHead, key, dim]`; each of its heads serves `head / kvHead` neighbouring query heads
 * @param v - `[batch…, kvHead, key, valueDim]`
 * @returns `[batch…, head, query, valueDim]`
 * @throws ShapeError when sizes do not fit or there is no key, DTypeError when the mask is not bool
 * @see Vaswani et al., arXiv:1706.03762; grouped queries: Ainslie et al., arXiv:2305.13245
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const form = logitsForm(q, k, v);
  const { mask } = options;
  if (mask !== undefined && mask.dtype !== "bool") {
    throw new DTypeError(
      "DTYPE-01",
      `attention: the mask must be bool, not ${showAval(mask.aval)}`,
    );
  }
  const { causal = false, extraLogit = false } = options;
  const half = dtypeFacts(q.dtype).bytes === 2;
  const summand = (x: Tensor) => termOf("bias", half ? convert(x, "float32") : x, form);
  // The factor goes onto the queries, which are smaller than the logits.
  const call: Call = {
    q: scale(q, options.scale ?? dimOf(q.aval, q.rank - 1) ** -0.5),
    k: withKeyName(k, form),
    v: withKeyName(v, form),
    form,
    mask: mask === undefined ? null : termOf("mask", mask, form),
    bias: options.bias === undefined ? null : summand(options.bias),
    causal,
    extraLogit,
    sighted: options.sighted ?? false,
    reweigh: options.reweigh ?? null,
  };
  // Blocks would draw the same dropout each.
  return causal && call.reweigh === null ? mixInBlocks(call) : mix(call);
}

interface Call {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  /** `[batch…, head, query, key]` */
  readonly form: Aval;
  readonly mask: Term | null;
  readonly bias: Term | null;
  readonly causal: boolean;
  readonly extraLogit: boolean;
  readonly sighted: boolean;
  readonly reweigh: AttentionOptions["reweigh"] | null;
}

/** The logits' form. Where keys bear the queries' axis name, as in attention of a sequence on itself, they lose it. */
function logitsForm(q: Tensor, k: Tensor, v: Tensor): Aval {
  const rank = q.rank;
  const head = rank - 3;
  const [heads, keyHeads] = [q.dims[head] ?? 0, k.dims[head] ?? 0];
  const fits =
    head >= 0 &&
    [k, v].every(
      (x) => x.rank === rank && sameDims(x.dims.slice(0, head), q.dims.slice(0, head)),
    ) &&
    sameDims(k.dims.slice(0, -1), v.dims.slice(0, -1)) &&
    k.dims[rank - 1] === q.dims[rank - 1] &&
    (heads === keyHeads || (keyHeads > 0 && heads % keyHeads === 0));
  if (!fits) {
    throw new ShapeError("SHAPE-01", "attention: queries, keys and values do not fit together.", [
      ["queries", showAval(q.aval)],
      ["keys", showAval(k.aval)],
      ["values", showAval(v.aval)],
      [
        "fix",
        "pass [batch…, head, query, dim], [batch…, kvHead, key, dim] and [batch…, kvHead, key, valueDim], where kvHead divides head",
      ],
    ]);
  }
  const key = k.names[rank - 2] ?? null;
  const names = [...q.names.slice(0, -1), q.names.includes(key) ? null : key];
  return aval(q.dtype, [...q.dims.slice(0, -1), dimOf(k.aval, rank - 2)], names);
}

/** Keys or values with the logits' name for the key axis. */
function withKeyName(x: Tensor, form: Aval): Tensor {
  const at = x.rank - 2;
  const own = x.names[at] ?? null;
  if (own === null || !form.names.slice(0, -1).includes(own)) return x;
  return reshape(
    x,
    x.dims,
    x.names.map((name, i) => (i === at ? null : name)),
  );
}

/** Blocks of queries, each of which meets only the keys up to its own end. */
const BLOCKS = 4;
/** Shorter blocks cost more in overhead than they save. */
const SHORTEST_BLOCK = 64;

/**
 * `mix` block by block of queries: the upper triangle of the logits, which the mask would hide, is for
 * the most part never computed. With 4 blocks 10/16 of it are left.
 */
function mixInBlocks(call: Call): Tensor {
  const { q, k, v, form } = call;
  const [query, key] = [q.rank - 2, q.rank - 1];
  const [queries, keys] = [dimOf(form, query), dimOf(form, key)];
  const blocks = Math.min(BLOCKS, Math.floor(queries / SHORTEST_BLOCK));
  if (blocks < 2 || queries % blocks !== 0 || keys < queries) return mix(call);
  const size = queries / blocks;
  const upTo = (x: Tensor, end: number) =>
    slice(
      x,
      x.dims.map(() => 0),
      x.dims.map((dim, i) => (i === query ? end : dim)),
    );
  const mixed = split(q, query, Array<number>(blocks).fill(size)).map((piece, i) => {
    const end = keys - queries + (i + 1) * size;
    const part = (term: Term | null) =>
      term === null ? null : cut(cut(term, query, i * size, (i + 1) * size), key, 0, end);
    return mix({
      ...call,
      q: piece,
      k: upTo(k, end),
      v: upTo(v, end),
      form: { ...form, dims: [...form.dims.slice(0, query), size, end] },
      mask: part(call.mask),
      bias: part(call.bias),
    });
  });
  return concatenate(mixed, query);
}

/** Values mixed by the softmax of the logits, all at once. */
function mix(call: Call): Tensor {
  const { q, k, v, form, mask, bias, causal, extraLogit } = call;
  const rank = q.rank;
  const [queries, keys] = [dimOf(form, rank - 2), dimOf(form, rank - 1)];
  // A single query stands at the last key, and sees them all.
  const order = causal && queries !== 1 ? causalTerm(form) : null;
  const allowed = order === null || mask === null ? (order ?? mask) : both(order, mask, form);
  // Heads that share their keys lie one after another: as more queries of one head, they need no copy of the keys.
  const shared = dimOf(form, rank - 3) !== dimOf(k.aval, rank - 3);
  const rows = shared ? grouped(q, k) : q;
  const batch = form.dims.slice(0, -2).map((_, i) => `b${i}`);
  const products = contract(rows, k, {
    lhs: [...batch, "q", "d"],
    rhs: [...batch, "k", "d"],
    out: [...batch, "q", "k"],
  });
  const half = dtypeFacts(q.dtype).bytes === 2;
  const exact = half ? convert(products, "float32") : products;
  const logits = addTerms(reshape(exact, form.dims, form.names), bias, allowed);
  const flat = shared ? reshape(logits, products.dims, products.names) : logits;
  const reweigh = call.reweigh ?? ((weights: Tensor) => weights);
  const mixed =
    half || call.reweigh !== null ? mixBy(reweigh(softmax(flat)), v, batch) : attend(flat, v);
  // exp sⱼ / (1 + Σ exp s) = softmax(s)ⱼ · σ(log Σ exp s), and the last factor is the same for all keys.
  const weighted = extraLogit
    ? mul(mixed, convert(restore(logistic(logSumExp(flat)), mixed.aval, [rank - 1]), v.dtype))
    : mixed;
  const valueName = v.names[rank - 1] ?? null;
  const y = reshape(
    weighted,
    [...form.dims.slice(0, -1), dimOf(v.aval, rank - 1)],
    [...form.names.slice(0, -1), valueName],
  );
  const mayBeBlind = (mask !== null && !call.sighted) || (causal && queries > keys);
  return allowed !== null && mayBeBlind && !extraLogit ? zeroWhereNothing(y, allowed) : y;
}

/** Values mixed by weights that are there. */
function mixBy(weights: Tensor, v: Tensor, batch: readonly string[]): Tensor {
  return contract(convert(weights, v.dtype), v, {
    lhs: [...batch, "q", "k"],
    rhs: [...batch, "k", "d"],
    out: [...batch, "q", "d"],
  });
}

/** Queries `[batch…, kvHead, head/kvHead · query, dim]`. */
function grouped(q: Tensor, k: Tensor): Tensor {
  const head = q.rank - 3;
  const heads = dimOf(k.aval, head);
  const per = (dimOf(q.aval, head) / heads) * dimOf(q.aval, head + 1);
  const dims = [...q.dims.slice(0, head), heads, per, dimOf(q.aval, head + 2)];
  return reshape(q, dims, [...q.names.slice(0, head), null, null, q.names[head + 2] ?? null]);
}
