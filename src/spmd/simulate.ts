/** @file A mesh of devices in one process: whole values are cut, the program runs on all pieces in lockstep, and the pieces are put together. */

import { interpretTogether } from "../core/interpret-together.ts";
import { deviceCount, type Mesh } from "../core/mesh.ts";
import { cutArray, joinArrays, type SplitParts } from "../core/mesh-pieces.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Partitioned } from "./partition.ts";
import type { Sharding } from "./sharding.ts";

const splitOf = ({ dims }: Sharding): SplitParts => dims.map(({ axes }) => axes);

/**
 * The piece of a value on each device, by device number.
 *
 * @param padding - what stands behind the last element
 */
export function cut(mesh: Mesh, x: NdArray, sharding: Sharding, padding = 0): NdArray[] {
  return cutArray(mesh, x, splitOf(sharding), padding);
}

/** The whole value, each element from the first device that has it. */
export function join(
  mesh: Mesh,
  dims: readonly number[],
  pieces: readonly NdArray[],
  sharding: Sharding,
): NdArray {
  return joinArrays(mesh, dims, pieces, splitOf(sharding));
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
