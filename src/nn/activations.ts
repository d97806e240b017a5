/** @file Activations by name, as configs choose them. */

import type { Tensor } from "../core/tensor.ts";
import { gelu, geluErf, logistic, relu, silu, tanh } from "../numpy/index.ts";

/**
 * `gelu` is the form with the hyperbolic tangent (GPT-2, T5 1.1), `gelu-erf` that with the error function
 * (BERT); `relu-squared` is `max(x, 0)²` (So et al., arXiv:2109.08668).
 */
export type ActivationName =
  | "gelu"
  | "gelu-erf"
  | "silu"
  | "relu"
  | "relu-squared"
  | "sigmoid"
  | "tanh"
  | "identity";

/** Functions of one number each. */
export const ACTIVATIONS: Readonly<Record<ActivationName, (x: Tensor) => Tensor>> = {
  gelu,
  "gelu-erf": geluErf,
  silu,
  relu,
  "relu-squared": (x) => relu(x).square(),
  sigmoid: logistic,
  tanh,
  identity: (x) => x,
};
