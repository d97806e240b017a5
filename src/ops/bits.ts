/** @file Bits: logical ops on truth values and integers, shifts and counts. */

import { notLinear } from "../core/op.ts";
import { booleans, integers, sample, values, words } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { fullLike } from "./creation.ts";
import { BITS } from "./dtypes.ts";
import {
  type BinaryOp,
  binary,
  type Call1,
  type Call2,
  call1,
  call2,
  noParams,
  type UnaryOp,
  unary,
} from "./families.ts";
import { convert, less, select } from "./logic.ts";

/** The other truth value; of an integer, all bits turned: −1 − x. */
export const notOp: UnaryOp = unary("not", {
  dtypes: ["bool", "int32", "int64", "uint32"],
  jvp: { none: "bits" },
  transpose: { none: "bits" },
  evaluate: (x, dtype) => (dtype === "bool" ? 1 - x : -1 - x),
  onnx: (g, x, y) => g.node(y.dtype === "bool" ? "Not" : "BitwiseNot", [x], y),
  stablehlo: "stablehlo.not",
  samples: () => [
    sample("both", [booleans(6)], noParams, false),
    sample("integers", [integers(-9, 9, 5)], noParams, false),
    sample("words", [words(5)], noParams, false),
  ],
});
export const not: Call1 = call1(notOp);

function bitwise(
  name: string,
  logical: string,
  stablehlo: string,
  f: (x: bigint, y: bigint) => bigint,
): BinaryOp {
  return binary(name, {
    dtypes: BITS,
    jvp: { none: "bits" },
    transpose: notLinear("bits"),
    evaluate: (x, y) => Number(f(BigInt(x), BigInt(y))), // negative ones have endless leading ones
    onnx: (g, x, y, z) => g.node(z.dtype === "bool" ? logical : `Bitwise${logical}`, [x, y], z),
    stablehlo,
    samples: () => [
      sample("words", [words(5), words(5)], noParams, false),
      sample("integers", [integers(-9, 9, 6), integers(-9, 9, 6)], noParams, false),
      sample("truth", [booleans(6), booleans(6)], noParams, false),
    ],
  });
}

export const andOp: BinaryOp = bitwise("and", "And", "stablehlo.and", (x, y) => x & y);
export const and: Call2 = call2(andOp);
export const orOp: BinaryOp = bitwise("or", "Or", "stablehlo.or", (x, y) => x | y);
export const or: Call2 = call2(orOp);
export const xorOp: BinaryOp = bitwise("xor", "Xor", "stablehlo.xor", (x, y) => x ^ y);
export const xor: Call2 = call2(xorOp);

/** A shift of uint32 by fewer than 32 places; by more, an engine does as its processor does. */
function shift(
  name: string,
  direction: string,
  stablehlo: string,
  f: (x: number, y: number) => number,
): BinaryOp {
  return binary(name, {
    dtypes: ["uint32"],
    jvp: { none: "bits" },
    transpose: notLinear("bits"),
    evaluate: (x, y) => (y >= 32 ? 0 : f(x, y) >>> 0),
    onnx: (g, x, y, z) => g.node("BitShift", [x, y], z, { direction: { string: direction } }),
    stablehlo,
    samples: () => [
      sample(
        "words",
        [words(6), values(aval("uint32", [6]), 0, 1, 7, 13, 24, 31)],
        noParams,
        false,
      ),
    ],
  });
}

export const shiftLeftOp: BinaryOp = shift(
  "shiftLeft",
  "LEFT",
  "stablehlo.shift_left",
  (x, y) => x << y,
);
export const shiftLeft: Call2 = call2(shiftLeftOp);
export const shiftRightOp: BinaryOp = shift(
  "shiftRight",
  "RIGHT",
  "stablehlo.shift_right_logical",
  (x, y) => x >>> y,
);
export const shiftRight: Call2 = call2(shiftRightOp);

/** The shift by any number of places: none of x is left after 32. */
export function wholeShift(shifted: Call2): Call2 {
  return (x, y) => select(less(y, fullLike(y, 32)), shifted(x, y), fullLike(x, 0));
}

/** Shift towards the low end that repeats the sign: ⌊x / 2ʸ⌋ for y ≥ 0, of int32. */
export function shiftRightArithmetic(x: Tensor, y: Tensor): Tensor {
  const negative = less(x, fullLike(x, 0));
  const turned = select(negative, not(x), x); // not negative, so that zeros may come in from the left
  const shift = wholeShift(shiftRight);
  const shifted = convert(shift(convert(turned, "uint32"), convert(y, "uint32")), "int32");
  return select(negative, not(shifted), shifted);
}

/** How many bits of a uint32 are set: sums of neighbouring fields of 1, 2 and 4 bits, then of the four bytes. */
export function popcount(x: Tensor): Tensor {
  const word = (value: number) => fullLike(x, value);
  const field = (z: Tensor, mask: number, by: number) => and(shiftRight(z, word(by)), word(mask));
  const pairs = sub(x, field(x, 0x55555555, 1));
  const fours = add(and(pairs, word(0x33333333)), field(pairs, 0x33333333, 2));
  const bytes = and(add(fours, shiftRight(fours, word(4))), word(0x0f0f0f0f));
  return shiftRight(mul(bytes, word(0x01010101)), word(24));
}

/** How many bits of a uint32 stand above its highest set one; 32 for 0. */
export function countLeadingZeros(x: Tensor): Tensor {
  const filled = [1, 2, 4, 8, 16].reduce((z, by) => or(z, shiftRight(z, fullLike(x, by))), x);
  return popcount(not(filled));
}
