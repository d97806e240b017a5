/** @file A value's pieces, moved from one sharding to another: the steps of the cheapest way, as collectives. */

import { dtypeFacts } from "../../core/dtype.ts";
import { deviceCount, groupsAlong, type Mesh, sizeOfParts } from "../../core/mesh.ts";
import type { Tensor } from "../../core/tensor.ts";
import { collectivePermute } from "../../ops/collectives.device.ts";
import { allGather, allReduce, allToAll, reduceScatter } from "../../ops/collectives.ts";
import { reshape, transpose } from "../../ops/layout.ts";
import { blockAt, fitted } from "../blocks.ts";
import { deviceAlong } from "../place.ts";
import type { Sharding } from "../sharding.ts";
import { type AxisList, cutAlike, listKey } from "./axis-lists.ts";
import { type Along, blockSize, type Move } from "./moves.ts";
import { reshardPath } from "./path.ts";
import { permutation } from "./permutation.ts";
import type { Leg } from "./search.ts";

/**
 * Bytes that `reshard` sends from each device.
 *
 * @param dims - of the whole value
 * @param width - bytes of an element
 */
export function reshardBytes(
  mesh: Mesh,
  dims: readonly number[],
  width: number,
  from: Sharding,
  to: Sharding,
): number {
  return reshardPath(mesh, { dims, bytes: width }, from, to).bytes;
}

/**
 * @param x - local
 * @param dims - of the whole value
 * @param to - axes of `from.sum` that it does not sum over any more are summed
 * @throws ShardingError as `reshardPath` does
 */
export function reshard(
  mesh: Mesh,
  x: Tensor,
  dims: readonly number[],
  from: Sharding,
  to: Sharding,
): Tensor {
  const { steps } = reshardPath(mesh, { dims, bytes: dtypeFacts(x.dtype).bytes }, from, to);
  return steps.reduce((y, leg) => step(mesh, y, dims, leg), x);
}

function step(
  mesh: Mesh,
  x: Tensor,
  dims: readonly number[],
  { move, before, after }: Leg,
): Tensor {
  /** The length of a block after the step. */
  const own = (dim: number) => blockSize(dims[dim] ?? 0, sizeOfParts(after.dims[dim] ?? []));
  switch (move.kind) {
    case "slice": {
      const { dim, parts } = move;
      const room = blocksAlong(x, move, own(dim));
      return blockAt(room, dim, deviceAlong(mesh, parts), own(dim));
    }
    case "reduceScatter":
      return reduceScatter(
        blocksAlong(x, move, own(move.dim)),
        move.dim,
        groupsAlong(mesh, move.parts),
      );
    case "allGather":
      return fitted(allGather(x, move.dim, groupsAlong(mesh, move.parts)), move.dim, own(move.dim));
    case "allReduce":
      return allReduce(x, groupsAlong(mesh, move.parts));
    case "collectivePermute":
      return collectivePermute(x, {
        devices: deviceCount(mesh),
        pairs: permutation(mesh, before, after),
      });
    case "allToAll": {
      const ready = move.given.reduce((y, each) => blocksAlong(y, each, own(each.dim)), x);
      const moved = exchanged(mesh, ready, move);
      return move.taken.reduce((y, { dim }) => fitted(y, dim, own(dim)), moved);
    }
  }
}

/** With padding, or without some, so that the dimension holds a block for each device along the parts. */
function blocksAlong(x: Tensor, { dim, parts }: Along<AxisList>, block: number): Tensor {
  return fitted(x, dim, block * sizeOfParts(parts));
}

/** Blocks of the given dimensions go out, blocks of the taken dimensions come in. */
function exchanged(
  mesh: Mesh,
  x: Tensor,
  { taken, given }: Move<AxisList> & { readonly kind: "allToAll" },
): Tensor {
  const [from, to] = [taken[0], given[0]];
  const alone = taken.length === 1 && given.length === 1;
  if (alone && from !== undefined && to !== undefined && listKey(from.parts) === listKey(to.parts))
    return allToAll(x, {
      splitAxis: to.dim,
      concatAxis: from.dim,
      groups: groupsAlong(mesh, to.parts),
    });
  return exchangedTogether(mesh, x, taken, given);
}

/**
 * Several dimensions at once, or parts in another order: blocks of the given dimensions stand along a first dimension
 * of their own, one for each member, in the order of the given parts. What comes in is one block from each member; its
 * digits are put into the order of the taken parts.
 */
function exchangedTogether(
  mesh: Mesh,
  x: Tensor,
  taken: readonly Along<AxisList>[],
  given: readonly Along<AxisList>[],
): Tensor {
  const digitsOf = (list: readonly Along<AxisList>[], other: readonly Along<AxisList>[]) => {
    const cuts = other.flatMap(({ parts }) => parts);
    return list.map(({ dim, parts }) => ({ dim, parts: cutAlike(parts, cuts) }));
  };
  const [sent, received] = [digitsOf(given, taken), digitsOf(taken, given)];
  const members = sent.flatMap(({ parts }) => parts);
  const split = splitBlocks(x, sent);
  const exchange = allToAll(split, {
    splitAxis: 0,
    concatAxis: 0,
    groups: groupsAlong(mesh, members),
  });
  // [digit…, dims…] to [dims…], the digits of each taken dimension before it.
  const rest = exchange.dims.slice(1);
  const names = exchange.names.slice(1);
  const digits = members.map(({ size }) => size);
  const apart = reshape(exchange, [...digits, ...rest], [...digits.map(() => null), ...names]);
  const order: number[] = [];
  const dims = [...rest];
  rest.forEach((_, dim) => {
    for (const part of received.find((each) => each.dim === dim)?.parts ?? []) {
      order.push(members.findIndex((own) => listKey([own]) === listKey([part])));
      dims[dim] = (dims[dim] ?? 1) * part.size;
    }
    order.push(members.length + dim);
  });
  if (order.length !== members.length + rest.length)
    throw new RangeError("an exchange takes other parts than it gives");
  return reshape(transpose(apart, order), dims, names);
}

/** [dims…] to [block number, dims…]: blocks of several dimensions, numbered with the first dimension major. */
function splitBlocks(x: Tensor, sent: readonly Along<AxisList>[]): Tensor {
  const dims: number[] = [];
  const names: (string | null)[] = [];
  const places = new Map<number, number>();
  const own: number[] = [];
  x.dims.forEach((size, dim) => {
    const count = sizeOfParts(sent.find((each) => each.dim === dim)?.parts ?? []);
    if (count > 1) {
      places.set(dim, dims.length);
      dims.push(count);
      names.push(null);
    }
    own.push(dims.length);
    dims.push(size / count);
    names.push(x.names[dim] ?? null);
  });
  const first = sent.flatMap(({ dim }) => places.get(dim) ?? []);
  const kept = own.map((at) => dims[at] ?? 1);
  const count = sent.reduce((product, { parts }) => product * sizeOfParts(parts), 1);
  return reshape(
    transpose(reshape(x, dims, names), [...first, ...own]),
    [count, ...kept],
    [null, ...x.names],
  );
}
