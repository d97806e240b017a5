/** @file Normalisations: over the batch, over channels, groups and layers. */

import { sizeOf } from "../../../core/shape.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { reshape } from "../../../ops/layout.ts";
import type { Call, Result } from "./call.ts";
import { along, range } from "./forms.ts";
import { type Operators, operator } from "./operator.ts";

/** Mean and variance (of the population) along axes, with ones in their place. */
function moments(x: Tensor, axes: readonly number[]): { mean: Tensor; variance: Tensor } {
  const keep = x.dims.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  const mean = reshape(np.mean(x, axes), keep);
  const variance = reshape(np.mean(np.square(np.sub(x, mean)), axes), keep);
  return { mean, variance };
}

/** `(x − mean) / √(variance + ε)` */
function standardised(
  x: Tensor,
  { mean, variance }: { mean: Tensor; variance: Tensor },
  epsilon: number,
): Tensor {
  return np.mul(np.sub(x, mean), np.rsqrt(np.add(variance, epsilon)));
}

/** In training also the running mean and variance; before opset 14 those came as further outputs. */
function batchNormalization(call: Call): readonly Result[] {
  const x = call.x(0);
  const epsilon = call.float("epsilon", 1e-5);
  // Before opset 7 training is what a model without is_test means.
  const training =
    call.opset < 7 ? !call.flag("is_test", false) : call.flag("training_mode", false);
  if (call.opset < 9 && !call.flag("spatial", true)) throw call.unsupported("spatial = 0");
  if (call.opset < 14 && (training || call.node.outputs.length > 1)) {
    throw call.unsupported("training before opset 14");
  }
  if (!training) {
    // Two steps over x instead of four: the rest is over channels.
    const [gain, offset, mean, variance] = [1, 2, 3, 4].map((i) =>
      np.astype(call.x(i), x.dtype),
    ) as [Tensor, Tensor, Tensor, Tensor];
    const factor = np.mul(gain, np.rsqrt(np.add(variance, epsilon)));
    const shift = np.sub(offset, np.mul(mean, factor));
    return [np.add(np.mul(x, along(factor, 1, x.rank)), along(shift, 1, x.rank))];
  }
  const axes = range(x.rank).filter((axis) => axis !== 1);
  const seen = moments(x, axes);
  const spread = (y: Tensor) => along(np.astype(y, x.dtype), 1, x.rank);
  const [scale, bias] = [spread(call.x(1)), spread(call.x(2))];
  const momentum = call.float("momentum", 0.9);
  const running = (old: Tensor, now: Tensor) =>
    np.add(
      np.mul(old, momentum),
      np.mul(np.astype(reshape(now, old.dims), old.dtype), 1 - momentum),
    );
  return [
    np.add(np.mul(standardised(x, seen, epsilon), scale), bias),
    running(call.x(3), seen.mean),
    running(call.x(4), seen.variance),
  ];
}

function instanceNormalization(call: Call): Tensor {
  const x = call.x(0);
  const seen = moments(x, range(x.rank).slice(2));
  const y = standardised(x, seen, call.float("epsilon", 1e-5));
  return np.add(np.mul(y, along(call.x(1), 1, x.rank)), along(call.x(2), 1, x.rank));
}

/** Channels in groups; before opset 21 scale and bias are per group. */
function groupNormalization(call: Call): Tensor {
  const x = call.x(0);
  const groups = call.int("num_groups");
  const [batch = 0, channels = 0, ...rest] = x.dims;
  if (groups < 1 || channels % groups !== 0) {
    throw call.wrong(`${channels} channels do not make ${groups} groups`);
  }
  const per = channels / groups;
  const apart = reshape(x, [batch, groups, per * sizeOf(rest)]);
  const y = standardised(apart, moments(apart, [2]), call.float("epsilon", 1e-5));
  const old = call.opset < 21;
  const form = old ? [batch, groups, per, sizeOf(rest)] : [batch, channels, 1, sizeOf(rest)];
  const scaled = np.add(np.mul(reshape(y, form), along(call.x(1), 1, 4)), along(call.x(2), 1, 4));
  return reshape(scaled, x.dims);
}

