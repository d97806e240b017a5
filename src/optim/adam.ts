/** @file Adam (Kingma and Ba, arXiv:1412.6980) and AdamW (Loshchilov and Hutter, arXiv:1711.05101). */

import type { Tensor } from "../core/tensor.ts";
import { exp, maximum, scalar } from "../numpy/index.ts";
import { fullLike } from "../ops/creation.ts";
import type { LeafUpdate, Optimizer, UpdateAt } from "./optimizer.ts";
import { isAny, type ParameterFilter } from "./parameters.ts";

export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
  /** Parameters that decay; all when absent. */
  readonly decayed?: ParameterFilter;
  /** Divide by the largest second moment so far: Reddi et al., arXiv:1904.09237. */
  readonly amsgrad?: boolean;
}

export interface AdamState {
  readonly first: Tensor;
  readonly second: Tensor;
  /** With AMSGrad: the largest second moment so far, element by element. */
  readonly largest?: Tensor;
}

/**
 * `g ← g + decay · W`, `m ← β1 m + (1−β1) g`, `v ← β2 v + (1−β2) g²`,
 * `W ← W − rate · m̂ / (√v̂ + ε)` with `m̂ = m / (1 − β1^(t+1))`, likewise v̂.
 */
export function adam(options: AdamOptions = {}): Optimizer<AdamState> {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, amsgrad = false } = options;
  const { decayed = isAny } = options;
  const moments = { beta1, beta2, epsilon };
  return {
    name: "adam",
    init: (param) => initial(param, amsgrad),
    update(param, gradient, state, at) {
      const decays = weightDecay !== 0 && decayed(at.path, param);
      const g = decays ? gradient.add(param.mul(weightDecay)) : gradient;
      const { direction, next } = adamDirection(g, state, at, moments);
      return { param: param.sub(direction.mul(at.rate)), state: next };
    },
  };
}

/** Adam, with weights that decay apart from the gradient: `W ← W − rate · ( m̂ / (√v̂ + ε) + decay · W )`. */
export function adamw(options: AdamOptions = {}): Optimizer<AdamState> {
  const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0.1, amsgrad = false } = options;
  const { decayed = isAny } = options;
  const moments = { beta1, beta2, epsilon };
  return {
    name: "adamw",
    init: (param) => initial(param, amsgrad),
    update(param, gradient, state, at): LeafUpdate<AdamState> {
      const { direction, next } = adamDirection(gradient, state, at, moments);
      const decays = weightDecay !== 0 && decayed(at.path, param);
      const whole = decays ? direction.add(param.mul(weightDecay)) : direction;
      return { param: param.sub(whole.mul(at.rate)), state: next };
    },
  };
}

function initial(param: Tensor, amsgrad: boolean): AdamState {
  const zero = () => fullLike(param, 0);
  return { first: zero(), second: zero(), ...(amsgrad ? { largest: zero() } : {}) };
}

/** `m̂ / (√v̂ + ε)` and the next moments. */
function adamDirection(
  g: Tensor,
  state: AdamState,
  { step }: UpdateAt,
  { beta1, beta2, epsilon }: Required<Pick<AdamOptions, "beta1" | "beta2" | "epsilon">>,
): { readonly direction: Tensor; readonly next: AdamState } {
  const first = state.first.mul(beta1).add(g.mul(1 - beta1));
  const second = state.second.mul(beta2).add(g.square().mul(1 - beta2));
  const largest = state.largest === undefined ? undefined : maximum(state.largest, second);
  const unbiased = (x: Tensor, beta: number) => x.div(unbias(beta, step));
  const size = unbiased(largest ?? second, beta2)
    .sqrt()
    .add(epsilon);
  return {
    direction: unbiased(first, beta1).div(size),
    next: { first, second, ...(largest === undefined ? {} : { largest }) },
  };
}

/** `1 − β^(t+1)`: what a running mean that started at zero is short of. */
export function unbias(beta: number, step: Tensor): Tensor {
  return scalar(1).sub(exp(step.add(1).mul(Math.log(beta))));
}
