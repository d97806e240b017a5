/** @file Dropout: numbers left out at random, so that none is relied upon. */

import { ConfigError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { random, where } from "../numpy/index.ts";

/** What is left out, and by which key. Without one nothing is: that is how a model is used. */
export interface Dropout {
  /** Share of the numbers that become 0, in [0, 1). */
  readonly rate: number;
  readonly key: random.Key;
}

/**
 * x with a share of `rate` of its numbers 0 and the others larger by `1 / (1 − rate)`, so that the
 * expectation stays.
 *
 * @param drop - nothing is left out when absent
 * @throws ConfigError when the rate is outside [0, 1)
 * @see Srivastava et al. (2014), with the factor in training rather than afterwards
 */
export function dropout(x: Tensor, drop?: Dropout): Tensor {
  if (drop === undefined || drop.rate === 0) return x;
  const { rate, key } = drop;
  if (!(rate > 0 && rate < 1)) {
    throw new ConfigError("CONFIG-01", `dropout: rate ${rate} is not in [0, 1)`);
  }
  const drawn = random.uniform(key, x.dims);
  const kept = drawn.greaterEqual(rate).reshape(x.dims);
  return where(kept, x.mul(1 / (1 - rate)), 0);
}
