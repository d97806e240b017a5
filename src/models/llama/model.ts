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
        ? { moe: nn.moeParams({ embed, mlp, expert: experts, gated: true }) }
        : { mlp: nn.gatedFeedForwardParams(embed, mlp) }),
    })),
    finalNorm: nn.rmsNormParam(embed),
    ...(config.tied ? {} : { output: table() }),
  };
}

export interface LlamaOutput {
  /** `[batch, pos, vocab]` */
  readonly logits: Tensor;
  /** One per layer of a sparse model. */
  readonly routings: readonly nn.MoeRouting[];
}

/**
 * Logits of every position.
 *
 * @param ids - int32 `[batch, pos]`
 * @param mask - bool `[batch, pos]`, false at padding; the routers' balance counts no padding
 */
export function llama(
  p: Llama<Tensor>,
  ids: Tensor,
  config: LlamaConfig,
  call: Pick<nn.AttentionCall, "segments" | "positions"> = {},
  mask?: Tensor,
): LlamaOutput {
  const attend = (layer: LlamaLayer<Tensor>, x: Tensor) =>
    nn.causalAttention(layer.attention, x, attentionConfig(config), call);
  return stack(p, ids, config, attend, { deployed: false, mask });
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
): { readonly logits: Tensor; readonly cache: LlamaCache<Tensor> } {
  const grown: nn.AttentionCache<Tensor>[] = [];
  const attend = (layer: LlamaLayer<Tensor>, x: Tensor) => {
    const before = cache[grown.length];
    if (before === undefined) throw new Error("the cache has one entry per layer");
    const [y, after] = nn.cachedAttention(layer.attention, x, before, at, attentionConfig(config));
    grown.push(after);
    return y;
  };
  const { logits } = stack(p, ids, config, attend, { deployed: true });
  return { logits, cache: grown };
}

function stack(
  p: Llama<Tensor>,
  ids: Tensor,
  config: LlamaConfig,
  attend: (layer: LlamaLayer<Tensor>, x: Tensor) => Tensor,
  sparse: Pick<nn.MoeCall, "deployed" | "mask">,
): LlamaOutput {
  const norm = (scale: Tensor, x: Tensor) => nn.rmsNorm(scale, x, config.normEpsilon);
  const routings: nn.MoeRouting[] = [];
  let x = nn.embed(p.embedding, ids).as("batch pos embed");
  for (const layer of p.layers) {
    x = x.add(attend(layer, norm(layer.attentionNorm, x)));
    const y = norm(layer.mlpNorm, x);
    if (layer.mlp !== undefined) x = x.add(nn.gatedFeedForward(layer.mlp, y, "silu"));
    if (layer.moe === undefined) continue;
    const [answer, routing] = nn.moe(layer.moe, y, { ...sparseCall(config), ...sparse });
    routings.push(routing);
    x = x.add(answer);
  }
  const last = norm(p.finalNorm, x);
  const table = p.output ?? p.embedding;
  const logits = einsum("batch pos embed, vocab embed -> batch pos vocab", last, table);
  return { logits, routings };
}

/** Every token gets its k best experts whatever the load, so all tokens may be one group: none sees another. */
function sparseCall({ expertsPerToken }: LlamaConfig): nn.MoeCall {
  return {
    router: nn.routerOf("top-k", { k: expertsPerToken }),
    grouping: "leaky-batch",
    activation: "silu",
  };
}
