/**
 * @file Normalisation with learnt scales and biases. Statistics of 16-bit floats are taken in float32, and
 * the result has x's dtype.
 */

import { dtypeFacts } from "../core/dtype.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  batchNormInference as inferBatch,
  batchNorm as normaliseBatch,
  groupNorm as normaliseGroups,
  layerNorm as normaliseLayer,
  rmsNorm as normaliseRms,
} from "../numpy/index.ts";
import { ones, type ParamSpec, param, zeros } from "./param.ts";

/** x in the dtype that sums of its squares need. */
function exact(x: Tensor): Tensor {
  return dtypeFacts(x.dtype).bytes === 2 ? x.astype("float32") : x;
}

/** Parameters in the dtype of what they meet. */
function like<P extends Readonly<Record<string, Tensor>>>(x: Tensor, p: P): P {
  return Object.fromEntries(Object.entries(p).map(([k, v]) => [k, v.astype(x.dtype)])) as P;
}

/** The scale of a root-mean-square norm, `[embed]`. */
export function rmsNormParam(embed: number): ParamSpec {
  return param({ embed }, ones);
}

/**
 * `x / √(mean x² + ε) · scale` along the last axis.
 *
 * @param scale - `[embed]`
 * @param x - `[…, embed]`
 * @see Zhang and Sennrich, arXiv:1910.07467
 */
export function rmsNorm(scale: Tensor, x: Tensor, epsilon = 1e-6): Tensor {
  const wide = exact(x);
  return normaliseRms(wide, { ...like(wide, { scale }), epsilon }).astype(x.dtype);
}

/** Scale and bias of a layer norm, `[embed]` each. */
export interface LayerNorm<T> {
  readonly scale: T;
  readonly bias: T;
}

export function layerNormParams(embed: number): LayerNorm<ParamSpec> {
  return { scale: param({ embed }, ones), bias: param({ embed }, zeros) };
}

/**
 * `(x − mean x) / √(variance x + ε) · scale + bias` along the last axis.
 *
 * @param x - `[…, embed]`
 * @see Ba et al., arXiv:1607.06450
 */
export function layerNorm(p: LayerNorm<Tensor>, x: Tensor, epsilon = 1e-5): Tensor {
  const wide = exact(x);
  const { scale, bias } = p;
  return normaliseLayer(wide, { ...like(wide, { scale, bias }), epsilon }).astype(x.dtype);
}

/** Scale and bias of a norm over channels, `[channel]` each. */
export interface ChannelNorm<T> {
  readonly scale: T;
  readonly bias: T;
}

/** For `groupNorm` and `batchNorm`. */
export function channelNormParams(channel: number): ChannelNorm<ParamSpec> {
  return { scale: param({ channel }, ones), bias: param({ channel }, zeros) };
}

/** The axis called `channel`, else the second. */
function channelAxis(x: Tensor): string | number {
  return x.names.includes("channel") ? "channel" : 1;
}

export interface GroupNormOptions {
  /** How many groups the channels form; it divides their number. */
  readonly groups: number;
  readonly epsilon?: number;
}

/**
 * Layer normalisation of each group of channels, over its channels and the axes after them.
 *
 * @param x - `[batch, channel, …]`: the axis called `channel`, else the second; space comes after it
 * @throws ShapeError when the groups do not divide the channels
 * @see Wu and He, arXiv:1803.08494
 */
export function groupNorm(
  p: ChannelNorm<Tensor>,
  x: Tensor,
  { groups, epsilon = 1e-5 }: GroupNormOptions,
): Tensor {
  const wide = exact(x);
  const { scale, bias } = p;
  const options = { ...like(wide, { scale, bias }), groups, epsilon, axis: channelAxis(x) };
  return normaliseGroups(wide, options).astype(x.dtype);
}

/** What batch normalisation has seen of each channel so far, `[channel]` each: state, not parameters. */
export interface BatchNormState<T> {
  readonly mean: T;
  readonly variance: T;
}

/** Mean 0 and variance 1; `initialise` makes tensors of it. No gradient flows to these. */
export function batchNormState(channel: number): BatchNormState<ParamSpec> {
  return { mean: param({ channel }, zeros), variance: param({ channel }, ones) };
}

export interface BatchNormConfig {
  readonly epsilon?: number;
  /** Share of the old running statistics that is kept at each step; 0.9 when absent. */
  readonly decay?: number;
}

/**
 * Batch normalisation in training, by the statistics of this batch over all axes but the channels.
 *
 * @param x - the axis called `channel`, else the second, is that of the channels
 * @returns the result, and the state for the next step
 * @see Ioffe and Szegedy, arXiv:1502.03167
 */
export function batchNorm(
  p: ChannelNorm<Tensor>,
  x: Tensor,
  state: BatchNormState<Tensor>,
  config: BatchNormConfig = {},
): readonly [Tensor, BatchNormState<Tensor>] {
  const wide = exact(x);
  const { scale, bias } = p;
  const options = { ...config, ...like(wide, { scale, bias }), axis: channelAxis(x) };
  const { y, running } = normaliseBatch(wide, { ...options, running: state });
  return [y.astype(x.dtype), running];
}

/** Batch normalisation in use: by the state, so that no example depends on another. */
export function batchNormInference(
  p: ChannelNorm<Tensor>,
  x: Tensor,
  state: BatchNormState<Tensor>,
  { epsilon = 1e-5 }: Pick<BatchNormConfig, "epsilon"> = {},
): Tensor {
  const wide = exact(x);
  const { scale, bias } = p;
  const options = { ...like(wide, { scale, bias }), epsilon, axis: channelAxis(x) };
  return inferBatch(wide, { ...options, running: state }).astype(x.dtype);
}
