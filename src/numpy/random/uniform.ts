/** @file Uniform floats, made of the bits of words. */

import type { DType } from "../../core/dtype.ts";
import { DTypeError } from "../../core/errors.ts";
import { at, ndarray } from "../../core/ndarray.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add, scale } from "../../ops/arithmetic.ts";
import { shiftLeft, shiftRight } from "../../ops/bits.ts";
import { full } from "../../ops/creation.ts";
import { convert } from "../../ops/logic.ts";
import { bits, type DrawOptions, type Key, wordPairs } from "./threefry.ts";

/** Low bits of a word that are drawn, and how many of them become the fraction: all that the dtype has. */
const FRACTIONS: Readonly<
  Partial<Record<DType, { readonly word: number; readonly fraction: number }>>
> = {
  float32: { word: 32, fraction: 23 },
  float16: { word: 16, fraction: 10 },
  bfloat16: { word: 8, fraction: 7 },
};

export interface UniformOptions extends DrawOptions {
  readonly low?: number;
  readonly high?: number;
  /** A float; float32 when absent. */
  readonly dtype?: DType;
}

/**
 * Uniform in [low, high), which is [0, 1) when absent, on a grid of 2⁻²³ of the range in float32 (2⁻⁵² in
 * float64, 2⁻¹⁰ in float16, 2⁻⁷ in bfloat16). Far from 0 the last rounding may reach `high`.
 *
 * @throws DTypeError when the dtype is no float
 */
export function uniform(from: Key, dims: readonly number[], options: UniformOptions = {}): Tensor {
  const { low = 0, high = 1, dtype = "float32" } = options;
  const unit = unitInterval(from, dims, dtype, options);
  if (low === 0 && high === 1) return unit;
  const round = (value: number) => at(ndarray(dtype, [], [value]), 0);
  const span = round(round(high) - round(low));
  return add(scale(unit, span), full(round(low), unit.aval));
}

/** The fraction bits of a float between 1 and 2, less 1. */
function unitInterval(
  from: Key,
  dims: readonly number[],
  dtype: DType,
  options: DrawOptions,
): Tensor {
  if (dtype === "float64") {
    const [high, low] = wordPairs(from, dims, options);
    const upper = scale(convert(high, dtype), 2 ** -32);
    return add(upper, scale(convert(shifted(low, 12), dtype), 2 ** -52));
  }
  const format = FRACTIONS[dtype];
  if (format === undefined) throw new DTypeError("DTYPE-01", `uniform: draws floats, not ${dtype}`);
  const words = bits(from, dims, options);
  const own = format.word === 32 ? words : shiftLeft(words, fullWord(words, 32 - format.word));
  const numerators = convert(shifted(own, 32 - format.fraction), "float32");
  return convert(scale(numerators, 2 ** -format.fraction), dtype);
}

function shifted(words: Tensor, by: number): Tensor {
  return shiftRight(words, fullWord(words, by));
}

function fullWord(like: Tensor, value: number): Tensor {
  return full(value, like.aval);
}