/** Over all axes from `axis` on, in the precision that `stash_type` names. */
function layerNormalization(call: Call): readonly Result[] {
  const given = call.x(0);
  const axis = call.axis(call.int("axis", -1), given.rank);
  const epsilon = call.float("epsilon", 1e-5);
  const [scale, bias] = [call.x(1), call.maybe(2)];
  if (call.node.outputs.length === 1 && isPlain(given, scale, axis)) {
    const shift = bias?.rank === 1 ? { bias } : {};
    const y = np.layerNorm(given, { scale, epsilon, ...shift });
    return [bias === undefined || bias.rank === 1 ? y : np.add(y, bias)];
  }
  const x = call.int("stash_type", 1) === 1 ? single(given) : given;
  const axes = range(x.rank).slice(axis);
  const seen = moments(x, axes);
  const inverse = np.rsqrt(np.add(seen.variance, epsilon));
  const y = np.astype(np.mul(np.sub(x, seen.mean), inverse), given.dtype);
  const scaled = np.mul(y, scale);
  return [bias === undefined ? scaled : np.add(scaled, bias), seen.mean, inverse];
}

/** Whether the engine's own norm does it: along the last axis, with one factor per element. */
function isPlain(x: Tensor, scale: Tensor, axis: number): boolean {
  const size = x.dims[x.rank - 1] ?? 0;
  return (
    axis === x.rank - 1 &&
    scale.rank === 1 &&
    scale.dims[0] === size &&
    size > 0 &&
    scale.dtype === x.dtype
  );
}

function single(x: Tensor): Tensor {
  return x.dtype === "float64" ? x : np.astype(x, "float32");
}

/** `x / √(mean x² + ε) · scale` */
function rmsNormalization(call: Call): Tensor {
  const given = call.x(0);
  const axis = call.axis(call.int("axis", -1), given.rank);
  const epsilon = call.float("epsilon", 1e-5);
  if (isPlain(given, call.x(1), axis)) return np.rmsNorm(given, { scale: call.x(1), epsilon });
  const x = call.int("stash_type", 1) === 1 ? single(given) : given;
  const axes = range(x.rank).slice(axis);
  const keep = x.dims.map((dim, i) => (i < axis ? dim : 1));
  const power = reshape(np.mean(np.square(x), axes), keep);
  const y = np.mul(x, np.rsqrt(np.add(power, epsilon)));
  return np.mul(np.astype(y, given.dtype), call.x(1));
}

/** `x / (bias + α/size · Σ x²)^β`, the sum over `size` neighbouring channels. */
function localResponse(call: Call): Tensor {
  const x = call.x(0);
  const size = call.int("size");
  const before = Math.floor((size - 1) / 2);
  const channels = x.dims[1] ?? 0;
  const edge = (count: number) =>
    np.full(
      0,
      x.dims.map((dim, axis) => (axis === 1 ? count : dim)),
      undefined,
      x.dtype,
    );
  const padded = np.concatenate(
    [edge(before), np.square(x), edge(size - 1 - before)].filter((part) => part.dims[1] !== 0),
    1,
  );
  const total = range(size)
    .map((shift) => np.slice(padded, 1, shift, shift + channels))
    .reduce((a, b) => np.add(a, b));
  const base = np.add(np.mul(total, call.float("alpha", 1e-4) / size), call.float("bias", 1));
  return np.mul(x, np.power(base, -call.float("beta", 0.75)));
}

export const NORMALISATION: Operators = {
  BatchNormalization: operator(1, batchNormalization),
  InstanceNormalization: operator(1, instanceNormalization),
  GroupNormalization: operator(18, groupNormalization),
  LayerNormalization: operator(17, layerNormalization),
  RMSNormalization: operator(23, rmsNormalization),
  LRN: operator(1, localResponse),
};
