/**
 * @file Counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon et al., SC 2011), keyed and
 * counted as in JAX. A draw depends on the key and the element's place, never on devices or call order.
 */

import { parseAxes } from "../core/axes.ts";
import { aval, sizeOf } from "../core/shape.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import { broadcast, full, iota } from "../ops/creation.ts";
import * as e from "../ops/elementwise.ts";
import { reshape } from "../ops/layout.ts";
import * as logic from "../ops/logic.ts";
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
  const keys = [k0, k1, logic.xor(logic.xor(k0, k1), constant(PARITY, like.dims))] as const;
  let x0 = e.add(counterHigh, k0);
  let x1 = e.add(counterLow, k1);
  for (let block = 0; block < 5; block++) {
    for (const rotation of ROTATIONS[block % 2] ?? []) {
      x0 = e.add(x0, x1);
      x1 = logic.xor(rotate(x1, rotation), x0);
    }
    const next = keys[(block + 1) % 3] ?? k0;
    const after = keys[(block + 2) % 3] ?? k1;
    x0 = e.add(x0, next);
    x1 = e.add(e.add(x1, after), constant(block + 1, like.dims));
  }
  return [x0, x1];
}

function rotate(x: Tensor, by: number): Tensor {
  return logic.or(
    logic.shiftLeft(x, constant(by, x.dims)),
    logic.shiftRight(x, constant(32 - by, x.dims)),
  );
}

function spread(x: Tensor, dims: readonly number[]): Tensor {
  return broadcast(x, { dims, axes: [], names: dims.map(() => null) });
}

/** Uniform 32-bit words, one per element. */
export function bits(from: Key, dims: readonly number[]): Tensor {
  const count = sizeOf(dims);
  const low = iota(aval("uint32", [count]), 0);
  const [hi, lo] = threefry(from, constant(0, [count]), low);
  return reshape(logic.xor(hi, lo), dims);
}

/** Uniform in [low, high), on a grid of 2⁻²³ of the range. */
export function uniform(
  from: Key,
  dims: readonly number[],
  options: { readonly low?: number; readonly high?: number; readonly axes?: string } = {},
): Tensor {
  const { low = 0, high = 1 } = options;
  const mantissa = logic.convert(logic.shiftRight(bits(from, dims), constant(9, dims)), "float32");
  const unit = e.scale(mantissa, 2 ** -23);
  const scaled = e.add(e.scale(unit, high - low), full(low, unit.aval));
  return reshape(
    scaled,
    dims,
    options.axes === undefined ? undefined : parseAxes("uniform", options.axes),
  );
}

/** Standard normal, as `√2 · erf⁻¹(u)` with u uniform in (−1, 1). */
export function normal(from: Key, dims: readonly number[], axes?: string): Tensor {
  const low = -1 + 2 ** -24; // the smallest float32 above −1
  const drawn = e.scale(inverseErf(uniform(from, dims, { low, high: 1 })), Math.SQRT2);
  return reshape(drawn, dims, axes === undefined ? undefined : parseAxes("normal", axes));
}

/** Gumbel: `−log(−log u)`; adding it to logits and taking the largest samples from their softmax. */
export function gumbel(from: Key, dims: readonly number[]): Tensor {
  const u = uniform(from, dims, { low: 2 ** -24, high: 1 });
  return e.neg(e.log(e.neg(e.log(u))));
}

/** Coefficients of Giles's single-precision approximation (GPU Computing Gems, 2012). */
const CENTRE = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503,
  -0.00417768164, 0.246640727, 1.50140941,
] as const;
const TAIL = [
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
  0.00943887047, 1.00167406, 2.83297682,
] as const;

/** Inverse error function on (−1, 1), to single precision. */
export function inverseErf(x: Tensor): Tensor {
  const one = full(1, x.aval);
  const w = e.neg(e.log(e.mul(e.sub(one, x), e.add(one, x))));
  const horner = (coefficients: readonly number[], t: Tensor) =>
    coefficients
      .slice(1)
      .reduce(
        (sum, c) => e.add(e.mul(sum, t), full(c, x.aval)),
        full(coefficients[0] ?? 0, x.aval),
      );
  const near = horner(CENTRE, e.sub(w, full(2.5, x.aval)));
  const far = horner(TAIL, e.sub(e.sqrt(e.maximum(w, full(5, x.aval))), full(3, x.aval)));
  return e.mul(x, logic.select(logic.less(w, full(5, x.aval)), near, far));
}
