/** @file The training step as one traced function: loss, gradients, clipping, update, and the guard against NaN. */

import type { Tensor } from "../core/tensor.ts";
import { mapTree, namedLeaves } from "../core/tree.ts";
import { and, isFiniteElement, minimum, scalar, where } from "../numpy/index.ts";
import * as random from "../numpy/random.ts";
import { type Clipping, clipGradients, globalNorm } from "../optim/clip.ts";
import { frozen, grouped } from "../optim/groups.ts";
import { applyUpdates, initOptimizer, type Optimizer } from "../optim/optimizer.ts";
import { isAny, type ParameterFilter } from "../optim/parameters.ts";
import type { Schedule } from "../optim/schedule.ts";
import { chosenLeaves, lossAndGradients, withChosen } from "./gradients.ts";
import {
  type DynamicLossScale,
  grown,
  halved,
  initialLossScale,
  type LossScale,
  type LossScaleState,
} from "./loss-scale.ts";
import type { TokenBatch, Weights } from "./model.ts";

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
  /** Running mean of the parameters, where the recipe asks for one. */
  readonly average?: P;
  /** Where the recipe's loss scale is dynamic. */
  readonly lossScale?: LossScaleState;
}

/** Scalars of one step, and what the model reports. */
export interface StepMetrics<R> {
  readonly loss: Tensor;
  readonly gradientNorm: Tensor;
  readonly learningRate: Tensor;
  /** As in the new state: 0 after a good step. */
  readonly skipped: Tensor;
  /** The scale that this step had, where it is dynamic. */
  readonly lossScale?: Tensor;
  readonly report: R;
}

/** Loss of one batch. */
export interface BatchLoss<R> {
  /** Mean over the counted tokens, extra terms included, scalar: what the step goes down. */
  readonly loss: Tensor;
  /** Tokens, or examples, that have a target, scalar float32. */
  readonly count: Tensor;
  readonly report: R;
}

/** What differs between models and runs. */
export interface StepRecipe<P, E, R, B = TokenBatch> {
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  /** A number is the largest global norm. */
  readonly clip: number | Clipping;
  /** Pieces that a batch goes through the model in; 1 when absent. See `lossAndGradients`. */
  readonly microBatches?: number;
  /** Weight of the past in a running mean of the parameters, with which the run is evaluated and sampled. */
  readonly averageDecay?: number;
  readonly lossScale?: LossScale;
  /** Parameters that train; all when absent. The others get no gradient, no state, no decay, and count in no norm. */
  readonly trainable?: ParameterFilter;
  /**
   * Loss of one batch, traced.
   *
   * @param key - for all that the step draws, such as dropout
   */
  loss(params: P, extra: E, batch: B, key: random.Key): BatchLoss<R>;
  /** What the model keeps, after a batch, traced. */
  nextExtra(extra: E, report: R, step: Tensor): E;
}

/** The parts of a recipe that decide the form of the state. */
export type StateRecipe = Pick<
  StepRecipe<unknown, unknown, unknown>,
  "optimizer" | "trainable" | "averageDecay" | "lossScale"
>;

/** A fresh state around parameters, traced. */
export function initialState<P, E>(
  params: P,
  extra: E,
  recipe: StateRecipe,
  key: random.Key,
): TrainState<P, E> {
  const { averageDecay, lossScale } = recipe;
  return {
    key: random.fold(key, "steps"),
    params,
    optimizer: initOptimizer(optimizerFor(recipe), params),
    extra,
    step: scalar(0),
    tried: scalar(0),
    skipped: scalar(0),
    ...(averageDecay === undefined ? {} : { average: mapTree(params, (leaf) => leaf) }),
    ...(typeof lossScale === "object" ? { lossScale: initialLossScale(lossScale) } : {}),
  };
}

/** What a run is evaluated and sampled with: the running mean of its weights, where there is one. */
export function weightsOf({ params, average, extra }: TrainState): Weights {
  return { params: average ?? params, extra };
}

