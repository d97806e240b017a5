/**
 * @file A value's pieces, moved from one sharding to another.
 *
 * Partial sums are added, dimensions that lie otherwise are gathered whole and cut again: always right, also for uneven
 * dimensions. Bytes are those sent from each device by ring algorithms: of an all-gather of R bytes among n devices
 * (n − 1)/n · R, of an all-reduce of A bytes 2(n − 1)/n · A.
 */

import { aval, dimOf, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul } from "../ops/arithmetic.ts";
import { allGather, allReduce } from "../ops/collectives.ts";
import { literal } from "../ops/creation.ts";
import { dynamicSlice } from "../ops/dynamic.ts";
import { reshape } from "../ops/layout.ts";
import { concatenate, pad, slice } from "../ops/pieces.ts";
import { type AxisPart, groupsAlong, type Mesh, sameParts, sizeOfParts } from "./mesh.ts";
import { deviceAlong, int32 } from "./place.ts";
import { type Sharding, shardSize } from "./sharding.ts";

const axesOf = ({ dims }: Sharding, dim: number): readonly AxisPart[] => dims[dim]?.axes ?? [];

/**
 * Bytes that `reshard` sends from each device.
 *
 * @param dims - of the whole value
 * @param width - bytes of an element
 */
export function reshardBytes(
  dims: readonly number[],
  width: number,
  from: Sharding,
  to: Sharding,
): number {
  let piece = width * sizeOf(dims.map((size, dim) => shardSize(size, axesOf(from, dim))));
  const summands = sizeOfParts(from.sum);
  let sent = (2 * (summands - 1) * piece) / summands;
  dims.forEach((_, dim) => {
    if (sameParts(axesOf(from, dim), axesOf(to, dim))) return;
    const shards = sizeOfParts(axesOf(from, dim));
    sent += (shards - 1) * piece;
    piece *= shards;
  });
  return sent;
}

/** @param dims - of the whole value */
export function reshard(
  mesh: Mesh,
  x: Tensor,
  dims: readonly number[],
  from: Sharding,
  to: Sharding,
): Tensor {
  const moved = dims.flatMap((size, dim) => {
    const [old, axes] = [axesOf(from, dim), axesOf(to, dim)];
    return sameParts(old, axes) ? [] : [{ dim, size, old, axes }];
  });
  const added = from.sum.length === 0 ? x : allReduce(x, groupsAlong(mesh, from.sum));
  // All are gathered before any is cut: an axis may go from one dimension to another.
  const whole = moved.reduce(
    (y, { dim, old }) => (old.length === 0 ? y : allGather(y, dim, groupsAlong(mesh, old))),
    added,
  );
  return moved.reduce((y, each) => cutOut(mesh, y, each), whole);
}

/** This device's shard of a dimension that it holds whole, with padding behind it or not. */
function cutOut(
  mesh: Mesh,
  x: Tensor,
  { dim, size, axes }: { dim: number; size: number; axes: readonly AxisPart[] },
): Tensor {
  const [held, shard] = [dimOf(x.aval, dim), shardSize(size, axes)];
  const wanted = shard * sizeOfParts(axes);
  const zeros = x.dims.map(() => 0);
  const fitted =
    held > wanted
      ? slice(x, zeros, x.dims.with(dim, wanted))
      : held < wanted
        ? pad(x, zeros, zeros.with(dim, wanted - held))
        : x;
  if (axes.length === 0) return fitted;
  const first = mul(deviceAlong(mesh, axes), int32(shard));
  const zero = literal(aval("int32", [1]), [0]);
  const start = concatenate(
    x.dims.map((_, i) => (i === dim ? reshape(first, [1]) : zero)),
    0,
  );
  return dynamicSlice(fitted, start, fitted.dims.with(dim, shard));
}
