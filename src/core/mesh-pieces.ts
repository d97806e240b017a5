/** @file Arrays cut into the pieces of a mesh's devices, and put together again, element by element. */

import { type AxisPart, deviceCount, type Mesh, placeAlong, sizeOfParts } from "./mesh.ts";
import { at, build, type NdArray, offsetOf } from "./ndarray.ts";

/** The parts of mesh axes that split each dimension, the first one major. */
export type SplitParts = readonly (readonly AxisPart[])[];

/** The piece of each device, by its number: blocks of ⌈size/shards⌉, `padding` behind the last element. */
export function cutArray(mesh: Mesh, x: NdArray, split: SplitParts, padding = 0): NdArray[] {
  const dims = x.dims.map((size, dim) => Math.ceil(size / sizeOfParts(split[dim] ?? [])));
  return Array.from({ length: deviceCount(mesh) }, (_, device) => {
    const first = dims.map((size, dim) => size * placeAlong(mesh, split[dim] ?? [], device));
    return build({ dtype: x.dtype, dims }, (index) => {
      const whole = index.map((i, dim) => i + (first[dim] ?? 0));
      const inside = whole.every((i, dim) => i < (x.dims[dim] ?? 0));
      return inside ? at(x, offsetOf(x.dims, whole)) : padding;
    });
  });
}

/** @param dims - of the whole, each element of which is from the first device that has it */
export function joinArrays(
  mesh: Mesh,
  dims: readonly number[],
  pieces: readonly NdArray[],
  split: SplitParts,
): NdArray {
  const owners = new Map<string, NdArray>();
  pieces.forEach((piece, device) => {
    const place = dims.map((_, dim) => placeAlong(mesh, split[dim] ?? [], device)).join();
    if (!owners.has(place)) owners.set(place, piece);
  });
  const sizes = dims.map((size, dim) => Math.ceil(size / sizeOfParts(split[dim] ?? [])));
  const [first] = pieces;
  return build({ dtype: first?.dtype ?? "float32", dims }, (index) => {
    const place = index.map((i, dim) => Math.floor(i / (sizes[dim] ?? 1)));
    const piece = (owners.get(place.join()) ?? first) as NdArray;
    const own = index.map((i, dim) => i % (sizes[dim] ?? 1));
    return at(piece, offsetOf(piece.dims, own));
  });
}
