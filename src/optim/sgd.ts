/** @file Plain gradient descent. */

import type { Optimizer } from "./optimizer.ts";

/** `W ← W − rate · g` */
export const sgd: Optimizer<readonly never[]> = {
  name: "sgd",
  init: () => [],
  update: (param, gradient, state, _step, rate) => ({
    param: param.sub(gradient.mul(rate)),
    state,
  }),
};