/**
 * One training step, traced.
 *
 * When the loss or any gradient is not finite, weights, their running mean and optimiser state stay as they are, bit for
 * bit, and the step is counted as skipped (GLaM, section 5: skip updates with NaN or Inf); a dynamic loss scale is halved.
 */
export function trainingStep<P, E, R, B = TokenBatch>(
  recipe: StepRecipe<P, E, R, B>,
  state: TrainState<P, E>,
  batch: B,
): readonly [TrainState<P, E>, StepMetrics<R>] {
  const { microBatches = 1, trainable = isAny, clip } = recipe;
  const key = random.fold(state.key, state.tried.astype("uint32"));
  const lossOf = (params: P, piece: B, pieceKey: random.Key) =>
    recipe.loss(params, state.extra, piece, pieceKey);
  const scale = scaleOf(recipe, state);
  const options = { microBatches, trainable, scale };
  const { loss, report, gradients } = lossAndGradients(lossOf, state.params, batch, key, options);
  const norm = globalNorm(gradients);
  const rate = recipe.schedule(state.step);
  const rule: Clipping = typeof clip === "number" ? { by: "global-norm", limit: clip } : clip;
  const clipped = clipGradients(gradients, chosenLeaves(state.params, trainable), norm, rule);
  const updated = applyUpdates(
    optimizerFor(recipe),
    state.params,
    withChosen(state.params, trainable, clipped),
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
    ...nextAverage(recipe, state, updated.params),
    ...nextScale(recipe, state, grown),
  };
  const kept = {
    ...state,
    tried: state.tried.add(1),
    skipped: state.skipped.add(1),
    ...nextScale(recipe, state, halved),
  };
  return [
    choose(good, next, kept),
    {
      loss,
      gradientNorm: norm,
      learningRate: rate,
      skipped: where(good, 0, 1).mul(kept.skipped),
      ...(state.lossScale === undefined ? {} : { lossScale: state.lossScale.scale }),
      report,
    },
  ];
}

function optimizerFor({ optimizer, trainable }: StateRecipe): Optimizer {
  if (trainable === undefined) return optimizer;
  const rests: ParameterFilter = (path, param) => !trainable(path, param);
  return grouped([{ of: rests, optimizer: frozen }], optimizer);
}

function scaleOf({ lossScale }: StateRecipe, state: TrainState): Tensor | undefined {
  return typeof lossScale === "number" ? scalar(lossScale) : state.lossScale?.scale;
}

function nextScale(
  { lossScale }: StateRecipe,
  state: TrainState,
  change: (scale: LossScaleState, rule: DynamicLossScale) => LossScaleState,
): Pick<TrainState, "lossScale"> {
  if (typeof lossScale !== "object" || state.lossScale === undefined) return {};
  return { lossScale: change(state.lossScale, lossScale) };
}

/**
 * `a ← a + (1 − d) (W − a)` with `d = min(decay, (1 + t) / (10 + t))`: the mean forgets the first weights fast.
 */
function nextAverage<P, E>(
  { averageDecay }: StateRecipe,
  { average, step }: TrainState<P, E>,
  params: P,
): Pick<TrainState<P>, "average"> {
  if (averageDecay === undefined || average === undefined) return {};
  const share = scalar(1).sub(minimum(step.add(1).div(step.add(10)), averageDecay));
  const now = new Map(namedLeaves(params).map(({ path, leaf }) => [path, leaf]));
  return {
    average: mapTree(average, (old, path) => old.add((now.get(path) ?? old).sub(old).mul(share))),
  };
}

/** Tensor by tensor, paired by their paths. */
function choose<T>(good: Tensor, next: T, kept: T): T {
  const old = new Map(namedLeaves(kept).map(({ path, leaf }) => [path, leaf]));
  return mapTree(next, (leaf, path) => {
    const before = old.get(path);
    if (before === undefined) throw new Error(`training step: the state had no "${path}" before`);
    return where(good, leaf, before);
  });
}
