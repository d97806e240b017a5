/** @file Reverse and concatenate along a split dimension: every element has one place to go to. */

import { ShardingError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { reverse } from "../../ops/layout.ts";
import { concatenate } from "../../ops/pieces.ts";
import type { Split } from "../mask.ts";
import type { Mesh } from "../mesh.ts";
import { blocksOf, checkBlock, exchange, exchangePieces } from "./exchange.ts";
import { heldIn, piecesOf, type Run } from "./exchange-plan.ts";

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
