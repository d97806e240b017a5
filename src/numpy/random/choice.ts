/** @file Permutations, and choices from a list. */

import { ShapeError } from "../../core/errors.ts";
import { aval, axisOf, dimOf, showAval, sizeOf } from "../../core/shape.ts";
import { Tensor } from "../../core/tensor.ts";
import { add, mul, sub } from "../../ops/arithmetic.ts";
import { full, iota } from "../../ops/creation.ts";
import { cumsum } from "../../ops/cumulative.ts";
import { log } from "../../ops/exponential.ts";
import { gather } from "../../ops/indexing.ts";
import { reshape, transpose } from "../../ops/layout.ts";
import { slice } from "../../ops/pieces.ts";
import { searchSorted } from "../../ops/search.ts";
import { argsort } from "../../ops/sort.ts";
import { topK } from "../../ops/top-k.ts";
import { broadcastTo } from "../align.ts";
import { randint } from "./discrete.ts";
import { gumbel } from "./distributions.ts";
import { bits, type Key, split } from "./threefry.ts";
import { uniform } from "./uniform.ts";

/**
 * 0 … n − 1 in random order, int32[n]: stably sorted by fresh random words, so often that equal words
 * leave no trace (once up to 1,625 elements, twice up to 2.6 million). A permutation whatever the words are.
 */
export function permutation(from: Key, n: number): Tensor {
  const rounds = Math.ceil((3 * Math.log(Math.max(1, n))) / Math.log(2 ** 32 - 1));
  let [key, order] = [from, iota(aval("int32", [n]), 0)];
  for (let round = 0; round < rounds; round++) {
    const [next, own] = split(key, 2) as [Key, Key];
    key = next;
    order = gather(order, argsort([bits(own, [n])], { axis: 0, descending: false }), 0, 1);
  }
  return order;
}

/** x with its slices along `axis` in random order. */
export function shuffle(from: Key, x: Tensor, axis: string | number): Tensor {
  const at = axisOf("shuffle", x.aval, axis);
  return along(x, permutation(from, dimOf(x.aval, at)), at);
}

export interface ChoiceOptions {
  /** Whether one element may be chosen again; true when absent. */
  readonly replace?: boolean;
  /** Probability of each element, float32[n], adding up to 1; equal when absent. */
  readonly p?: Tensor;
  /** Axis of a tensor along which is chosen; the first when absent. */
  readonly axis?: string | number;
}

/**
 * Elements chosen at random, in an array of sizes `dims`.
 *
 * @param a - a tensor, whose slices along `axis` are the elements, or a number n, for 0 … n − 1 as int32
 * @returns the chosen elements; the axes `dims` stand in the place of `axis`
 * @throws ShapeError when there are too few elements, or not one probability for each
 */
export function choice(
  from: Key,
  a: number | Tensor,
  dims: readonly number[],
  options: ChoiceOptions = {},
): Tensor {
  const at = a instanceof Tensor ? axisOf("choice", a.aval, options.axis ?? 0) : 0;
  const n = a instanceof Tensor ? dimOf(a.aval, at) : a;
  checkChoice(n, dims, options);
  const places = choosePlaces(from, n, dims, options);
  return a instanceof Tensor ? along(a, places, at) : places;
}

function checkChoice(n: number, dims: readonly number[], { replace = true, p }: ChoiceOptions) {
  const wrong = (why: string) => new ShapeError("SHAPE-01", `choice: ${why}`);
  const count = sizeOf(dims);
  if (n === 0 && count > 0) throw wrong("there is nothing to choose from");
  if (!replace && count > n) throw wrong(`${count} draws without replacement from ${n}`);
  if (p !== undefined && (p.rank !== 1 || p.dims[0] !== n))
    throw wrong(`p is ${showAval(p.aval)}, one probability for each of ${n} is needed`);
}

/** int32 places below n. */
function choosePlaces(
  from: Key,
  n: number,
  dims: readonly number[],
  { replace = true, p }: ChoiceOptions,
): Tensor {
  const count = sizeOf(dims);
  if (p === undefined) {
    return replace
      ? randint(from, dims, { low: 0, high: n })
      : reshape(slice(permutation(from, n), [0], [count]), dims);
  }
  if (!replace) {
    const [, places] = topK(add(gumbel(from, [n]), log(p)), count);
    return reshape(places, dims);
  }
  // The last running sum stands for 1, which it misses by its rounding.
  const sums = cumsum(p, 0);
  const total = reshape(slice(sums, [n - 1], [n]), []);
  const u = uniform(from, dims);
  const height = mul(broadcastTo(total, u), sub(full(1, u.aval), u));
  return searchSorted(sums, height, "left");
}

/** Slices of x at places along an axis, whose axes stand where that axis stood. */
function along(x: Tensor, places: Tensor, axis: number): Tensor {
  const first = [axis, ...x.dims.map((_, i) => i).filter((i) => i !== axis)];
  const chosen = gather(transpose(x, first), places);
  const r = places.rank;
  const order = chosen.dims.map((_, i) => (i < axis ? r + i : i < axis + r ? i - axis : i));
  return transpose(chosen, order);
}
