/** @file Embeddings: of tokens, the same table as the output layer, and of positions that are added to them. */

import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { arange, cos, einsum, sin, stack, take } from "../numpy/index.ts";
import { literal } from "../ops/creation.ts";
import { normal, type ParamSpec, param } from "./param.ts";

/** A table `[vocab, embed]`, Gaussian with standard deviation 1. */
export function embeddingParam(vocab: number, embed: number): ParamSpec {
  return param({ vocab, embed }, normal(1));
}

/** Rows of the table: int32 `[batch, pos]` → `[batch, pos, embed]`. Ids out of range take the nearest row. */
export function embed(table: Tensor, ids: Tensor): Tensor {
  return take(table, ids);
}

/**
 * Logits from the shared table, `(x · embed^(−1/2)) · tableᵀ`: `[batch, pos, embed]` → `[batch, pos, vocab]`.
 */
export function unembed(table: Tensor, x: Tensor): Tensor {
  return einsum(
    "batch pos embed, vocab embed -> batch pos vocab",
    x.mul(x.size("embed") ** -0.5),
    table,
  );
}

/** A learnt vector for each of `length` places, `[pos, embed]`, small beside those of tokens. */
export function positionEmbeddingParam(length: number, embed: number): ParamSpec {
  return param({ pos: length, embed }, normal(0.02));
}

/**
 * x with the vector of each position added. Places beyond the table take its last row.
 *
 * @param table - `[pos, embed]`
 * @param x - `[batch, pos, embed]`
 * @param positions - int32 `[batch, pos]`; 0, 1, 2 … when absent
 */
export function addPositions(table: Tensor, x: Tensor, positions?: Tensor): Tensor {
  const at = positions ?? arange(x.size("pos"), "pos");
  return x.add(take(table, at).astype(x.dtype));
}

/**
 * Vectors of positions as waves: `sin(i / 10000^(2k/embed))` at element 2k, the cosine at 2k + 1.
 *
 * @param positions - int32, any form
 * @param embed - an even number
 * @returns `[…, embed]`
 * @see Vaswani et al., arXiv:1706.03762, §3.5
 */
export function sinusoidalPositions(positions: Tensor, embed: number): Tensor {
  const half = embed / 2;
  const speeds = Array.from({ length: half }, (_, k) => 10_000 ** ((-2 * k) / embed));
  const at = positions.astype("float32").reshape([...positions.dims, 1]);
  const angle = at.mul(literal(aval("float32", [half]), speeds));
  const waves = stack([sin(angle), cos(angle)], undefined, angle.rank);
  const names = positions.names.every((name) => name !== null)
    ? [...positions.names, "embed"].join(" ")
    : undefined;
  return waves.reshape([...positions.dims, embed], names);
}
