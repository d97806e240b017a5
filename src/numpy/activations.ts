/** @file Activations, element by element. Where one has a kink, the slope there is stated. */

import type { Tensor } from "../core/tensor.ts";
import { softplus } from "../ops/activations.ts";
import { add, mul, scale } from "../ops/arithmetic.ts";
import { fullLike } from "../ops/creation.ts";
import { exp, logistic } from "../ops/exponential.ts";
import { tanh } from "../ops/hyperbolic.ts";
import { less, select } from "../ops/logic.ts";
import { maximum, minimum } from "../ops/magnitude.ts";

export { gelu, geluErf, softplus } from "../ops/activations.ts";

/** `max(x, 0)`; slope 0 at 0. */
export function relu(x: Tensor): Tensor {
  return maximum(fullLike(x, 0), x); // at a tie the first operand takes the slope
}

/** x where it is positive, else `slope · x`; that slope at 0. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return select(less(fullLike(x, 0), x), x, scale(x, slope));
}

/**
 * x where it is positive, else `alpha · (exp x − 1)`.
 *
 * @see Clevert et al., arXiv:1511.07289
 */
export function elu(x: Tensor, alpha = 1): Tensor {
  // Positive x must not reach exp: an overflow there would turn the gradient into NaN.
  const low = minimum(x, fullLike(x, 0));
  // exp x − 1 = tanh(x/2) · (exp x + 1), which keeps all digits near 0.
  const bent = mul(tanh(scale(low, 0.5)), add(exp(low), fullLike(low, 1)));
  return select(less(fullLike(x, 0), x), x, scale(bent, alpha));
}

/**
 * `x · σ(x)`, also called swish.
 *
 * @see Ramachandran et al., arXiv:1710.05941
 */
export function silu(x: Tensor): Tensor {
  return mul(x, logistic(x));
}

/**
 * `x · tanh(softplus x)`.
 *
 * @see Misra, arXiv:1908.08681
 */
export function mish(x: Tensor): Tensor {
  return mul(x, tanh(softplus(x)));
}

/** x cut to [low, high]; slope 0 at both ends. */
export function hardTanh(x: Tensor, low = -1, high = 1): Tensor {
  return minimum(fullLike(x, high), maximum(fullLike(x, low), x));
}
