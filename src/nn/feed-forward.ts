/** @file Dense feed-forward layers. */

import type { Tensor } from "../core/tensor.ts";
import { einsum, gelu } from "../numpy/index.ts";
import { fanInUniform, type ParamSpec, param } from "./param.ts";

/** Gated: two matrices in, one out. */
export interface GatedFeedForward<T> {
  readonly gate: T;
  readonly wi: T;
  readonly wo: T;
}

export function gatedFeedForwardParams(embed: number, mlp: number): GatedFeedForward<ParamSpec> {
  return {
    gate: param({ embed, mlp }, fanInUniform(embed)),
    wi: param({ embed, mlp }, fanInUniform(embed)),
    wo: param({ mlp, embed }, fanInUniform(mlp)),
  };
}

/** `(gelu(x·gate) ⊙ x·wi) · wo` on `[batch, pos, embed]`. */
export function gatedFeedForward(p: GatedFeedForward<Tensor>, x: Tensor): Tensor {
  const gate = gelu(einsum("batch pos embed, embed mlp -> batch pos mlp", x, p.gate));
  const hidden = einsum("batch pos embed, embed mlp -> batch pos mlp", x, p.wi);
  return einsum("batch pos mlp, mlp embed -> batch pos embed", gate.mul(hidden), p.wo);
}

/** Plain: one matrix in, one out. */
export interface FeedForward<T> {
  readonly wi: T;
  readonly wo: T;
}

export function feedForwardParams(embed: number, mlp: number): FeedForward<ParamSpec> {
  return {
    wi: param({ embed, mlp }, fanInUniform(embed)),
    wo: param({ mlp, embed }, fanInUniform(mlp)),
  };
}

/** `gelu(x·wi) · wo` on `[batch, pos, embed]`. */
export function feedForward(p: FeedForward<Tensor>, x: Tensor): Tensor {
  const hidden = gelu(einsum("batch pos embed, embed mlp -> batch pos mlp", x, p.wi));
  return einsum("batch pos mlp, mlp embed -> batch pos embed", hidden, p.wo);
}
