/** @file Lion: Chen et al., arXiv:2302.06675. */

import type { Tensor } from "../core/tensor.ts";
import { sign } from "../numpy/index.ts";
import { fullLike } from "../ops/creation.ts";
import type { Optimizer } from "./optimizer.ts";
import { isAny, type ParameterFilter } from "./parameters.ts";

export interface LionOptions {
  /** Weight of the past in the direction. */
  readonly beta1?: number;
  /** Weight of the past in the momentum that is kept. */
  readonly beta2?: number;
  readonly weightDecay?: number;
  /** Parameters that decay; all when absent. */
  readonly decayed?: ParameterFilter;
}

export interface LionState {
  readonly momentum: Tensor;
}

/**
 * `W ← W − rate · ( sign(β1 m + (1−β1) g) + decay · W )`, then `m ← β2 m + (1−β2) g`.
 *
 * Every element moves by the rate, so rates are three to ten times smaller than AdamW's, and decay as much larger.
 */
export function lion(options: LionOptions = {}): Optimizer<LionState> {
  const { beta1 = 0.9, beta2 = 0.99, weightDecay = 0, decayed = isAny } = options;
  return {
    name: "lion",
    init: (param) => ({ momentum: fullLike(param, 0) }),
    update(param, gradient, { momentum }, { path, rate }) {
      const direction = sign(momentum.mul(beta1).add(gradient.mul(1 - beta1)));
      const decays = weightDecay !== 0 && decayed(path, param);
      const whole = decays ? direction.add(param.mul(weightDecay)) : direction;
      return {
        param: param.sub(whole.mul(rate)),
        state: { momentum: momentum.mul(beta2).add(gradient.mul(1 - beta2)) },
      };
    },
  };
}
