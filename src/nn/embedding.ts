/** @file Token embeddings, and the same table as the output layer. */

import type { Tensor } from "../core/tensor.ts";
import { einsum, take } from "../numpy/index.ts";
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
