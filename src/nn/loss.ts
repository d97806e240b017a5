/** @file Losses, by example or averaged. */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { axisOf, dimOf, sameDims, showAval, without } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  abs,
  arange,
  broadcastTo,
  exp,
  expandDims,
  hardTanh,
  logSumExp,
  maximum,
  softplus,
  where,
} from "../numpy/index.ts";

/** What becomes of the losses of all examples. */
export type Reduction = "mean" | "sum" | "none";

export interface LossOptions {
  /** Examples that count: bool, of the losses' form, or one that broadcasts to it. All, when absent. */
  readonly mask?: Tensor;
  /** "mean", the default, is over the examples that count; it is 0 when none does. */
  readonly reduction?: Reduction;
}

/** Losses outside the mask are 0, whatever they were, and send no gradient. */
function reduced(losses: Tensor, { mask, reduction = "mean" }: LossOptions): Tensor {
  const counts = mask === undefined ? undefined : broadcastTo(mask, losses);
  const kept = counts === undefined ? losses : where(counts, losses, 0);
  if (reduction === "none") return kept;
  if (reduction === "sum") return kept.sum();
  if (counts === undefined) return kept.mean();
  return kept.sum().div(maximum(counts.astype(losses.dtype).sum(), 1));
}

/** `log Σ exp logits` and the labels' logits; a label outside the classes has logit 0. */
function partitionAndChosen(
  operation: string,
  logits: Tensor,
  labels: Tensor,
  axis: string | number,
): { readonly partition: Tensor; readonly chosen: Tensor } {
  const at = axisOf(operation, logits.aval, axis);
  if (labels.dtype !== "int32" || !sameDims(labels.dims, without(logits.dims, at))) {
    throw new ShapeError(
      "SHAPE-01",
      `${operation}: labels must be int32 of the logits' form without the class axis.`,
      [
        ["logits", `${showAval(logits.aval)}, classes along ${logits.names[at] ?? at}`],
        ["labels", showAval(labels.aval)],
      ],
    );
  }
  const size = dimOf(logits.aval, at);
  const classes = arange(size).reshape(logits.dims.map((_, i) => (i === at ? size : 1)));
  const hit = expandDims(labels.reshape(labels.dims), at).equal(classes);
  const chosen = where(hit, logits, 0).sum(at);
  return { partition: logSumExp(logits, at), chosen };
}

/** Mean cross-entropy in nats per token, and the mean square of the log-partition. */
export interface TokenLoss {
  readonly crossEntropy: Tensor;
  /** `mean (log Σ exp logits)²`; a small multiple of it keeps logits from drifting. */
  readonly zSquare: Tensor;
  /** Tokens that have a target, scalar. */
  readonly count: Tensor;
}

/**
 * The loss of a language model: `log Σ exp logits − logits[target]`, averaged over the tokens that have a target.
 *
 * @param logits - `[batch, pos, vocab]`
 * @param targets - int32 `[batch, pos]`; a negative one is no target
 */
export function tokenLoss(logits: Tensor, targets: Tensor): TokenLoss {
  const { partition, chosen } = partitionAndChosen("tokenLoss", logits, targets, "vocab");
  const counted = targets.greaterEqual(0);
  const count = counted.astype(logits.dtype).sum();
  const mean = (x: Tensor) => where(counted, x, 0).sum().div(maximum(count, 1));
  return { crossEntropy: mean(partition.sub(chosen)), zSquare: mean(partition.square()), count };
}

export interface CrossEntropyOptions extends LossOptions {
  /** The axis of the classes; the last when absent. */
  readonly axis?: string | number;
  /** Share of the target that is spread evenly over all classes, in [0, 1); 0 when absent. */
  readonly smoothing?: number;
  /** Factor of `(log Σ exp logits)²`, which keeps logits from drifting; 0 when absent. */
  readonly zLoss?: number;
}

