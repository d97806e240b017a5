/** @file Gradients cut to size before an optimiser sees them. */

import type { Tensor } from "../core/tensor.ts";
import { leaves, withLeaves } from "../core/tree.ts";
import { clip as clipElements, maximum, minimum, scalar, where } from "../numpy/index.ts";

/** What is held to the limit. */
export const CLIPPINGS = ["global-norm", "leaf-norm", "value", "adaptive"] as const;

export interface Clipping {
  /**
   * - `global-norm`: the norm of all gradients together, which keeps their direction
   * - `leaf-norm`: the norm of each tensor
   * - `value`: each element, to ± the limit
   * - `adaptive`: the norm of each unit's gradient over the norm of its weights (Brock et al., arXiv:2102.06171)
   */
  readonly by: (typeof CLIPPINGS)[number];
  readonly limit: number;
}

/**
 * Gradients within the limit, of the form of `params`.
 *
 * @param norm - their global norm, scalar: it is computed anyhow
 */
export function clipGradients<P>(
  gradients: P,
  params: P,
  norm: Tensor,
  { by, limit }: Clipping,
): P {
  if (by === "global-norm") return clipByGlobalNorm(gradients, norm, limit);
  const weights = leaves(params, "parameters");
  const clipped = leaves(gradients, "gradients").map((g, i) => {
    if (by === "value") return clipElements(g, { low: -limit, high: limit });
    if (by === "leaf-norm") return shortened(g, globalNorm([g]), limit);
    return clipToWeights(g, weights[i] ?? g, limit);
  });
  return withLeaves(gradients, clipped);
}

/** `√Σ g²` over all tensors of a tree. */
export function globalNorm(gradients: unknown): Tensor {
  return leaves(gradients, "gradients")
    .reduce((total, g) => total.add(g.square().sum()), scalar(0))
    .sqrt();
}

/** Gradients scaled down so that their global norm is at most `limit`. */
export function clipByGlobalNorm<P>(gradients: P, norm: Tensor, limit: number): P {
  const factor = scalar(limit).div(maximum(norm, limit));
  return withLeaves(
    gradients,
    leaves(gradients).map((g) => g.mul(factor)),
  );
}

function shortened(g: Tensor, norm: Tensor, limit: number): Tensor {
  return g.mul(scalar(limit).div(maximum(norm, limit)));
}

/** A unit's norm is at least this, so that weights which start at zero can move. */
const SMALLEST = 1e-3;

/**
 * `g · min(1, limit · max(‖W‖, 1e−3) / ‖g‖)` for every unit. Units stand along the last axis, a convolution's along
 * `filter`; a vector or a scalar is one unit.
 */
export function clipToWeights(gradient: Tensor, param: Tensor, limit: number): Tensor {
  const unit = param.names[0] === "filter" ? 0 : param.rank - 1;
  const axes = param.dims.map((_, i) => i).filter((i) => param.rank < 2 || i !== unit);
  const norm = (x: Tensor) =>
    axes.length === 0 ? x.abs() : x.square().sum(axes, { keepDims: true }).sqrt();
  const most = maximum(norm(param), SMALLEST).mul(limit);
  const length = norm(gradient);
  const factor = minimum(most.div(where(length.greater(0), length, 1)), 1);
  return gradient.mul(factor);
}
