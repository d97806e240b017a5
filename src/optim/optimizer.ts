/** @file What an optimiser is: a state tree, and an update that is part of the traced step. */

import { asOneLine } from "../core/builder.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, withLeaves } from "../core/tree.ts";
import { maximum, scalar } from "../numpy/index.ts";

/** One parameter's part of an optimiser. */
export interface LeafUpdate<S> {
  readonly param: Tensor;
  readonly state: S;
}

/** An optimiser is defined per tensor; `applyUpdates` maps it over a tree. */
export interface Optimizer<S = unknown> {
  readonly name: string;
  /** State for one parameter, traced. */
  init(param: Tensor): S;
  /**
   * One step for one parameter, traced.
   *
   * @param step - scalar float32, 0 at the first update
   * @param rate - scalar float32, the learning rate of this step
   */
  update(param: Tensor, gradient: Tensor, state: S, step: Tensor, rate: Tensor): LeafUpdate<S>;
}

/** Fresh optimiser state: one entry per parameter, in the order of the tree. */
export function initOptimizer<S>(optimizer: Optimizer<S>, params: unknown): readonly S[] {
  return leaves(params, "optimizer").map((p) => optimizer.init(p));
}

/** New parameters and state for all tensors of a tree. */
export function applyUpdates<P, S>(
  optimizer: Optimizer<S>,
  params: P,
  gradients: P,
  states: readonly S[],
  step: Tensor,
  rate: Tensor,
): { readonly params: P; readonly states: readonly S[] } {
  const grads = leaves(gradients, "gradients");
  const updates = leaves(params, "parameters").map((param, i) => {
    const gradient = grads[i];
    if (gradient === undefined || states.length <= i)
      throw new Error("one gradient and one state per parameter");
    return asOneLine(() => optimizer.update(param, gradient, states[i] as S, step, rate));
  });
  return {
    params: withLeaves(
      params,
      updates.map(({ param }) => param),
    ),
    states: updates.map(({ state }) => state),
  };
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