/**
 * Cross-entropy in nats between softmax of the logits and integer labels:
 * `log Σ exp s − (1 − smoothing) · s[label] − smoothing · mean s + zLoss · (log Σ exp s)²`.
 *
 * Mask out examples without a label: their label may then be any number.
 *
 * @param logits - `[…, class]`, or with the classes along `axis`
 * @param labels - int32 `[…]`
 * @throws ShapeError when the labels' form is not that of the logits without the classes
 * @throws ConfigError when smoothing is outside [0, 1)
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  options: CrossEntropyOptions = {},
): Tensor {
  const { axis = -1, smoothing = 0, zLoss = 0 } = options;
  if (!(smoothing >= 0 && smoothing < 1)) {
    throw new ConfigError("CONFIG-01", `crossEntropy: smoothing ${smoothing} is not in [0, 1)`);
  }
  const { partition, chosen } = partitionAndChosen("crossEntropy", logits, labels, axis);
  const wanted =
    smoothing === 0 ? chosen : chosen.mul(1 - smoothing).add(logits.mean(axis).mul(smoothing));
  const plain = partition.sub(wanted);
  return reduced(zLoss === 0 ? plain : plain.add(partition.square().mul(zLoss)), options);
}

/**
 * Cross-entropy in nats of independent yes-or-no questions: `softplus s − target · s`.
 *
 * @param logits - log-odds of yes
 * @param targets - probabilities of yes, of the logits' form
 */
export function binaryCrossEntropy(
  logits: Tensor,
  targets: Tensor,
  options: LossOptions = {},
): Tensor {
  return reduced(softplus(logits).sub(logits.mul(targets)), options);
}

/**
 * Squared near 0 and linear far out: `d²/2` up to `delta`, then `delta · (d − delta/2)`, with
 * `d = |prediction − target|`.
 *
 * @see Huber, Robust estimation of a location parameter (1964)
 */
export function huber(
  prediction: Tensor,
  target: Tensor,
  options: LossOptions & { readonly delta?: number } = {},
): Tensor {
  const { delta = 1 } = options;
  const difference = prediction.sub(target);
  // With c the difference cut to ±delta: c · (difference − c/2), which has no kink at 0.
  const near = hardTanh(difference, -delta, delta);
  return reduced(near.mul(difference.sub(near.mul(0.5))), options);
}

/**
 * `huber / beta`: slope ±1 far out. With `beta` 0 it is the absolute difference.
 *
 * @see Girshick, arXiv:1504.08083
 */
export function smoothL1(
  prediction: Tensor,
  target: Tensor,
  options: LossOptions & { readonly beta?: number } = {},
): Tensor {
  const { beta = 1, ...rest } = options;
  if (beta === 0) return reduced(abs(prediction.sub(target)), rest);
  return huber(prediction, target, { ...rest, delta: beta }).mul(1 / beta);
}

/**
 * Focal loss of yes-or-no questions, which leaves little to the many that are easy:
 * `−α_t · (1 − p_t)^gamma · log p_t`, where `p_t` is the probability of the right answer, and `α_t` is `alpha`
 * for yes and `1 − alpha` for no.
 *
 * @param logits - log-odds of yes
 * @param targets - 1 for yes, 0 for no, of the logits' form
 * @see Lin et al., arXiv:1708.02002
 */
export function focalLoss(
  logits: Tensor,
  targets: Tensor,
  options: LossOptions & { readonly alpha?: number; readonly gamma?: number } = {},
): Tensor {
  const { alpha = 0.25, gamma = 2 } = options;
  // With s = ±logit, the sign for the right answer: p_t = σ(s), log p_t = −softplus(−s), log (1 − p_t) = −softplus(s).
  const right = logits.mul(targets.mul(2).sub(1));
  const ease = exp(softplus(right).mul(-gamma));
  const share = targets.mul(2 * alpha - 1).add(1 - alpha);
  return reduced(share.mul(ease).mul(softplus(right.neg())), options);
}
