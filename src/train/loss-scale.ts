/** @file Loss scaling: small gradients of 16-bit floats lifted out of their underflow (Micikevicius et al., arXiv:1710.03740). */

import type { Tensor } from "../core/tensor.ts";
import { maximum, minimum, scalar, where } from "../numpy/index.ts";

/** A factor that finds its own size: doubled after many good steps, halved after one that overflows. */
export interface DynamicLossScale {
  readonly start: number;
  /** Good steps in a row before the scale doubles. */
  readonly growEvery: number;
  readonly min: number;
  readonly max: number;
}

/** One factor for the whole run, or a dynamic one. Powers of two cost no accuracy. */
export type LossScale = number | DynamicLossScale;

/** The settings that PyTorch's scaler has. */
export const DYNAMIC: DynamicLossScale = { start: 65_536, growEvery: 2000, min: 1, max: 2 ** 24 };

/** What a dynamic scale keeps in the training state, scalars float32. */
export interface LossScaleState {
  readonly scale: Tensor;
  /** Good steps since it last changed. */
  readonly good: Tensor;
}

export function initialLossScale({ start }: DynamicLossScale): LossScaleState {
  return { scale: scalar(start), good: scalar(0) };
}

/** The scale after a step that was finite. */
export function grown({ scale, good }: LossScaleState, rule: DynamicLossScale): LossScaleState {
  const due = good.add(1).greaterEqual(rule.growEvery);
  return {
    scale: where(due, minimum(scale.mul(2), rule.max), scale),
    good: where(due, 0, good.add(1)),
  };
}

/** The scale after a step that overflowed. */
export function halved({ scale }: LossScaleState, rule: DynamicLossScale): LossScaleState {
  return { scale: maximum(scale.mul(0.5), rule.min), good: scalar(0) };
}
