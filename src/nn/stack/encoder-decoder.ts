/** @file An encoder, and a decoder whose blocks also look at what it answered. */

import type { Tensor } from "../../core/tensor.ts";
import { random } from "../../numpy/index.ts";
import type { AttentionCache } from "../attention/cache.ts";
import type { AttentionMemory } from "../attention/whole.ts";
import type { ParamSpec } from "../param.ts";
import { decoderStackStep, stackCache, stackMemory } from "./decoding.ts";
import {
  decoderStack,
  encoderStack,
  type Stack,
  type StackCall,
  type StackConfig,
  stackParams,
} from "./stack.ts";

export interface EncoderDecoderConfig {
  readonly encoder: StackConfig;
  /** Its `attention.memoryEmbed` is the encoder's width where the two differ. */
  readonly decoder: StackConfig;
}

export interface EncoderDecoder<T> {
  readonly encoder: Stack<T>;
  readonly decoder: Stack<T>;
}

export function encoderDecoderParams({
  encoder,
  decoder,
}: EncoderDecoderConfig): EncoderDecoder<ParamSpec> {
  return { encoder: stackParams(encoder), decoder: stackParams(decoder, true) };
}

/** What one call knows of its source. */
interface Source {
  /** bool `[batch, mem]`: places of the source that there are; padding is false. */
  readonly sourceMask?: Tensor;
}

/** What one call knows of its two sequences; segments and positions are those of the target. */
export interface EncoderDecoderCall extends Omit<StackCall, "mask">, Source {}

/**
 * The decoder's answers for all positions of the target, each of which sees the whole source, and itself
 * and earlier positions of the target.
 *
 * @param source - embedded, `[batch, pos, embed]`
 * @param target - embedded, `[batch, pos, embed]`
 * @returns `[batch, pos, embed]`
 * @see Vaswani et al., arXiv:1706.03762; Raffel et al., arXiv:1910.10683
 */
export function encoderDecoder(
  p: EncoderDecoder<Tensor>,
  source: Tensor,
  target: Tensor,
  config: EncoderDecoderConfig,
  { sourceMask, key, ...own }: EncoderDecoderCall = {},
): Tensor {
  const drawing = (side: string) => (key === undefined ? {} : { key: random.fold(key, side) });
  const memory = encoderStack(p.encoder, source, config.encoder, {
    ...(sourceMask === undefined ? {} : { mask: sourceMask }),
    ...drawing("encoder"),
  });
  return decoderStack(p.decoder, target, config.decoder, {
    ...own,
    ...(sourceMask === undefined ? {} : { memoryMask: sourceMask }),
    ...drawing("decoder"),
    memory,
  });
}

/** What a decoder keeps between tokens. */
export interface EncoderDecoderState<T> {
  /** Keys and values of the target so far, `[layer, batch, head, mem, dim]`. */
  readonly cache: AttentionCache<T>;
  /** Keys and values of the source, which do not change. */
  readonly memory: AttentionMemory<T>;
}

/**
 * Encodes the source, and makes of it the keys and values of every block, once.
 *
 * @param source - embedded, `[batch, pos, embed]`
 * @param length - places for the target
 */
export function startEncoderDecoder(
  p: EncoderDecoder<Tensor>,
  source: Tensor,
  length: number,
  config: EncoderDecoderConfig,
  { sourceMask }: Source = {},
): EncoderDecoderState<Tensor> {
  const mask = sourceMask === undefined ? {} : { mask: sourceMask };
  const answers = encoderStack(p.encoder, source, config.encoder, mask);
  return {
    cache: stackCache(source.size("batch"), length, config.decoder),
    memory: stackMemory(p.decoder, answers, config.decoder),
  };
}

/**
 * New positions of the target, with what the decoder kept; see `cachedAttention`.
 *
 * @param x - embedded, `[batch, pos, embed]`
 * @param at - int32 `[batch]`, the place of each row's first position
 * @returns `[batch, pos, embed]`, and the grown state
 */
export function encoderDecoderStep(
  p: EncoderDecoder<Tensor>,
  x: Tensor,
  { cache, memory }: EncoderDecoderState<Tensor>,
  at: Tensor,
  config: EncoderDecoderConfig,
  { sourceMask }: Source = {},
): readonly [Tensor, EncoderDecoderState<Tensor>] {
  const [y, grown] = decoderStackStep(p.decoder, x, cache, at, config.decoder, {
    memory,
    ...(sourceMask === undefined ? {} : { memoryMask: sourceMask }),
  });
  return [y, { cache: grown, memory }];
}
