/** @file Normalisation with learnt scales and biases. */

import type { Tensor } from "../core/tensor.ts";
import { layerNorm as normaliseLayer, rmsNorm as normaliseRms } from "../numpy/index.ts";
import { ones, type ParamSpec, param, zeros } from "./param.ts";

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
  return normaliseRms(x, { scale, epsilon });
}

/** Scale and bias of a layer norm, `[embed]` each. */
export interface LayerNorm<T> {
  readonly scale: T;
  readonly bias: T;
}

export function layerNormParams(embed: number): LayerNorm<ParamSpec> {
  return { scale: param({ embed }, ones), bias: param({ embed }, zeros) };
}

/**
 * `(x − mean x) / √(variance x + ε) · scale + bias` along the last axis.
 *
 * @param x - `[…, embed]`
 * @see Ba et al., arXiv:1607.06450
 */
export function layerNorm(p: LayerNorm<Tensor>, x: Tensor, epsilon = 1e-5): Tensor {
  return normaliseLayer(x, { ...p, epsilon });
}
