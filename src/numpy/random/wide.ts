/** @file Counting beyond 2³²: numbers of two uint32 words. */

import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add, mul } from "../../ops/arithmetic.ts";
import { and, shiftRight } from "../../ops/bits.ts";
import { full } from "../../ops/creation.ts";
import { convert, less } from "../../ops/logic.ts";

/** `high · 2³² + low`, modulo 2⁶⁴. */
export interface Wide {
  readonly high: Tensor;
  readonly low: Tensor;
}

const HALF = 2 ** 16;

function constant(value: number, like: Tensor): Tensor {
  return full(value, aval("uint32", like.dims, like.names));
}

/** `x · factor` for uint32 x and a non-negative integer below 2⁵³, by halves of words. */
export function timesWide(x: Tensor, factor: number): Wide {
  const [factorHigh, factorLow] = [Math.floor(factor / 2 ** 32), factor % 2 ** 32];
  const [c, d] = [constant(Math.floor(factorLow / HALF), x), constant(factorLow % HALF, x)];
  const [a, b] = [shiftRight(x, constant(16, x)), and(x, constant(HALF - 1, x))];
  const outer = mul(a, d);
  const middle = add(
    add(shiftRight(mul(b, d), constant(16, x)), and(outer, constant(HALF - 1, x))),
    mul(b, c),
  );
  const carried = add(shiftRight(outer, constant(16, x)), shiftRight(middle, constant(16, x)));
  const high = add(add(mul(a, c), carried), mul(x, constant(factorHigh, x)));
  return { high, low: mul(x, constant(factorLow, x)) };
}

export function addWide(x: Wide, y: Wide): Wide {
  const low = add(x.low, y.low);
  const carry = convert(less(low, y.low), "uint32");
  return { high: add(add(x.high, y.high), carry), low };
}
