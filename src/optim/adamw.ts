/** @file AdamW: Loshchilov and Hutter, arXiv:1711.05101. */

import type { Tensor } from "../core/tensor.ts";
import { exp, scalar } from "../numpy/index.ts";
import { fullLike } from "../ops/creation.ts";
import type { Optimizer } from "./optimizer.ts";

export interface AdamWOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Decoupled from the gradient: `W ← W − rate · decay · W`. */
  readonly weightDecay?: number;
}

export interface AdamWState {
  readonly first: Tensor;
  readonly second: Tensor;
}

/**
 * `m ← β1 m + (1−β1) g`, `v ← β2 v + (1−β2) g²`,
 * `W ← W − rate · ( m̂ / (√v̂ + ε) + decay · W )` with `m̂ = m / (1 − β1^(t+1))`, likewise v̂.
 */
export function adamw(options: AdamWOptions = {}): Optimizer<AdamWState> {
  const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0.1 } = options;
  return {
    name: "adamw",
    init: (param) => ({ first: fullLike(param, 0), second: fullLike(param, 0) }),
    update(param, gradient, state, step, rate) {
      const first = state.first.mul(beta1).add(gradient.mul(1 - beta1));
      const second = state.second.mul(beta2).add(gradient.square().mul(1 - beta2));
      const debias = (beta: number) => scalar(1).sub(exp(step.add(1).mul(Math.log(beta))));
      const direction = first.div(debias(beta1)).div(second.div(debias(beta2)).sqrt().add(epsilon));
      return {
        param: param.sub(direction.add(param.mul(weightDecay)).mul(rate)),
        state: { first, second },
      };
    },
  };
}
