/** @file Normalisation. */

import type { Tensor } from "../core/tensor.ts";
import { rmsNorm as normalise } from "../ops/normalisation.ts";
import { ones, type ParamSpec, param } from "./param.ts";

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
  return normalise(x, scale, epsilon);
}
