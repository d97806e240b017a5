/**
 * @file Counter-based random words: Threefry-2x32 with 20 rounds (Salmon et al., SC 2011), keyed and
 * counted as in JAX. A word is a function of the key and the element's place in the array: it depends
 * neither on devices nor on what else was drawn.
 */

import { type AxisName, parseAxes } from "../../core/axes.ts";
import { asOneLine } from "../../core/builder.ts";
import { ShapeError } from "../../core/errors.ts";
import { aval, sizeOf, stridesOf } from "../../core/shape.ts";
import { stored, Tensor } from "../../core/tensor.ts";
import { add, mul } from "../../ops/arithmetic.ts";
import { or, shiftLeft, shiftRight, xor } from "../../ops/bits.ts";
import { broadcast, full, iota } from "../../ops/creation.ts";
import { reshape } from "../../ops/layout.ts";
import { convert } from "../../ops/logic.ts";
import { concatenate, slice } from "../../ops/pieces.ts";
import { addWide, timesWide, type Wide } from "./wide.ts";

/** A key: `uint32[2]`. Never draw twice from one key; `fold` or `split` it first. */
export type Key = Tensor;

/** What every draw takes besides its key and sizes. */
export interface DrawOptions {
  /** Axis words of the result; unnamed when absent. */
  readonly axes?: string;
  /** Draw only a piece of a larger array: the numbers that the whole array has there. */
  readonly piece?: Piece;
}

/** Where a piece lies in the array that it is a piece of; its own sizes are those of the draw. */
export interface Piece {
  /** Sizes of the whole array. */
  readonly of: readonly number[];
  /** First index along each axis: a number, or an int32 or uint32 scalar such as one made of `partitionId`. */
  readonly at: readonly (number | Tensor)[];
}

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

/**
 * A key for the number or name `by`: equal ones give equal keys, whatever else was drawn.
 *
 * @param by - a non-negative integer below 2⁵³, an int32 or uint32 scalar, or a name
 */
export function fold(from: Key, by: number | string | Tensor): Key {
  const word = typeof by === "string" ? hashName(by) : by;
  const [high, low] =
    word instanceof Tensor
      ? [constant(0, []), convert(word, "uint32")]
      : [constant(Math.floor(word / 2 ** 32), []), constant(word >>> 0, [])];
  const [first, second] = threefry(from, high, low);
  return concatenate([reshape(first, [1]), reshape(second, [1])], 0);
}

/** FNV-1a over the UTF-16 units of a name. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++)
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}

/** `count` independent keys; key i is `fold(from, i)`. */
export function split(from: Key, count: number): readonly Key[] {
  const all = keys(from, count);
  return Array.from({ length: count }, (_, i) => reshape(slice(all, [i, 0], [i + 1, 2]), [2]));
}

/** The keys of `split` as one `uint32[count, 2]`, for `vmap` over its first axis. */
export function keys(from: Key, count: number): Tensor {
  return keysOf(from, [count], {});
}

/** A key for every element, `uint32[…dims, 2]`; that of place i is `fold(from, i)`. */
export function keysOf(from: Key, dims: readonly number[], { piece }: DrawOptions): Tensor {
  const words = wordPairs(from, dims, { ...(piece && { piece }) });
  return concatenate(
    words.map((word) => reshape(word, [...dims, 1])),
    dims.length,
  );
}

/** Uniform 32-bit words, `uint32[…dims]`. */
export function bits(from: Key, dims: readonly number[], options: DrawOptions = {}): Tensor {
  const [high, low] = wordPairs(from, dims, options);
  return xor(high, low);
}

/**
 * Both words of each element's block.
 *
 * @throws ShapeError when the piece does not lie inside its array
 */
export function wordPairs(
  from: Key,
  dims: readonly number[],
  { axes, piece }: DrawOptions,
): readonly [Tensor, Tensor] {
  const names = namesOf(dims, axes);
  return asOneLine(() => {
    const { high, low } = places(dims, piece);
    return threefry(from, reshape(high, dims, names), reshape(low, dims, names));
  });
}

/**
 * A name, or null, for every axis.
 *
 * @throws ShapeError when there are words for more axes or fewer
 */
export function namesOf(dims: readonly number[], axes: string | undefined): readonly AxisName[] {
  const names = axes === undefined ? dims.map(() => null) : parseAxes("random", axes);
  if (names.length === dims.length) return names;
  throw new ShapeError(
    "SHAPE-01",
    `random: "${axes}" names ${names.length} axes, but the sizes are [${dims.join(", ")}]`,
  );
}

/** Row-major places of a piece's elements in the whole array, `Σ (at + index) · stride` over the axes. */
function places(dims: readonly number[], piece: Piece | undefined): Wide {
  const whole = piece?.of ?? dims;
  checkPiece(dims, piece);
  const strides = stridesOf(whole);
  const wide = sizeOf(whole) > 2 ** 32;
  const terms = dims.map((length, axis): Wide => {
    const index = iota(aval("uint32", [length]), 0);
    const start = piece?.at[axis] ?? 0;
    const shift =
      start instanceof Tensor
        ? spread(reshape(convert(start, "uint32"), []), [length])
        : constant(start, [length]);
    const at = add(index, shift);
    const stride = strides[axis] ?? 1;
    const along = (x: Tensor) => broadcast(x, { dims, axes: [axis], names: dims.map(() => null) });
    if (!wide) return { high: constant(0, dims), low: along(mul(at, constant(stride, [length]))) };
    const { high, low } = timesWide(at, stride);
    return { high: along(high), low: along(low) };
  });
  const zero = { high: constant(0, dims), low: constant(0, dims) };
  const [first = zero, ...rest] = terms;
  // Without a high word there is nothing to carry.
  const plus = (x: Wide, y: Wide): Wide =>
    wide ? addWide(x, y) : { high: x.high, low: add(x.low, y.low) };
  return rest.reduce(plus, first);
}

function checkPiece(dims: readonly number[], piece: Piece | undefined): void {
  const whole = piece?.of ?? dims;
  const at = piece?.at ?? dims.map(() => 0);
  const show = (list: readonly (number | Tensor)[]) => `[${list.join(", ")}]`;
  const inside = dims.every((length, axis) => {
    const start = at[axis];
    const end = (start instanceof Tensor ? 0 : (start ?? -1)) + length;
    return end >= length && end <= (whole[axis] ?? -1);
  });
  if (inside && whole.length === dims.length && at.length === dims.length) return;
  throw new ShapeError("SHAPE-01", "random: the piece does not lie inside its array.", [
    ["piece", `${show(dims)} at ${show(at)}`],
    ["array", show(whole)],
  ]);
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
  const schedule = [k0, k1, xor(xor(k0, k1), constant(PARITY, like.dims))] as const;
  let x0 = add(counterHigh, k0);
  let x1 = add(counterLow, k1);
  for (let block = 0; block < 5; block++) {
    for (const rotation of ROTATIONS[block % 2] ?? []) {
      x0 = add(x0, x1);
      x1 = xor(rotate(x1, rotation), x0);
    }
    const next = schedule[(block + 1) % 3] ?? k0;
    const after = schedule[(block + 2) % 3] ?? k1;
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
