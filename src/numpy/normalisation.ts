/** @file Normalisation: over the features of an example, over groups of channels, over the batch. */

import { ShapeError } from "../core/errors.ts";
import { aval, axisOf, dimOf, showAval, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, sub, scale as times } from "../ops/arithmetic.ts";
import { broadcast, fullLike } from "../ops/creation.ts";
import { rsqrt } from "../ops/exponential.ts";
import { reshape } from "../ops/layout.ts";
import * as n from "../ops/normalisation.ts";
import { stopGradient } from "../ops/stop-gradient.ts";
import { sum } from "../ops/sum.ts";
import { onLast } from "./last-axis.ts";

/** What every norm takes. */
export interface NormOptions {
  /** One factor per element or channel; 1 when absent. */
  readonly scale?: Tensor;
  /** One summand per element or channel; 0 when absent. */
  readonly bias?: Tensor;
  /** Added to the variance, or mean square, before its root is taken. */
  readonly epsilon?: number;
}

/** A list as long as an axis of x, or `otherwise` in its place. @throws ShapeError when it is longer or shorter */
function along(
  operation: string,
  what: string,
  v: Tensor | undefined,
  x: Tensor,
  axis: number,
  otherwise: number,
): Tensor {
  const size = dimOf(x.aval, axis);
  if (v === undefined) return fullLike(aval(x.dtype, [size], [x.names[axis] ?? null]), otherwise);
  if (v.rank === 1 && v.dims[0] === size && v.dtype === x.dtype) return v;
  throw new ShapeError(
    "SHAPE-01",
    `${operation}: the ${what} must have one number per element of axis ${x.names[axis] ?? axis}.`,
    [
      ["operand", showAval(x.aval)],
      [what, showAval(v.aval)],
    ],
  );
}

/** A list spread over x, whose axis `axis` it follows. */
function spread(v: Tensor, x: Tensor, axis: number): Tensor {
  return broadcast(v, { dims: x.dims, axes: [axis], names: x.names });
}

/**
 * `x / √(mean x² + ε) · scale` along one axis, the last when none is given.
 *
 * @throws ShapeError when the axis is empty or the scale has another length
 * @see Zhang and Sennrich, arXiv:1910.07467
 */
export function rmsNorm(
  x: Tensor,
  options: Omit<NormOptions, "bias"> & { readonly axis?: string | number } = {},
): Tensor {
  const { axis = -1, epsilon = 1e-6 } = options;
  const scale = along("rmsNorm", "scale", options.scale, x, axisOf("rmsNorm", x.aval, axis), 1);
  return onLast("rmsNorm", x, axis, (y) => n.rmsNorm(y, scale, epsilon), true);
}

/**
 * `(x − mean x) / √(variance x + ε) · scale + bias` along one axis, the last when none is given.
 *
 * @throws ShapeError when the axis is empty, or scale or bias have another length
 * @see Ba et al., arXiv:1607.06450
 */
export function layerNorm(
  x: Tensor,
  options: NormOptions & { readonly axis?: string | number } = {},
): Tensor {
  const { axis = -1, epsilon = 1e-5 } = options;
  const at = axisOf("layerNorm", x.aval, axis);
  const scale = along("layerNorm", "scale", options.scale, x, at, 1);
  const bias = along("layerNorm", "bias", options.bias, x, at, 0);
  return onLast("layerNorm", x, axis, (y) => n.layerNorm(y, scale, bias, epsilon), true);
}

/**
 * Layer normalisation of each group of channels, over its channels and all axes after them, with a scale
 * and a bias per channel.
 *
 * @param x - `[batch…, channel, …]`
 * @param options - `groups` divides the channels; `axis` is that of the channels, 1 when absent
 * @throws ShapeError when the groups do not divide the channels, or scale or bias have another length
 * @see Wu and He, arXiv:1803.08494
 */
