/** @file The training step as one traced function: loss, gradients, clipping, update, and the guard against NaN. */

import type { Tensor } from "../core/tensor.ts";
import { leaves, withLeaves } from "../core/tree.ts";
import { and, isFiniteElement, scalar, where } from "../numpy/index.ts";
import * as random from "../numpy/random.ts";
import {
  applyUpdates,
  clipByGlobalNorm,
  globalNorm,
  initOptimizer,
  type Optimizer,
} from "../optim/optimizer.ts";
import type { Schedule } from "../optim/schedule.ts";
import { valueAndGradAux } from "../transforms/vjp.ts";
import type { TokenBatch } from "./model.ts";

/** All that a run needs to go on: one tree of tensors. */
export interface TrainState<P = unknown, E = unknown> {
  readonly params: P;
  /** Optimiser state per parameter. */
  readonly optimizer: readonly unknown[];
  /** What the model keeps beside its parameters, such as running thresholds. */
  readonly extra: E;
  /** What the steps draw from: step t from `fold(key, t)`, where t counts the batches seen. */
  readonly key: random.Key;
  /** Updates made so far, scalar float32. */
  readonly step: Tensor;
  /** Batches seen so far, skipped ones included, scalar float32: the place in the data. */
  readonly tried: Tensor;
  /** Updates skipped in a row because something was not finite, scalar float32. */
  readonly skipped: Tensor;
}

/** Scalars of one step, and what the model reports. */
export interface StepMetrics<R> {
  readonly loss: Tensor;
  readonly gradientNorm: Tensor;
  readonly learningRate: Tensor;
  /** As in the new state: 0 after a good step. */
  readonly skipped: Tensor;
  readonly report: R;
}

/** Loss of one batch. */
export interface BatchLoss<R> {
  /** Mean over the counted tokens, extra terms included, scalar: what the step goes down. */
  readonly loss: Tensor;
  /** Tokens that have a target, scalar float32. */
  readonly count: Tensor;
  readonly report: R;
}

/** What differs between models. */
export interface StepRecipe<P, E, R> {
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly clip: number;
  /**
   * Loss of one batch, traced.
   *
   * @param key - for all that the step draws, such as dropout
   */
  loss(params: P, extra: E, batch: TokenBatch, key: random.Key): BatchLoss<R>;
  /** What the model keeps, after a batch, traced. */
  nextExtra(extra: E, report: R, step: Tensor): E;
}

/** A fresh state around parameters, traced. */
export function initialState<P, E>(
  params: P,
  extra: E,
  optimizer: Optimizer,
  key: random.Key,
): TrainState<P, E> {
  return {
    key: random.fold(key, "steps"),
    params,
    optimizer: initOptimizer(optimizer, params),
    extra,
    step: scalar(0),
    tried: scalar(0),
    skipped: scalar(0),
  };
}

/**
 * One training step, traced.
 *
 * When the loss or any gradient is not finite, weights and optimiser state stay as they are, bit for
 * bit, and the step is counted as skipped (GLaM, section 5: skip updates with NaN or Inf).
 */
export function trainingStep<P, E, R>(
  recipe: StepRecipe<P, E, R>,
  state: TrainState<P, E>,
  batch: TokenBatch,
): readonly [TrainState<P, E>, StepMetrics<R>] {
  const key = random.fold(state.key, state.tried.astype("uint32"));
  const lossOf = (params: P) => {
    const { loss, report } = recipe.loss(params, state.extra, batch, key);
    return [loss, report] as const;
  };
  const [[loss, report], gradients] = valueAndGradAux(lossOf)(state.params);
  const norm = globalNorm(gradients);
  const rate = recipe.schedule(state.step);
  const clipped = clipByGlobalNorm(gradients, norm, recipe.clip);
  const updated = applyUpdates(
    recipe.optimizer,
    state.params,
    clipped,
    state.optimizer,
    state.step,
    rate,
  );
  const good = and(isFiniteElement(loss), isFiniteElement(norm));
  const next = {
    ...state, // first, so that the new state has the order of the old one
    params: updated.params,
    optimizer: updated.states,
    extra: recipe.nextExtra(state.extra, report, state.step),
    step: state.step.add(1),
    tried: state.tried.add(1),
    skipped: scalar(0),
  };
  const kept = { ...state, tried: state.tried.add(1), skipped: state.skipped.add(1) };
  return [
    choose(good, next, kept),
    {
      loss,
      gradientNorm: norm,
      learningRate: rate,
      skipped: where(good, 0, 1).mul(kept.skipped),
      report,
    },
  ];
}

function choose<T>(good: Tensor, next: T, kept: T): T {
  const old = leaves(kept);
  return withLeaves(
    next,
    leaves(next).map((tensor, i) => {
      const before = old[i];
      return before === undefined ? tensor : where(good, tensor, before);
    }),
  );
}
