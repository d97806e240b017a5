/**
 * @file Llama: a decoder-only language model; with experts in every layer it is a Mixtral.
 *
 * - RMS norm before each sublayer, one last norm
 * - rotary positions, grouped queries
 * - feed-forward `(silu(x·gate) ⊙ x·wi) · wo`, or the weighted answers of the best experts of that form
 *
 * @see Touvron et al., arXiv:2302.13971; Jiang et al., arXiv:2310.06825 and arXiv:2401.04088
 */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { einsum } from "../../numpy/index.ts";
import type { LlamaConfig } from "./config.ts";

export interface LlamaLayer<T> {
  readonly attentionNorm: T;
  readonly attention: nn.Attention<T>;
  readonly mlpNorm: T;
  /** Of a dense model. */
  readonly mlp?: nn.GatedFeedForward<T>;
  /** Of a sparse one. */
  readonly moe?: nn.Moe<T>;
}

export interface Llama<T> {
  /** `[vocab, embed]` */
  readonly embedding: T;
  readonly layers: readonly LlamaLayer<T>[];
  readonly finalNorm: T;
  /** `[vocab, embed]`, where it is not the embedding. */
  readonly output?: T;
}

function attentionConfig(config: LlamaConfig): nn.AttentionConfig {
  const { embed, head, kvHead, dim, rotaryTheta, rotaryScaling, window, biases } = config;
  return {
    embed,
    head,
    kvHead,
    dim,
    positions: {
      kind: "rotary",
      theta: rotaryTheta,
      ...(rotaryScaling === null ? {} : { scaling: rotaryScaling }),
    },
    ...(window === null ? {} : { window }),
    ...(biases === "none" ? {} : { biases }),
  };
}

/** Declares all parameters. Tables start with variance 1 / embed, so that first logits are near even. */
export function llamaParams(config: LlamaConfig): Llama<nn.ParamSpec> {
  const { layers, embed, mlp, vocab, experts } = config;
  const table = () => nn.param({ vocab, embed }, nn.normal(embed ** -0.5));
  return {
    embedding: table(),
    layers: Array.from({ length: layers }, () => ({
      attentionNorm: nn.rmsNormParam(embed),
      attention: nn.attentionParams(attentionConfig(config)),
      mlpNorm: nn.rmsNormParam(embed),
      ...(experts > 0
        ? { moe: nn.moeParams({ embed, mlp, expert: experts, activation: "gelu" }) }
        : { mlp: nn.gatedFeedForwardParams(embed, mlp) }),
    })),
    finalNorm: nn.rmsNormParam(embed),
    ...(config.tied ? {} : { output: table() }),
  };
}

/** The sparse layers' work in one call of the model, in order. */
type Sparse = (moe: nn.Moe<Tensor>, x: Tensor) => Tensor;

/**
 * Logits `[batch, pos, vocab]` of every position.
 *
 * @param ids - int32 `[batch, pos]`
 */
export function llama(
  p: Llama<Tensor>,
  ids: Tensor,
  config: LlamaConfig,
  sparse: Sparse,
  call: nn.AttentionCall = {},
): Tensor {
  const attend = (layer: LlamaLayer<Tensor>, x: Tensor) =>
    nn.causalAttention(layer.attention, x, attentionConfig(config), call);
  return stack(p, ids, config, sparse, attend);
}

/** Keys and values of all layers. */
export type LlamaCache<T> = readonly nn.AttentionCache<T>[];

export function emptyCache(config: LlamaConfig, batch: number, length: number): LlamaCache<Tensor> {
  return Array.from({ length: config.layers }, () =>
    nn.emptyCache(batch, length, attentionConfig(config)),
  );
}

/**
 * New tokens of every sequence, with the cache of what came before.
 *
 * @param ids - int32 `[batch, pos]`
 * @param at - int32 `[batch]`, the place of each row's first id
 * @returns logits `[batch, pos, vocab]` and the grown cache
 */
export function llamaStep(
  p: Llama<Tensor>,
  ids: Tensor,
  cache: LlamaCache<Tensor>,
  at: Tensor,
  config: LlamaConfig,
  sparse: Sparse,
): { readonly logits: Tensor; readonly cache: LlamaCache<Tensor> } {
  const grown: nn.AttentionCache<Tensor>[] = [];
  const attend = (layer: LlamaLayer<Tensor>, x: Tensor) => {
    const before = cache[grown.length];
    if (before === undefined) throw new Error("the cache has one entry per layer");
    const [y, after] = nn.cachedAttention(layer.attention, x, before, at, attentionConfig(config));
    grown.push(after);
    return y;
  };
  return { logits: stack(p, ids, config, sparse, attend), cache: grown };
}

function stack(
  p: Llama<Tensor>,
  ids: Tensor,
  { normEpsilon }: LlamaConfig,
  sparse: Sparse,
  attend: (layer: LlamaLayer<Tensor>, x: Tensor) => Tensor,
): Tensor {
  let x = nn.embed(p.embedding, ids).as("batch pos embed");
  for (const layer of p.layers) {
    x = x.add(attend(layer, nn.rmsNorm(layer.attentionNorm, x, normEpsilon)));
    const y = nn.rmsNorm(layer.mlpNorm, x, normEpsilon);
    if (layer.mlp !== undefined) x = x.add(nn.gatedFeedForward(layer.mlp, y, "silu"));
    else if (layer.moe !== undefined) x = x.add(sparse(layer.moe, y));
  }
  const y = nn.rmsNorm(p.finalNorm, x, normEpsilon);
  return einsum("batch pos embed, vocab embed -> batch pos vocab", y, p.output ?? p.embedding);
}
