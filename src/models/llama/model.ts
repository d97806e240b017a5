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
