/** @file What an optimiser is: a state tree, and an update that is part of the traced step. */

import { asOneLine } from "../core/builder.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, namedLeaves, withLeaves } from "../core/tree.ts";

/** One parameter's part of an optimiser. */
export interface LeafUpdate<S> {
  readonly param: Tensor;
  readonly state: S;
}

/** When an update happens, and to which parameter. */
export interface UpdateAt {
  /** Where the parameter stands in the tree, `layers/3/attention/query`. */
  readonly path: string;
  /** Scalar float32, 0 at the first update. */
  readonly step: Tensor;
  /** Scalar float32, the learning rate of this step. */
  readonly rate: Tensor;
}

/**
 * An optimiser is defined per tensor; `applyUpdates` maps it over a tree. What a tensor is it tells by its
 * axis words and its path: see `parameters.ts`.
 */
export interface Optimizer<S = unknown> {
  readonly name: string;
  /** State for one parameter, traced. */
  init(param: Tensor, path: string): S;
  /** One step for one parameter, traced. */
  update(param: Tensor, gradient: Tensor, state: S, at: UpdateAt): LeafUpdate<S>;
}

/** Fresh optimiser state: one entry per parameter, in the order of the tree. */
export function initOptimizer<S>(optimizer: Optimizer<S>, params: unknown): readonly S[] {
  return namedLeaves(params, "optimizer").map(({ leaf, path }) => optimizer.init(leaf, path));
}

/**
 * New parameters and state for all tensors of a tree.
 *
 * @param step - scalar float32, 0 at the first update
 * @param rate - scalar float32
 */
export function applyUpdates<P, S>(
  optimizer: Optimizer<S>,
  params: P,
  gradients: P,
  states: readonly S[],
  step: Tensor,
  rate: Tensor,
): { readonly params: P; readonly states: readonly S[] } {
  const grads = leaves(gradients, "gradients");
  const updates = namedLeaves(params, "parameters").map(({ leaf, path }, i) => {
    const gradient = grads[i];
    if (gradient === undefined || states.length <= i)
      throw new Error("one gradient and one state per parameter");
    const at = { path, step, rate };
    return asOneLine(() => optimizer.update(leaf, gradient, states[i] as S, at));
  });
  return {
    params: withLeaves(
      params,
      updates.map(({ param }) => param),
    ),
    states: updates.map(({ state }) => state),
  };
}