export function groupNorm(
  x: Tensor,
  options: NormOptions & { readonly groups: number; readonly axis?: string | number },
): Tensor {
  const { groups, axis = 1, epsilon = 1e-5 } = options;
  const at = axisOf("groupNorm", x.aval, axis);
  const channels = dimOf(x.aval, at);
  if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new ShapeError(
      "SHAPE-01",
      `groupNorm: ${groups} groups do not divide the ${channels} channels of ${showAval(x.aval)}`,
    );
  }
  const width = sizeOf(x.dims.slice(at)) / groups;
  const rows = reshape(x, [...x.dims.slice(0, at), groups, width]);
  const normal = reshape(layerNorm(rows, { epsilon }), x.dims, x.names);
  const scale = along("groupNorm", "scale", options.scale, x, at, 1);
  const bias = along("groupNorm", "bias", options.bias, x, at, 0);
  return add(mul(normal, spread(scale, x, at)), spread(bias, x, at));
}

/** Mean and variance of every channel, `[channel]` each. */
export interface ChannelStatistics {
  readonly mean: Tensor;
  readonly variance: Tensor;
}

export interface BatchNormOptions extends NormOptions {
  /** The axis of the channels, 1 when absent; all others are normalised over. */
  readonly axis?: string | number;
  /** What was seen so far; starts with mean 0 and variance 1. */
  readonly running: ChannelStatistics;
  /** Share of the old running statistics that is kept, 0.9 when absent. */
  readonly decay?: number;
}

/**
 * Batch normalisation in training: by the mean and the biased variance of this batch. Nothing is kept
 * inside; pass the returned running statistics to the next call.
 *
 * `running' = decay · running + (1 − decay) · batch`, with the unbiased variance, as inference wants it.
 * No gradient flows through them.
 *
 * @throws ShapeError when there is nothing to normalise over, or a list has not one number per channel
 * @see Ioffe and Szegedy, arXiv:1502.03167
 */
export function batchNorm(
  x: Tensor,
  options: BatchNormOptions,
): { readonly y: Tensor; readonly running: ChannelStatistics } {
  const { axis = 1, epsilon = 1e-5, decay = 0.9 } = options;
  const at = axisOf("batchNorm", x.aval, axis);
  const others = x.dims.map((_, i) => i).filter((i) => i !== at);
  const count = others.reduce((size, i) => size * dimOf(x.aval, i), 1);
  if (count === 0) {
    throw new ShapeError(
      "SHAPE-01",
      `batchNorm: ${showAval(x.aval)} has nothing to normalise over`,
    );
  }
  const mean = times(sum(x, others), 1 / count);
  const centred = sub(x, spread(mean, x, at));
  const variance = times(sum(mul(centred, centred), others), 1 / count);
  const scale = along("batchNorm", "scale", options.scale, x, at, 1);
  const bias = along("batchNorm", "bias", options.bias, x, at, 0);
  const factor = mul(scale, rsqrt(add(variance, fullLike(variance, epsilon))));
  const mix = (what: keyof ChannelStatistics, batch: Tensor) => {
    const old = along("batchNorm", `running ${what}`, options.running[what], x, at, 0);
    return stopGradient(add(times(old, decay), times(batch, 1 - decay)));
  };
  const unbiased = times(variance, count / Math.max(count - 1, 1));
  return {
    y: add(mul(centred, spread(factor, x, at)), spread(bias, x, at)),
    running: { mean: mix("mean", mean), variance: mix("variance", unbiased) },
  };
}

/**
 * Batch normalisation in inference: by the running statistics, so that no example depends on another.
 *
 * @throws ShapeError when a list has not one number per channel
 */
export function batchNormInference(x: Tensor, options: Omit<BatchNormOptions, "decay">): Tensor {
  const { axis = 1, epsilon = 1e-5 } = options;
  const at = axisOf("batchNormInference", x.aval, axis);
  const list = (what: string, v: Tensor | undefined, otherwise: number) =>
    along("batchNormInference", what, v, x, at, otherwise);
  const mean = list("running mean", options.running.mean, 0);
  const variance = list("running variance", options.running.variance, 1);
  const root = rsqrt(add(variance, fullLike(variance, epsilon)));
  const factor = mul(list("scale", options.scale, 1), root);
  const shift = sub(list("bias", options.bias, 0), mul(mean, factor));
  return add(mul(x, spread(factor, x, at)), spread(shift, x, at));
}
