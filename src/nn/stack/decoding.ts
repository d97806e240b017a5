/** @file New positions through a decoder stack, with what it keeps of those before. */

import type { Tensor } from "../../core/tensor.ts";
import { type AttentionCache, cachedAttention, emptyCache } from "../attention/cache.ts";
import { type AttentionMemory, attentionMemory, crossAttention } from "../attention/whole.ts";
import { precision } from "../precision.ts";
import { type Attending, type Block, block, crossOf } from "./block.ts";
import { scanLayers } from "./layers.ts";
import { lastNorm, type Stack, type StackConfig, withShared } from "./stack.ts";

/** An empty cache for all blocks, `[layer, batch, head, mem, dim]`, in the compute dtype. */
export function stackCache(
  batch: number,
  length: number,
  { attention, layers, precision: policy = precision() }: StackConfig,
): AttentionCache<Tensor> {
  // One cache of `layers · batch` rows has the same form.
  const { key } = emptyCache(layers * batch, length, attention, policy.compute);
  const [, heads = 0, , dim = 0] = key.dims;
  const all = key.reshape([layers, batch, heads, length, dim], "layer batch head mem dim");
  return { key: all, value: all };
}

/**
 * Keys and values of an encoder's answers for every block, made once: `[layer, batch, head, mem, dim]`.
 *
 * @param memory - `[batch, pos, embed]`
 */
export function stackMemory(
  p: Stack<Tensor>,
  memory: Tensor,
  { attention, precision: policy = precision(), unroll = false }: StackConfig,
): AttentionMemory<Tensor> {
  const [, kept] = scanLayers(
    (seen: Tensor, own: Block<Tensor>) => [
      seen,
      attentionMemory(policy.inward(crossOf(own)), policy.inward(seen), attention),
    ],
    memory.as("batch pos embed"),
    p.layers,
    { unroll },
  );
  return kept;
}

/** What one step knows of an encoder's sequence. */
export interface DecodingCall {
  /** From `stackMemory`, for blocks that look at it. */
  readonly memory?: AttentionMemory<Tensor>;
  /** bool `[batch, mem]`: places of the memory that there are; padding is false. */
  readonly memoryMask?: Tensor;
}

/** What one block has of its own. */
interface OneLayer {
  readonly p: Block<Tensor>;
  readonly cache: AttentionCache<Tensor>;
  readonly memory?: AttentionMemory<Tensor>;
}

/**
 * New positions through all blocks, one at a time or a piece of the prompt; see `cachedAttention`.
 *
 * @param x - `[batch, pos, embed]`
 * @param at - int32 `[batch]`, the place of each row's first position
 * @returns `[batch, pos, embed]` after the last norm, and the grown cache
 */
export function decoderStackStep(
  p: Stack<Tensor>,
  x: Tensor,
  cache: AttentionCache<Tensor>,
  at: Tensor,
  config: StackConfig,
  { memory, memoryMask }: DecodingCall = {},
): readonly [Tensor, AttentionCache<Tensor>] {
  const { attention, precision: policy = precision() } = config;
  const { inward, outward } = policy;
  const mask = memoryMask === undefined ? {} : { mask: memoryMask };
  const step = (stream: Tensor, one: OneLayer) => {
    const own = withShared(one.p, p.bias);
    let grown = one.cache;
    const ways: Attending = {
      self: (y) => {
        const [mixed, next] = cachedAttention(
          inward(own.attention),
          inward(y),
          one.cache,
          at,
          attention,
        );
        grown = next;
        return outward(mixed);
      },
      ...(one.memory === undefined ? {} : { cross: looking(own, one.memory) }),
    };
    return [block(own, stream, config, ways), grown] as const;
  };
  const looking = (own: Block<Tensor>, seen: AttentionMemory<Tensor>) => (y: Tensor) =>
    outward(crossAttention(inward(crossOf(own)), inward(y), seen, attention, mask));
  const layers: OneLayer = { p: p.layers, cache, ...(memory === undefined ? {} : { memory }) };
  const [last, grown] = scanLayers(step, x.as("batch pos embed"), layers, {
    unroll: config.unroll ?? false,
  });
  return [lastNorm(p, last, config), grown];
}
