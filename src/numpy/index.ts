/** @file What users compute with: arithmetic with broadcasting, einsum in axis words, random numbers. */

import "./methods.ts";

export { fromData, Tensor, tensor } from "../core/tensor.ts";
export * from "./activations.ts";
export { broadcastTo, type TensorLike } from "./align.ts";
export * from "./arithmetic.ts";
export { type AttentionOptions, attention } from "./attention.ts";
export * from "./control.ts";
export * from "./convolution.ts";
export * from "./cumulative.ts";
export * from "./derivatives.ts";
export { type CheckedEquation, einsum, einsumOf, type OperandsOf } from "./einsum.ts";
export * as fft from "./fft.ts";
export * from "./indexing.ts";
export * from "./layout.ts";
export * as linalg from "./linalg.ts";
export * from "./normalisation.ts";
export * from "./pieces.ts";
export * from "./pool.ts";
export * from "./ragged-dot.ts";
export * as random from "./random.ts";
export * from "./reduce.ts";
export * from "./resize.ts";
export * from "./scatter.ts";
export { type DimSpec, laid, type ShardOptions, shard } from "./shard.ts";
export * from "./sorting.ts";
export {
  type Padding,
  type PerAxis,
  type SpaceAxes,
  type Steps,
  samePadding,
} from "./window-options.ts";
