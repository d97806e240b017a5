/** @file Reverse, roll, concatenate and split along a split dimension: every element has one place to go to. */

import { ShardingError } from "../../core/errors.ts";
import type { Mesh } from "../../core/mesh.ts";
import type { Tensor } from "../../core/tensor.ts";
import { reverse } from "../../ops/layout.ts";
import { concatenate } from "../../ops/pieces.ts";
import type { Split } from "../mask.ts";
import { blocksOf, checkBlock, exchange, exchangePieces } from "./exchange.ts";
import { heldIn, piecesOf, type Run } from "./exchange-plan.ts";
import { cut } from "./place-numbers.ts";

/**
 * A split dimension from its last element to its first, split likewise. Of n even blocks, block i goes to place
 * n − 1 − i; of uneven ones each place gets two pieces.
 *
 * @param x - local, blocks of ⌈size/shards⌉ along `at.dim`
 */
export function reverseSplit(mesh: Mesh, x: Tensor, at: Split): Tensor {
  const { size, block, shards } = blocksOf(at);
  const places = Array.from({ length: shards }, (_, i) => i);
  // Place i holds the results i·block to (i + 1)·block, which are these elements, the last one first.
  const starts = places.map((i) => size - block * (i + 1));
  const counts = places.map((i) => (block * i < size ? block : 0));
  return reverse(exchange(mesh, x, at, { starts, counts, length: block }), [at.dim]);
}

/**
 * A split dimension whose element i moves to place (i + shift) mod size, split likewise. Of even blocks, each place sends
 * what crosses its border to one other, or to two; a shift by a block or less is one exchange with the next place.
 *
 * @param x - local, blocks of ⌈size/shards⌉ along `at.dim`
 * @param shift - 0 < shift < size
 */
export function rollSplit(mesh: Mesh, x: Tensor, at: Split, shift: number): Tensor {
  const blocks = blocksOf(at);
  const { size, block, shards } = blocks;
  checkBlock("rollSplit", x, at, block);
  // Results before `shift` come from the end, the others from the beginning.
  const halves = [
    { begin: 0, end: shift, from: size - shift },
    { begin: shift, end: size, from: 0 },
  ];
  const runs = halves.flatMap(({ begin, end, from }) =>
    Array.from({ length: shards }, (_, target): Run => {
      const first = Math.max(begin, block * target);
      const count = Math.min(end, block * (target + 1)) - first;
      return { target, from: from + first - begin, count, to: first - block * target };
    }).filter(({ count }) => count > 0),
  );
  return exchangePieces(mesh, x, at, piecesOf(heldIn(blocks), runs), block);
}

/**
 * Operands one after the other along a dimension that is split in all of them, split likewise.
 *
 * @param xs - local, operand k with blocks of ⌈sizes[k]/shards⌉ along `at.dim`
 * @throws ShardingError when an operand has other blocks
 */
export function concatenateSplit(
  mesh: Mesh,
  xs: readonly Tensor[],
  { dim, axes, sizes }: Omit<Split, "size"> & { readonly sizes: readonly number[] },
): Tensor {
  if (xs.length !== sizes.length)
    throw new ShardingError(
      "SHARD-01",
      `concatenateSplit: ${xs.length} operands have ${sizes.length} sizes.`,
    );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const { block, shards } = blocksOf({ dim, axes, size: total });
  // Where an operand begins in the whole result, and in the local row of all operands.
  let [begin, base] = [0, 0];
  const pieces = xs.flatMap((x, k) => {
    const at = { dim, axes, size: sizes[k] ?? 0 };
    const own = blocksOf(at);
    checkBlock("concatenateSplit", x, at, own.block);
    const runs = Array.from({ length: shards }, (_, target): Run => {
      const first = Math.max(begin, block * target);
      const end = Math.min(begin + own.size, block * (target + 1));
      return { target, from: first - begin, count: end - first, to: first - block * target };
    }).filter(({ count }) => count > 0);
    const found = piecesOf(heldIn(own), runs).map((piece) => ({
      ...piece,
      from: piece.from + base,
    }));
    begin += own.size;
    base += own.block;
    return found;
  });
  const row = concatenate(xs, dim);
  return shards === 1 ? row : exchangePieces(mesh, row, { dim, axes }, pieces, block);
}

/**
 * Runs of elements of a split dimension, one after the other, split likewise.
 *
 * @param x - local, blocks of ⌈size/shards⌉ along `at.dim`
 * @param runs - where each begins, and how long it is
 */
export function regroupSplit(
  mesh: Mesh,
  x: Tensor,
  at: Split,
  { starts, sizes }: { readonly starts: readonly number[]; readonly sizes: readonly number[] },
): Tensor {
  const blocks = blocksOf(at);
  checkBlock("regroupSplit", x, at, blocks.block);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const { block, shards } = blocksOf({ ...at, size: total });
  let begin = 0;
  const runs = sizes.flatMap((size, k) => {
    const own = Array.from({ length: shards }, (_, target): Run => {
      const first = Math.max(begin, block * target);
      const count = Math.min(begin + size, block * (target + 1)) - first;
      const from = (starts[k] ?? 0) + first - begin;
      return { target, from, count, to: first - block * target };
    });
    begin += size;
    return own.filter(({ count }) => count > 0);
  });
  return exchangePieces(mesh, x, at, piecesOf(heldIn(blocks), runs), block);
}

/**
 * A split dimension cut into parts, each split likewise. What goes to one device of one part and what comes to it of
 * another travel in the same rounds.
 *
 * @param x - local, blocks of ⌈size/shards⌉ along `at.dim`
 * @param sizes - of the parts; their sum is `at.size`
 * @returns local, part k with blocks of ⌈sizes[k]/shards⌉
 */
export function partsSplit(
  mesh: Mesh,
  x: Tensor,
  at: Split,
  sizes: readonly number[],
): readonly Tensor[] {
  const blocks = blocksOf(at);
  const { shards } = blocks;
  checkBlock("partsSplit", x, at, blocks.block);
  let [begin, base] = [0, 0];
  const parts = sizes.map((size) => {
    const { block } = blocksOf({ ...at, size });
    const part = { size, block, begin, base };
    begin += size;
    base += block;
    return part;
  });
  const runs = parts.flatMap((part) =>
    Array.from({ length: shards }, (_, target): Run => {
      const from = Math.min(part.block * target, part.size);
      const count = Math.min(part.size - from, part.block);
      return { target, from: part.begin + from, count, to: part.base };
    }).filter(({ count }) => count > 0),
  );
  const row = exchangePieces(mesh, x, at, piecesOf(heldIn(blocks), runs), base);
  return parts.map((part) => cut(row, at.dim, part.base, part.base + part.block));
}
