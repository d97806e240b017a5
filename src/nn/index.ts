/** @file Layers. */

export * from "./activations.ts";
export * from "./attention/alibi.ts";
export * from "./attention/cache.ts";
export * from "./attention/config.ts";
export * from "./attention/position-bias.ts";
export * from "./attention/rotary.ts";
export {
  type AttentionCall,
  type AttentionMemory,
  attentionMemory,
  bidirectionalAttention,
  causalAttention,
  crossAttention,
} from "./attention/whole.ts";
export * from "./convolution.ts";
export * from "./ctc.ts";
export * from "./dropout.ts";
export * from "./embedding.ts";
export * from "./experts.ts";
export * from "./feed-forward.ts";
export * from "./linear.ts";
export * from "./loss.ts";
export * from "./moe.ts";
export * from "./norm.ts";
export * from "./param.ts";
export * from "./pipeline/index.ts";
export * from "./precision.ts";
export * from "./recurrent.ts";
export * from "./routing/capacity.ts";
export type { RoutingFacts } from "./routing/facts.ts";
export * from "./routing/grouping.ts";
export { balancedTable } from "./routing/hash.ts";
export * from "./routing/routing.ts";
export * from "./routing/rules.ts";
export { type Block, type BlockConfig, type BlockNorm, blockParams } from "./stack/block.ts";
export * from "./stack/decoding.ts";
export * from "./stack/encoder-decoder.ts";
export * from "./stack/layers.ts";
export {
  type DecoderCall,
  decoderStack,
  encoderStack,
  type Stack,
  type StackCall,
  type StackConfig,
  stackParams,
} from "./stack/stack.ts";
