/** @file Dense feed-forward layers. */

import type { Tensor } from "../core/tensor.ts";
import { einsum } from "../numpy/index.ts";
import { ACTIVATIONS, type ActivationName } from "./activations.ts";
import { fanInUniform, type ParamSpec, param, zeros } from "./param.ts";

/** Which parts of a feed-forward layer there are. */
export interface FeedForwardOptions {
  /** Whether every matrix has a bias; none has when absent. */
  readonly biases?: boolean;
}

/** Gated: two matrices in, one out. */
export interface GatedFeedForward<T> {
  readonly gate: T;
  readonly wi: T;
  readonly wo: T;
  readonly gateBias?: T;
  readonly wiBias?: T;
  readonly woBias?: T;
}

export function gatedFeedForwardParams(
  embed: number,
  mlp: number,
  { biases = false }: FeedForwardOptions = {},
): GatedFeedForward<ParamSpec> {
  return {
    gate: param({ embed, mlp }, fanInUniform(embed)),
    wi: param({ embed, mlp }, fanInUniform(embed)),
    wo: param({ mlp, embed }, fanInUniform(mlp)),
    ...(biases
      ? {
          gateBias: param({ mlp }, zeros),
          wiBias: param({ mlp }, zeros),
          woBias: param({ embed }, zeros),
        }
      : {}),
  };
}

/**
 * `(f(x·gate) ⊙ x·wi) · wo` on `[batch, pos, embed]`: GeGLU with gelu, which is meant when nothing else is
 * said, SwiGLU with silu, ReGLU with relu, GLU with sigmoid.
 *
 * @see Shazeer, arXiv:2002.05202
 */
export function gatedFeedForward(
  p: GatedFeedForward<Tensor>,
  x: Tensor,
  activation: ActivationName = "gelu",
): Tensor {
  const gate = ACTIVATIONS[activation](into(x, p.gate, p.gateBias));
  return outOf(gate.mul(into(x, p.wi, p.wiBias)), p.wo, p.woBias);
}

/** Plain: one matrix in, one out. */
export interface FeedForward<T> {
  readonly wi: T;
  readonly wo: T;
  readonly wiBias?: T;
  readonly woBias?: T;
}

export function feedForwardParams(
  embed: number,
  mlp: number,
  { biases = false }: FeedForwardOptions = {},
): FeedForward<ParamSpec> {
  return {
    wi: param({ embed, mlp }, fanInUniform(embed)),
    wo: param({ mlp, embed }, fanInUniform(mlp)),
    ...(biases ? { wiBias: param({ mlp }, zeros), woBias: param({ embed }, zeros) } : {}),
  };
}

/** `f(x·wi) · wo` on `[batch, pos, embed]`; f is gelu when nothing else is said. */
export function feedForward(
  p: FeedForward<Tensor>,
  x: Tensor,
  activation: ActivationName = "gelu",
): Tensor {
  return outOf(ACTIVATIONS[activation](into(x, p.wi, p.wiBias)), p.wo, p.woBias);
}

function into(x: Tensor, weight: Tensor, bias: Tensor | undefined): Tensor {
  const y = einsum("batch pos embed, embed mlp -> batch pos mlp", x, weight);
  return bias === undefined ? y : y.add(bias);
}

function outOf(x: Tensor, weight: Tensor, bias: Tensor | undefined): Tensor {
  const y = einsum("batch pos mlp, mlp embed -> batch pos embed", x, weight);
  return bias === undefined ? y : y.add(bias);
}
