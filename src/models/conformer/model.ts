/**
 * @file The Conformer: two convolutions that shorten the input to a quarter, then blocks of half a feed-forward layer,
 * attention, convolution, half a feed-forward layer and a norm; one loop over blocks.
 *
 * @see Gulati et al., arXiv:2005.08100, figure 1
 */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { einsum, laid, logistic, relu, silu } from "../../numpy/index.ts";
import type { ConformerConfig } from "./config.ts";

/** Pointwise and gated, depthwise, normed, pointwise. */
export interface ConvolutionModule<T> {
  /** `[embed, mlp]` each, where `mlp` counts channels. */
  readonly gate: T;
  readonly wi: T;
  readonly depthwise: nn.Convolution<T>;
  readonly norm: nn.LayerNorm<T>;
  /** `[mlp, embed]` */
  readonly wo: T;
}

export interface ConformerBlock<T> {
  readonly firstNorm: nn.LayerNorm<T>;
  readonly first: nn.FeedForward<T>;
  readonly attentionNorm: nn.LayerNorm<T>;
  readonly attention: nn.Attention<T>;
  readonly convolutionNorm: nn.LayerNorm<T>;
  readonly convolution: ConvolutionModule<T>;
  readonly secondNorm: nn.LayerNorm<T>;
  readonly second: nn.FeedForward<T>;
  readonly lastNorm: nn.LayerNorm<T>;
}

export interface Conformer<T> {
  readonly shorten: readonly [nn.Convolution<T>, nn.Convolution<T>];
  /** `[channel, feature, embed]` */
  readonly into: nn.Linear<T>;
  /** Every parameter with a first axis `layer`. */
  readonly blocks: ConformerBlock<T>;
  /** `[embed, vocab]` */
  readonly output: nn.Linear<T>;
}

/** How much shorter the encoder's sequence is than the input. */
export const SHORTER = 4;

function attentionConfig({ embed, head, dim }: ConformerConfig): nn.AttentionConfig {
  return { embed, head, dim, positions: "relative-bias" };
}

/** Declares all parameters; those of the blocks are stacked. */
export function conformerParams(config: ConformerConfig): Conformer<nn.ParamSpec> {
  const { embed, mlp, window, channels, features, vocab, layers } = config;
  const norm = () => nn.layerNormParams(embed);
  const into = () => nn.param({ embed, mlp: embed }, nn.fanInUniform(embed));
  const block: ConformerBlock<nn.ParamSpec> = {
    firstNorm: norm(),
    first: nn.feedForwardParams(embed, mlp),
    attentionNorm: norm(),
    attention: nn.attentionParams(attentionConfig(config)),
    convolutionNorm: norm(),
    convolution: {
      gate: into(),
      wi: into(),
      depthwise: nn.convolutionParams({
        ...{ channels: embed, filters: embed, window: [window], groups: embed, bias: false },
      }),
      norm: norm(),
      wo: nn.param({ mlp: embed, embed }, nn.fanInUniform(embed)),
    },
    secondNorm: norm(),
    second: nn.feedForwardParams(embed, mlp),
    lastNorm: norm(),
  };
  const sizes = { filters: channels, window: [3, 3] };
  return {
    shorten: [
      nn.convolutionParams({ channels: 1, ...sizes }),
      nn.convolutionParams({ channels, ...sizes }),
    ],
    into: nn.linearParams({ channel: channels, feature: features / SHORTER }, { embed }),
    blocks: nn.layered(block, layers),
    output: nn.linearParams({ embed }, { vocab }),
  };
}

/** What flows between layers. */
function stream(x: Tensor): Tensor {
  return laid(x.as("batch pos embed"), "batch time width");
}

/**
 * Logits of every fourth frame.
 *
 * @param features - `[batch, time, feature]`; four divides the frames and the features
 * @returns `[batch, time / 4, vocab]`
 */
export function conformer(p: Conformer<Tensor>, features: Tensor, config: ConformerConfig): Tensor {
  const [batch, time, numbers] = features.dims as [number, number, number];
  const image = features.reshape([batch, 1, time, numbers], "batch channel time feature");
  const short = p.shorten.reduce(
    (x, layer) => relu(nn.convolution(layer, x, { stride: 2, padding: "same" })),
    image,
  );
  const rows = nn.linear(p.into, short.order("batch time channel feature"));
  const block = (x: Tensor, own: ConformerBlock<Tensor>) =>
    [throughBlock(own, x, config), []] as const;
  const options = { checkpoint: config.recompute };
  const [last] = nn.scanLayers(block, stream(rows), p.blocks, options);
  return nn.linear(p.output, last).as("batch time vocab");
}

function throughBlock(p: ConformerBlock<Tensor>, x: Tensor, config: ConformerConfig): Tensor {
  const half = (norm: nn.LayerNorm<Tensor>, layer: nn.FeedForward<Tensor>, y: Tensor) =>
    stream(y.add(nn.feedForward(layer, nn.layerNorm(norm, y), "silu").mul(0.5)));
  const a = half(p.firstNorm, p.first, x);
  const looked = nn.bidirectionalAttention(
    p.attention,
    nn.layerNorm(p.attentionNorm, a),
    attentionConfig(config),
  );
  const b = stream(a.add(looked));
  const c = stream(b.add(convolutionModule(p.convolution, nn.layerNorm(p.convolutionNorm, b))));
  return stream(nn.layerNorm(p.lastNorm, half(p.secondNorm, p.second, c)));
}

/** A layer norm stands where the paper has a batch norm, whose statistics would be state. */
function convolutionModule(p: ConvolutionModule<Tensor>, x: Tensor): Tensor {
  const into = (w: Tensor) => einsum("batch pos embed, embed mlp -> batch pos mlp", x, w);
  const gated = into(p.wi).mul(logistic(into(p.gate)));
  const mixed = nn.convolution(p.depthwise, gated.as("batch pos channel"), {
    padding: "same",
    groups: gated.size("mlp"),
  });
  const normed = nn.layerNorm(p.norm, mixed.as("batch pos embed")).as("batch pos mlp");
  return einsum("batch pos mlp, mlp embed -> batch pos embed", silu(normed), p.wo);
}
