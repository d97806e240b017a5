/** @file Other blocks for a split dimension, and reshapes of groups of dimensions of which the major one is split. */

import { ShardingError } from "../../core/errors.ts";
import { type Mesh, sizeOfParts } from "../../core/mesh.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { reshape } from "../../ops/layout.ts";
import type { Split } from "../mask.ts";
import { checkBlock, exchange } from "./exchange.ts";

/** Element g lies on place ⌊g/from⌋ and shall lie on place ⌊g/to⌋. */
export interface BlockChange {
  readonly from: number;
  readonly to: number;
}

/**
 * Changes the length of blocks; the last ones may be padding, before and after.
 *
 * @param x - local, `from` elements along `at.dim`
 * @returns local, `to` elements
 * @throws ShardingError when so many blocks do not hold `at.size` elements
 */
export function reblock(mesh: Mesh, x: Tensor, at: Split, { from, to }: BlockChange): Tensor {
  const { size } = at;
  const shards = sizeOfParts(at.axes);
  const short = [from, to].find((block) => block * shards < size);
  if (short !== undefined)
    throw new ShardingError(
      "SHARD-01",
      `reblock: ${shards} blocks of ${short} do not hold ${size} elements.`,
    );
  checkBlock("reblock", x, at, from);
  if (from === to) return x;
  const places = Array.from({ length: shards }, (_, i) => i);
  const starts = places.map((i) => i * to);
  const counts = starts.map((start) => Math.min(Math.max(size - start, 0), to));
  const blocks = { size, block: from, shards };
  return exchange(mesh, x, at, { starts, counts, length: to }, null, blocks);
}

/** A group of neighbouring dimensions and what becomes of it: whole sizes, the major one first. */
export interface ReshapeGroup {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/**
 * Reshapes a group of dimensions that is split along its major one into another that is split along its own.
 *
 * Where both split the elements alike, nothing moves; else they change blocks in between, as one long dimension.
 *
 * @param x - local; `[…, ⌈from[0]/shards⌉, from[1], …]` from axis `at.dim` on
 * @returns local; `[…, ⌈to[0]/shards⌉, to[1], …]`
 * @throws ShardingError when the group changes its size, or does not fit x
 */
export function reshapeSplit(
  mesh: Mesh,
  x: Tensor,
  at: Omit<Split, "size">,
  { from, to }: ReshapeGroup,
): Tensor {
  const { dim, axes } = at;
  const size = sizeOf(from);
  const shown = `[${from.join(", ")}] to [${to.join(", ")}]`;
  if (sizeOf(to) !== size || from.length === 0 || to.length === 0)
    throw new ShardingError("SHARD-01", `reshapeSplit: ${shown} changes the number of elements.`);
  const shards = sizeOfParts(axes);
  const onDevice = (dims: readonly number[]) => dims.with(0, Math.ceil((dims[0] ?? 0) / shards));
  const [before, after] = [x.dims.slice(0, dim), x.dims.slice(dim + from.length)];
  const own = onDevice(from);
  checkBlock("reshapeSplit", x, { dim, axes, size: from[0] ?? 0 }, own[0] ?? 0);
  const names = (count: number) => [
    ...x.names.slice(0, dim),
    ...Array<null>(count).fill(null),
    ...x.names.slice(dim + from.length),
  ];
  const flat = reshape(x, [...before, sizeOf(own), ...after], names(1));
  const result = onDevice(to);
  const change = { from: sizeOf(own), to: sizeOf(result) };
  const moved = reblock(mesh, flat, { dim, axes, size }, change);
  return reshape(moved, [...before, ...result, ...after], names(to.length));
}
