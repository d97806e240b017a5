/** @file Gradient descent, plain or with momentum, in PyTorch's form. */

import type { Tensor } from "../core/tensor.ts";
import { where } from "../numpy/index.ts";
import { fullLike } from "../ops/creation.ts";
import type { Optimizer } from "./optimizer.ts";
import { isAny, type ParameterFilter } from "./parameters.ts";

export interface SgdOptions {
  readonly momentum?: number;
  /** Share of each gradient that the momentum leaves out; the first one counts whole. */
  readonly dampening?: number;
  /** Step from where the momentum will have led. */
  readonly nesterov?: boolean;
  /** Added to the gradient: `g + decay · W`. */
  readonly weightDecay?: number;
  /** Parameters that decay; all when absent. */
  readonly decayed?: ParameterFilter;
}

/** Nothing without momentum. */
export type SgdState = readonly never[] | { readonly momentum: Tensor };

/**
 * `g ← g + decay · W`, `v ← µ v + (1 − dampening) g`, `W ← W − rate · v`; Nesterov's form takes `g + µ v` for v.
 * Without options it is `W ← W − rate · g`.
 *
 * @see Sutskever et al., On the importance of initialization and momentum in deep learning (2013)
 */
export function sgd(options: SgdOptions = {}): Optimizer<SgdState> {
  const { momentum = 0, dampening = 0, nesterov = false, weightDecay = 0 } = options;
  const { decayed = isAny } = options;
  return {
    name: "sgd",
    init: (param) => (momentum === 0 ? [] : { momentum: fullLike(param, 0) }),
    update(param, gradient, state, { path, step, rate }) {
      const decays = weightDecay !== 0 && decayed(path, param);
      const g = decays ? gradient.add(param.mul(weightDecay)) : gradient;
      if (!("momentum" in state)) return { param: param.sub(g.mul(rate)), state };
      const fresh = dampening === 0 ? g : g.mul(where(step.equal(0), 1, 1 - dampening));
      const v = state.momentum.mul(momentum).add(fresh);
      const direction = nesterov ? g.add(v.mul(momentum)) : v;
      return { param: param.sub(direction.mul(rate)), state: { momentum: v } };
    },
  };
}
