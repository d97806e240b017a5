/**
 * @file Counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon et al., SC 2011), keyed and
 * counted as in JAX. A draw depends on the key and the element's place, never on devices or call order.
 */

import { parseAxes } from "../core/axes.ts";
import { aval, sizeOf } from "../core/shape.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import { add, neg, scale } from "../ops/arithmetic.ts";
import { or, shiftLeft, shiftRight, xor } from "../ops/bits.ts";
import { broadcast, full, iota } from "../ops/creation.ts";
import { erfInv } from "../ops/error-function.ts";
import { log } from "../ops/exponential.ts";
import { reshape } from "../ops/layout.ts";
import { convert } from "../ops/logic.ts";
import { concatenate, slice } from "../ops/pieces.ts";

/** A key: `uint32[2]`. Never draw twice from one key; `fold` or `split` it first. */
export type Key = Tensor;

const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;
/** Parity constant of the key schedule. */
const PARITY = 0x1bd11bda;

/** The key of a seed (a non-negative integer below 2⁵³). Works inside and outside traced functions. */
export function key(seed: number): Key {
  return stored(aval("uint32", [2]), new Uint32Array([Math.floor(seed / 2 ** 32), seed >>> 0]));
}

/** A key for the number or name `by`: equal names give equal keys, whatever else was drawn. */
export function fold(from: Key, by: number | string): Key {
  const word = typeof by === "string" ? hashName(by) : by;
  const [hi, lo] = threefry(
    from,
    constant(Math.floor(word / 2 ** 32), []),
    constant(word >>> 0, []),
  );
  return concatenate([reshape(hi, [1]), reshape(lo, [1])], 0);
}

/** FNV-1a over the UTF-16 units of a name. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++)
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}

/** `count` independent keys. */
export function split(from: Key, count: number): readonly Key[] {
  return Array.from({ length: count }, (_, i) => fold(from, i));
}

function constant(value: number, dims: readonly number[]): Tensor {
  return full(value, aval("uint32", dims));
}

/** One block for every pair of counter words. */
function threefry(from: Key, counterHigh: Tensor, counterLow: Tensor): readonly [Tensor, Tensor] {
  const like = counterLow.aval;
  const word = (i: number) => spread(reshape(slice(from, [i], [i + 1]), []), like.dims);
  const k0 = word(0);
  const k1 = word(1);
  const keys = [k0, k1, xor(xor(k0, k1), constant(PARITY, like.dims))] as const;
  let x0 = add(counterHigh, k0);
  let x1 = add(counterLow, k1);
  for (let block = 0; block < 5; block++) {
    for (const rotation of ROTATIONS[block % 2] ?? []) {
      x0 = add(x0, x1);
      x1 = xor(rotate(x1, rotation), x0);
    }
    const next = keys[(block + 1) % 3] ?? k0;
    const after = keys[(block + 2) % 3] ?? k1;
    x0 = add(x0, next);
    x1 = add(add(x1, after), constant(block + 1, like.dims));
  }
  return [x0, x1];
}

function rotate(x: Tensor, by: number): Tensor {
  return or(shiftLeft(x, constant(by, x.dims)), shiftRight(x, constant(32 - by, x.dims)));
}

function spread(x: Tensor, dims: readonly number[]): Tensor {
  return broadcast(x, { dims, axes: [], names: dims.map(() => null) });
}

/** Uniform 32-bit words, one per element. */
export function bits(from: Key, dims: readonly number[]): Tensor {
  const count = sizeOf(dims);
  const low = iota(aval("uint32", [count]), 0);
  const [hi, lo] = threefry(from, constant(0, [count]), low);
  return reshape(xor(hi, lo), dims);
}

/** Uniform in [low, high), on a grid of 2⁻²³ of the range. */
export function uniform(
  from: Key,
  dims: readonly number[],
  options: { readonly low?: number; readonly high?: number; readonly axes?: string } = {},
): Tensor {
  const { low = 0, high = 1 } = options;
  const mantissa = convert(shiftRight(bits(from, dims), constant(9, dims)), "float32");
  const unit = scale(mantissa, 2 ** -23);
  const scaled = add(scale(unit, high - low), full(low, unit.aval));
  return reshape(
    scaled,
    dims,
    options.axes === undefined ? undefined : parseAxes("uniform", options.axes),
  );
}

/** Standard normal, as `√2 · erf⁻¹(u)` with u uniform in (−1, 1). */
export function normal(from: Key, dims: readonly number[], axes?: string): Tensor {
  const low = -1 + 2 ** -24; // the smallest float32 above −1
  const drawn = scale(erfInv(uniform(from, dims, { low, high: 1 })), Math.SQRT2);
  return reshape(drawn, dims, axes === undefined ? undefined : parseAxes("normal", axes));
}

/** Gumbel: `−log(−log u)`; adding it to logits and taking the largest samples from their softmax. */
export function gumbel(from: Key, dims: readonly number[]): Tensor {
  const u = uniform(from, dims, { low: 2 ** -24, high: 1 });
  return neg(log(neg(log(u))));
}
