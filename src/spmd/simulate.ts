/** @file A mesh of devices in one process: whole values are cut, the program runs on all pieces in lockstep, and the pieces are put together. */

import { interpretTogether } from "../core/interpret-together.ts";
import { at, build, type NdArray, offsetOf } from "../core/ndarray.ts";
import { deviceCount, type Mesh, placeAlong } from "./mesh.ts";
import type { Partitioned } from "./partition.ts";
import { type Sharding, shardSize } from "./sharding.ts";

/**
 * The piece of a value on each device, by device number.
 *
 * @param padding - what stands behind the last element
 */
export function cut(mesh: Mesh, x: NdArray, sharding: Sharding, padding = 0): NdArray[] {
  const axes = x.dims.map((_, dim) => sharding.dims[dim]?.axes ?? []);
  const dims = x.dims.map((size, dim) => shardSize(size, axes[dim] ?? []));
  return Array.from({ length: deviceCount(mesh) }, (_, device) => {
    const first = dims.map((size, dim) => size * placeAlong(mesh, axes[dim] ?? [], device));
    return build({ dtype: x.dtype, dims }, (index) => {
      const whole = index.map((i, dim) => i + (first[dim] ?? 0));
      const inside = whole.every((i, dim) => i < (x.dims[dim] ?? 0));
      return inside ? at(x, offsetOf(x.dims, whole)) : padding;
    });
  });
}

/** The whole value, each element from the first device that has it. */
export function join(
  mesh: Mesh,
  dims: readonly number[],
  pieces: readonly NdArray[],
  sharding: Sharding,
): NdArray {
  const axes = dims.map((_, dim) => sharding.dims[dim]?.axes ?? []);
  const owners = new Map<string, number>();
  pieces.forEach((_, device) => {
    const place = axes.map((parts) => placeAlong(mesh, parts, device)).join();
    if (!owners.has(place)) owners.set(place, device);
  });
  const sizes = dims.map((size, dim) => shardSize(size, axes[dim] ?? []));
  const [first] = pieces;
  return build({ dtype: first?.dtype ?? "float32", dims }, (index) => {
    const place = index.map((i, dim) => Math.floor(i / (sizes[dim] ?? 1)));
    const piece = pieces[owners.get(place.join()) ?? 0] as NdArray;
    const own = index.map((i, dim) => i % (sizes[dim] ?? 1));
    return at(piece, offsetOf(piece.dims, own));
  });
}

/** Runs a partitioned program on whole values. */
export function simulate(
  { mesh, program, inputs, outputs }: Partitioned,
  values: readonly NdArray[],
  forms: readonly (readonly number[])[],
  padding = 0,
): NdArray[] {
  const pieces = values.map((x, i) => cut(mesh, x, inputs[i] as Sharding, padding));
  const devices = Array.from({ length: deviceCount(mesh) }, (_, device) =>
    pieces.map((list) => list[device] as NdArray),
  );
  const results = interpretTogether(program, devices);
  return outputs.map((sharding, i) =>
    join(
      mesh,
      forms[i] ?? [],
      results.map((own) => own[i] as NdArray),
      sharding,
    ),
  );
}
