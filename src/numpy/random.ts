/**
 * @file Random numbers: keys, words, and the distributions made of them. Numbers equal those of JAX with
 * `jax_threefry_partitionable`: bit for bit where no logarithm or root is taken, else up to their rounding.
 */

export * from "./random/choice.ts";
export * from "./random/discrete.ts";
export * from "./random/distributions.ts";
export * from "./random/gamma.ts";
export {
  bits,
  type DrawOptions,
  fold,
  type Key,
  key,
  keys,
  type Piece,
  split,
} from "./random/threefry.ts";
export * from "./random/uniform.ts";
