/** @file Discrete distributions: coins, signs, integers of a range, categories. */

import { ShapeError } from "../../core/errors.ts";
import { axisOf, dimOf, showAval } from "../../core/shape.ts";
import { Tensor } from "../../core/tensor.ts";
import { argMax } from "../../ops/arg-max.ts";
import { add, mul, rem } from "../../ops/arithmetic.ts";
import { broadcast, full } from "../../ops/creation.ts";
import { transpose } from "../../ops/layout.ts";
import { convert, less, select } from "../../ops/logic.ts";
import { broadcastTo } from "../align.ts";
import { topK } from "../indexing.ts";
import { gumbel } from "./distributions.ts";
import { bits, type DrawOptions, type Key, split } from "./threefry.ts";
import { uniform } from "./uniform.ts";

/**
 * Truth values that are true with probability `p`, to a grid of 2⁻²³.
 *
 * @param p - a number, or a float32 tensor that broadcasts to the result
 */
export function bernoulli(
  from: Key,
  p: number | Tensor,
  dims: readonly number[],
  options: DrawOptions = {},
): Tensor {
  const u = uniform(from, dims, options);
  return less(u, p instanceof Tensor ? broadcastTo(p, u) : full(p, u.aval));
}

/** −1 or 1 with equal probability, int32. */
export function rademacher(from: Key, dims: readonly number[], options: DrawOptions = {}): Tensor {
  const heads = bernoulli(from, 0.5, dims, options);
  const sign = (value: number) => full(value, { ...heads.aval, dtype: "int32" });
  return select(heads, sign(1), sign(-1));
}

export interface RandintOptions extends DrawOptions {
  /** Smallest integer, at least −2³¹. */
  readonly low: number;
  /** First integer that is not drawn, at most 2³¹. */
  readonly high: number;
}

/**
 * Integers in [low, high), int32, as the remainder of random words.
 *
 * Up to a span of 2¹⁶ two words are one number of 64 bits, and no integer is likelier than another by more
 * than a share of 2⁻⁴⁸. Above, the first word drops out, as in JAX: the share is span / 2³².
 *
 * @throws ShapeError when the range is empty or leaves int32
 */
export function randint(from: Key, dims: readonly number[], options: RandintOptions): Tensor {
  const { low, high } = options;
  if (!(low < high))
    throw new ShapeError("SHAPE-01", `randint: there is no integer from ${low} to below ${high}`);
  if (low < -(2 ** 31) || high > 2 ** 31)
    throw new ShapeError("SHAPE-01", `randint: ${low} to below ${high} is more than int32 holds`);
  const span = high - low;
  const [first, second] = split(from, 2).map((own) => bits(own, dims, options));
  if (first === undefined || second === undefined) throw new RangeError("two keys");
  const word = (value: number) => full(value, first.aval);
  // (a · 2³² + b) mod span with 2³² = 2¹⁶ · 2¹⁶; where span exceeds 2¹⁶, the product wraps to 0 in words.
  const half = 2 ** 16 % span;
  const factor = (Math.imul(half, half) >>> 0) % span;
  const modulo = (x: Tensor) => (span === 2 ** 32 ? x : rem(x, word(span)));
  const offset = modulo(add(mul(modulo(first), word(factor)), modulo(second)));
  return add(convert(offset, "int32"), full(low, { ...offset.aval, dtype: "int32" }));
}

/**
 * Samples from the softmax of logits along one axis, int32 places along it: the largest of logits plus
 * Gumbel numbers (ties to the lower place).
 *
 * @param options.axis - where the categories stand; the last axis when absent
 * @param options.draws - samples per distribution, along a new first axis; one, and no such axis, when absent
 * @param options.replace - false draws without replacement: the places of the `draws` largest sums, falling
 * @returns the axes of logits without `axis`, after the axis of draws where there is one
 * @throws ShapeError when more is drawn without replacement than there are categories
 */
export function categorical(
  from: Key,
  logits: Tensor,
  options: {
    readonly axis?: string | number;
    readonly draws?: number;
    readonly replace?: boolean;
  } = {},
): Tensor {
  const { axis = -1, draws, replace = true } = options;
  const at = axisOf("categorical", logits.aval, axis);
  if (!replace) return distinct(from, logits, at, draws ?? 1);
  const lead = draws === undefined ? [] : [draws];
  const dims = [...lead, ...logits.dims];
  const noise = gumbel(from, dims);
  const spread = broadcast(logits, {
    dims,
    axes: logits.dims.map((_, i) => i + lead.length),
    names: [...lead.map(() => null), ...logits.names],
  });
  return argMax(add(spread, noise), at + lead.length);
}

/** The Gumbel top-k of logits along `axis`, with the axis of draws first. */
function distinct(from: Key, logits: Tensor, axis: number, draws: number): Tensor {
  if (draws > dimOf(logits.aval, axis)) {
    throw new ShapeError(
      "SHAPE-01",
      `categorical: ${draws} draws without replacement from axis ${axis} of ${showAval(logits.aval)}, which has ${dimOf(logits.aval, axis)} categories`,
    );
  }
  const { indices } = topK(add(logits, gumbel(from, logits.dims)), { along: axis, k: draws });
  return transpose(indices, [indices.rank - 1, ...indices.dims.slice(1).map((_, i) => i)]);
}
