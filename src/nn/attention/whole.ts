/** @file Attention on whole sequences: of one on itself, causal or in both directions, and of one on another. */

import type { Tensor } from "../../core/tensor.ts";
import { and, arange, attention, checkpoint } from "../../numpy/index.ts";
import { type Dropout, dropout } from "../dropout.ts";
import { alibiBias } from "./alibi.ts";
import type { Attention, AttentionConfig } from "./config.ts";
import { positionBias } from "./position-bias.ts";
import { keysOf, outputOf, queriesOf, valuesOf } from "./project.ts";

/** What one call knows of its sequences. */
export interface AttentionCall {
  /**
   * int32 `[batch, pos]`: a place sees only places of its own segment. The sequences of packed batches are
   * documents one after another; none then sees another.
   */
  readonly segments?: Tensor;
  /**
   * int32 `[batch, pos]`, by which rotary queries and keys turn; 0, 1, 2 … along the row when absent.
   * Distances, which the other kinds use, are counted along the row: within a segment that is the same.
   */
  readonly positions?: Tensor;
  /** bool `[batch, mem]`: keys that may be seen at all; padding is false. */
  readonly mask?: Tensor;
  /** Of the weights; none when absent. */
  readonly dropout?: Dropout;
  /** Whether the weights are computed again for the derivative, from queries and keys, instead of kept. */
  readonly recompute?: boolean;
}

/**
 * Attention of a sequence on itself, each position on itself and earlier ones.
 *
 * @param x - `[batch, pos, embed]`
 * @returns `[batch, pos, embed]`
 * @see Vaswani et al., arXiv:1706.03762; bias: Raffel et al., arXiv:1910.10683
 */
export function causalAttention(
  p: Attention<Tensor>,
  x: Tensor,
  config: AttentionConfig,
  call: AttentionCall = {},
): Tensor {
  return selfAttention(p, x, config, call, "causal");
}

/** Attention of a sequence on itself, each position on all; arguments as those of `causalAttention`. */
export function bidirectionalAttention(
  p: Attention<Tensor>,
  x: Tensor,
  config: AttentionConfig,
  call: AttentionCall = {},
): Tensor {
  return selfAttention(p, x, config, call, "both");
}

function selfAttention(
  p: Attention<Tensor>,
  x: Tensor,
  config: AttentionConfig,
  call: AttentionCall,
  direction: "causal" | "both",
): Tensor {
  const { positions } = call;
  const q = queriesOf(p, x, config, positions);
  const k = keysOf(p, x, config, positions);
  const { bias, masks } = terms(p, x, config, call, direction);
  const [mask, ...more] = masks;
  const mix = (queries: Tensor, keys: Tensor, values: Tensor) =>
    attention(queries, keys, values, {
      ...logitOptions(config),
      ...(bias === undefined ? {} : { bias }),
      ...(mask === undefined ? {} : { mask: more.reduce(meet, mask) }),
      ...reweighing(call),
      causal: direction === "causal",
      // A place always sees itself, unless it is padding.
      sighted: call.mask === undefined,
    });
  const mixing = call.recompute === true ? checkpoint(mix) : mix;
  return outputOf(p, mixing(q, k, valuesOf(p, x)));
}

/** What the logits meet, as little as the call needs: nothing at all in the plain case. */
function terms(
  p: Attention<Tensor>,
  x: Tensor,
  { positions, window, head }: AttentionConfig,
  { segments, mask }: AttentionCall,
  direction: "causal" | "both",
): { readonly bias?: Tensor | undefined; readonly masks: readonly Tensor[] } {
  const length = x.size("pos");
  const distance = () => arange(length).reshape([length, 1]).sub(arange(length)).as("pos mem");
  const near = (width: number) => distance().abs().less(width);
  return {
    bias:
      positions === "alibi"
        ? alibiBias(distance(), head)
        : p.bias === undefined
          ? undefined
          : positionBias(p.bias, length, direction),
    masks: [
      ...(window === undefined || window >= length ? [] : [near(window)]),
      ...(segments === undefined ? [] : [sameSegment(segments)]),
      ...(mask === undefined ? [] : [mask.as("batch mem")]),
    ],
  };
}

/** `[batch, pos, mem]` */
function sameSegment(segments: Tensor): Tensor {
  const [batch, pos] = [segments.dims[0] ?? 0, segments.dims[1] ?? 0];
  return segments
    .reshape([batch, pos, 1])
    .equal(segments.reshape([batch, 1, pos]))
    .as("batch pos mem");
}

/** Both masks, along all axes that one of them has: some of `batch pos mem`. */
function meet(a: Tensor, b: Tensor): Tensor {
  const axes = ["batch", "pos", "mem"].filter((word) => [...a.names, ...b.names].includes(word));
  const spread = (x: Tensor) =>
    x.reshape(axes.map((word) => (x.names.includes(word) ? x.size(word) : 1)));
  return and(spread(a), spread(b)).as(axes.join(" "));
}

export function logitOptions({ logitScale, extraLogit }: AttentionConfig): {
  readonly scale?: number;
  readonly extraLogit?: boolean;
} {
  return {
    ...(logitScale === undefined ? {} : { scale: logitScale }),
    ...(extraLogit === undefined ? {} : { extraLogit }),
  };
}

function reweighing({ dropout: drop }: AttentionCall) {
  return drop === undefined || drop.rate === 0
    ? {}
    : { reweigh: (weights: Tensor) => dropout(weights, drop) };
}

/** Keys and values of a sequence that others look at, `[batch, head, mem, dim]`. */
export interface AttentionMemory<T> {
  readonly key: T;
  readonly value: T;
}

/**
 * Keys and values of a sequence for cross-attention, to be made once and looked at many times.
 *
 * @param memory - `[batch, pos, embed]`
 */
export function attentionMemory(
  p: Attention<Tensor>,
  memory: Tensor,
  config: AttentionConfig,
): AttentionMemory<Tensor> {
  return { key: keysOf(p, memory, unplaced(config)), value: valuesOf(p, memory) };
}

/** Two sequences have no distance: positions of one say nothing about the other. */
function unplaced(config: AttentionConfig): AttentionConfig {
  return { ...config, positions: "none" };
}

/**
 * Attention of one sequence on another, all of it, whatever the config's positions and window.
 *
 * @param x - `[batch, pos, embed]`
 * @param memory - `[batch, pos, embed]`, or its keys and values from `attentionMemory`
 * @param call - the mask says which places of the memory there are
 * @returns `[batch, pos, embed]`; for an example with no place to see it is the output's bias alone
 */
export function crossAttention(
  p: Attention<Tensor>,
  x: Tensor,
  memory: Tensor | AttentionMemory<Tensor>,
  config: AttentionConfig,
  call: Pick<AttentionCall, "mask" | "dropout"> = {},
): Tensor {
  const { key, value } = "key" in memory ? memory : attentionMemory(p, memory, config);
  const { mask } = call;
  const mixed = attention(queriesOf(p, x, unplaced(config)), key, value, {
    ...logitOptions(config),
    ...(mask === undefined ? {} : { mask: mask.as("batch mem") }),
    ...reweighing(call),
  });
  return outputOf(p, mixed);
}
