/** @file Stacks of blocks: decoders, whose positions see earlier ones, and encoders, whose positions see all. */

import type { Tensor } from "../../core/tensor.ts";
import { leaves } from "../../core/tree.ts";
import { random } from "../../numpy/index.ts";
import type { Attention } from "../attention/config.ts";
import { positionBiasParam } from "../attention/position-bias.ts";
import {
  type AttentionCall,
  bidirectionalAttention,
  causalAttention,
  crossAttention,
} from "../attention/whole.ts";
import type { ParamSpec } from "../param.ts";
import { precision } from "../precision.ts";
import {
  type Attending,
  type Block,
  type BlockConfig,
  type BlockNorm,
  block,
  blockNorm,
  blockNormParams,
  blockParams,
  crossOf,
  dropOf,
} from "./block.ts";
import { layered, type ScanLayersOptions, scanLayers } from "./layers.ts";

export interface StackConfig extends BlockConfig, ScanLayersOptions {
  /** Number of blocks. */
  readonly layers: number;
  /** One table of relative bias for all blocks, as in T5, instead of one for each. */
  readonly sharedBias?: boolean;
}

/** The blocks' parameters, every one with a first axis `layer`, and what the stack has but once. */
export interface Stack<T> {
  readonly layers: Block<T>;
  /** After the last block, where the norms stand before the layers. */
  readonly finalNorm?: BlockNorm<T>;
  /** Relative bias of all blocks. */
  readonly bias?: T;
}

/**
 * Parameters of a decoder or an encoder, in the dtype that its precision says.
 *
 * @param cross - whether its blocks also look at an encoder's answers
 */
export function stackParams(config: StackConfig, cross = false): Stack<ParamSpec> {
  const { attention, layers, normPlace = "before", sharedBias = false } = config;
  const shared = sharedBias && attention.positions === "relative-bias";
  const own: BlockConfig = shared
    ? { ...config, attention: { ...attention, positions: "none" } }
    : config;
  const { declare } = config.precision ?? precision();
  return declare({
    layers: layered(blockParams(own, cross), layers),
    ...(normPlace === "before" ? { finalNorm: blockNormParams(config) } : {}),
    ...(shared ? { bias: positionBiasParam(attention.head) } : {}),
  });
}

/** What one call of a stack knows of its sequences. */
export interface StackCall extends Omit<AttentionCall, "dropout"> {
  /** For dropout; nothing is left out when absent. */
  readonly key?: random.Key;
}

/** What one call of a decoder knows of its sequences, and of the encoder's where it has one. */
export interface DecoderCall extends StackCall {
  /** The encoder's answers, `[batch, pos, embed]`, for blocks that look at them. */
  readonly memory?: Tensor;
  /** bool `[batch, mem]`: places of the memory that there are; padding is false. */
  readonly memoryMask?: Tensor;
}

/**
 * Blocks whose positions see themselves and earlier ones, and the whole memory where there is one.
 *
 * @param x - `[batch, pos, embed]`
 * @returns `[batch, pos, embed]`, after the last norm
 */
export function decoderStack(
  p: Stack<Tensor>,
  x: Tensor,
  config: StackConfig,
  { memory, memoryMask, ...call }: DecoderCall = {},
): Tensor {
  return throughBlocks(p, x, config, call.key, (own, key) => ({
    self: attending(own, config, call, key, causalAttention),
    ...(memory === undefined ? {} : { cross: looking(own, config, memory, memoryMask, key) }),
  }));
}

/** Blocks whose positions see all; arguments as those of `decoderStack`. */
export function encoderStack(
  p: Stack<Tensor>,
  x: Tensor,
  config: StackConfig,
  call: StackCall = {},
): Tensor {
  return throughBlocks(p, x, config, call.key, (own, key) => ({
    self: attending(own, config, call, key, bidirectionalAttention),
  }));
}

/** Attention on the sequence itself, in the compute dtype. */
function attending(
  own: Block<Tensor>,
  config: StackConfig,
  { segments, positions, mask }: StackCall,
  key: random.Key | undefined,
  attend: typeof causalAttention,
): (x: Tensor) => Tensor {
  const { layer } = config.precision ?? precision();
  const drop = dropOf(config, key, "weights");
  const call: AttentionCall = {
    ...(segments === undefined ? {} : { segments }),
    ...(positions === undefined ? {} : { positions }),
    ...(mask === undefined ? {} : { mask }),
    ...(drop === undefined ? {} : { dropout: drop }),
  };
  const whole = layer((p: Attention<Tensor>, x: Tensor) => attend(p, x, config.attention, call));
  return (x) => whole(own.attention, x);
}

/** Attention on the memory, in the compute dtype. */
function looking(
  own: Block<Tensor>,
  config: StackConfig,
  memory: Tensor,
  mask: Tensor | undefined,
  key: random.Key | undefined,
): (x: Tensor) => Tensor {
  const { layer } = config.precision ?? precision();
  const drop = dropOf(config, key, "cross weights");
  const call = {
    ...(mask === undefined ? {} : { mask }),
    ...(drop === undefined ? {} : { dropout: drop }),
  };
  const whole = layer((p: Attention<Tensor>, x: Tensor, m: Tensor) =>
    crossAttention(p, x, m, config.attention, call),
  );
  return (x) => whole(crossOf(own), x, memory);
}

/** x through all blocks and the last norm; `ways` says how one block attends. */
function throughBlocks(
  p: Stack<Tensor>,
  x: Tensor,
  config: StackConfig,
  key: random.Key | undefined,
  ways: (own: Block<Tensor>, key: random.Key | undefined) => Attending,
): Tensor {
  const step = (stream: Tensor, one: OneLayer) => {
    const own = withShared(one.p, p.bias);
    return [block(own, stream, config, ways(own, one.key), one.key), []] as const;
  };
  const [last] = scanLayers(step, x.as("batch pos embed"), eachLayer(p.layers, key), config);
  return lastNorm(p, last, config);
}

interface OneLayer {
  readonly p: Block<Tensor>;
  readonly key?: random.Key;
}

/** Parameters and, for dropout, a key for each layer. */
function eachLayer(layers: Block<Tensor>, key: random.Key | undefined): OneLayer {
  const count = leaves(layers)[0]?.dims[0] ?? 0;
  return { p: layers, ...(key === undefined ? {} : { key: random.keys(key, count) }) };
}

/** A block with the bias table that all share. */
export function withShared(p: Block<Tensor>, bias: Tensor | undefined): Block<Tensor> {
  return bias === undefined ? p : { ...p, attention: { ...p.attention, bias } };
}

export function lastNorm({ finalNorm }: Stack<Tensor>, x: Tensor, config: StackConfig): Tensor {
  return finalNorm === undefined ? x : blockNorm(finalNorm, x, config);
}
