/** @file One block of a transformer: attention and a feed-forward layer, each beside a residual stream. */

import type { Tensor } from "../../core/tensor.ts";
import { layerNorm as normaliseLayer, random } from "../../numpy/index.ts";
import type { ActivationName } from "../activations.ts";
import { type Attention, type AttentionConfig, attentionParams } from "../attention/config.ts";
import { dropout } from "../dropout.ts";
import {
  type FeedForward,
  feedForward,
  feedForwardParams,
  type GatedFeedForward,
  gatedFeedForward,
  gatedFeedForwardParams,
} from "../feed-forward.ts";
import { rmsNorm } from "../norm.ts";
import { ones, type ParamSpec, param, zeros } from "../param.ts";
import { type Precision, precision } from "../precision.ts";

export interface BlockConfig {
  readonly attention: AttentionConfig;
  /** Hidden width of the feed-forward layer. */
  readonly mlp: number;
  /** `"gated"` when absent. */
  readonly feedForward?: "gated" | "plain";
  /** Of the feed-forward layer; `"gelu"` when absent. */
  readonly activation?: ActivationName;
  /** Whether the feed-forward layer's matrices have biases. */
  readonly biases?: boolean;
  /** Root mean square, when absent, or mean and variance with a bias. */
  readonly norm?: "rms" | "layer";
  /** Of the norms; 1e-6 when absent. */
  readonly epsilon?: number;
  /**
   * Where the norms stand: before each layer, when absent, with one more after the stack; or after each
   * sum, as in the first transformer.
   */
  readonly normPlace?: "before" | "after";
  /** Attention and feed-forward layer side by side on one norm, `x + a(norm x) + f(norm x)` (GPT-J, PaLM). */
  readonly parallel?: boolean;
  /** Share of each layer's answer, and of the attention weights, that is left out where a call has a key. */
  readonly dropout?: number;
  /** What products are computed in; float32 when absent. */
  readonly precision?: Precision;
}

/** Scale, and bias where the norm takes the mean away. */
export interface BlockNorm<T> {
  readonly scale: T;
  readonly bias?: T;
}

export interface Block<T> {
  readonly attentionNorm: BlockNorm<T>;
  readonly attention: Attention<T>;
  /** Attention on an encoder's answers, in blocks that have it. */
  readonly crossNorm?: BlockNorm<T>;
  readonly cross?: Attention<T>;
  /** Parallel blocks have one norm. */
  readonly mlpNorm?: BlockNorm<T>;
  readonly mlp: GatedFeedForward<T> | FeedForward<T>;
}

/**
 * @param cross - whether the block also looks at an encoder's answers
 * @throws ConfigError when the attention's sizes do not fit together
 */
export function blockParams(config: BlockConfig, cross = false): Block<ParamSpec> {
  const { attention, mlp, biases = false, parallel = false } = config;
  const { embed } = attention;
  const dense = config.feedForward === "plain" ? feedForwardParams : gatedFeedForwardParams;
  const looking: AttentionConfig = { ...attention, positions: "none" };
  return {
    attentionNorm: blockNormParams(config),
    attention: attentionParams(attention),
    ...(cross ? { crossNorm: blockNormParams(config), cross: attentionParams(looking) } : {}),
    ...(parallel ? {} : { mlpNorm: blockNormParams(config) }),
    mlp: dense(embed, mlp, { biases }),
  };
}

export function blockNormParams({ attention: { embed }, norm }: BlockConfig): BlockNorm<ParamSpec> {
  return {
    scale: param({ embed }, ones),
    ...(norm === "layer" ? { bias: param({ embed }, zeros) } : {}),
  };
}

export function blockNorm(p: BlockNorm<Tensor>, x: Tensor, config: BlockConfig): Tensor {
  const { norm = "rms", epsilon = 1e-6 } = config;
  if (norm === "rms") return rmsNorm(p.scale, x, epsilon);
  const exact = (y: Tensor) => y.astype("float32");
  const scale = exact(p.scale);
  const shift = p.bias === undefined ? { scale } : { scale, bias: exact(p.bias) };
  return normaliseLayer(exact(x), { ...shift, epsilon }).astype(x.dtype);
}

/** How a block attends: each takes what the norm made of the stream, or the stream. */
export interface Attending {
  readonly self: (x: Tensor) => Tensor;
  /** Of blocks that look at an encoder's answers. */
  readonly cross?: (x: Tensor) => Tensor;
}

/**
 * The residual stream after one block.
 *
 * @param x - `[batch, pos, embed]`
 * @param key - of the dropout of this block; nothing is left out when absent
 */
export function block(
  p: Block<Tensor>,
  x: Tensor,
  config: BlockConfig,
  { self, cross }: Attending,
  key?: random.Key,
): Tensor {
  const less = (y: Tensor, name: string) => dropout(y, dropOf(config, key, name));
  const dense = (y: Tensor) => less(denseLayer(p.mlp, y, config), "mlp");
  if (p.mlpNorm === undefined) {
    const y = blockNorm(p.attentionNorm, x, config);
    return x.add(less(self(y), "attention")).add(dense(y));
  }
  const beside = (stream: Tensor, norm: BlockNorm<Tensor>, f: (y: Tensor) => Tensor) =>
    config.normPlace === "after"
      ? blockNorm(norm, stream.add(f(stream)), config)
      : stream.add(f(blockNorm(norm, stream, config)));
  const seen = beside(x, p.attentionNorm, (y) => less(self(y), "attention"));
  const looked =
    p.crossNorm === undefined || cross === undefined
      ? seen
      : beside(seen, p.crossNorm, (y) => less(cross(y), "cross"));
  return beside(looked, p.mlpNorm, dense);
}

/** A dropout for one place of the block. */
export function dropOf(
  { dropout: rate = 0 }: BlockConfig,
  key: random.Key | undefined,
  name: string,
): { readonly rate: number; readonly key: random.Key } | undefined {
  return key === undefined || rate === 0 ? undefined : { rate, key: random.fold(key, name) };
}

function denseLayer(p: Block<Tensor>["mlp"], x: Tensor, config: BlockConfig): Tensor {
  const { activation = "gelu", precision: policy = precision() } = config;
  return policy.layer((q: Block<Tensor>["mlp"], y: Tensor) =>
    "gate" in q ? gatedFeedForward(q, y, activation) : feedForward(q, y, activation),
  )(p, x);
}

/** @throws Error when the block was declared without attention on a memory */
export function crossOf({ cross }: Block<Tensor>): Attention<Tensor> {
  if (cross === undefined) throw new Error("a block that looks at a memory has attention for it");
  return cross;
}
