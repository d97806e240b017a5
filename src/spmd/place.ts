/** @file Where a device stands, computed inside its program. */

import { type AxisPart, deviceCount, joinParts, type Mesh, strideOf } from "../core/mesh.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul, rem } from "../ops/arithmetic.ts";
import { partitionId } from "../ops/collectives.device.ts";
import { fullLike, literal } from "../ops/creation.ts";

/** An int32[] constant. */
export function int32(value: number): Tensor {
  return literal(aval("int32", []), [value]);
}

/** Place of this device along the parts, the first one major: int32[], 0 where there are none. */
export function deviceAlong(mesh: Mesh, parts: readonly AxisPart[]): Tensor {
  const device = partitionId(deviceCount(mesh));
  return joinParts(parts).reduce((place, part) => {
    const stride = strideOf(mesh, part);
    const along = rem(div(device, int32(stride)), int32(part.size));
    return add(mul(place, fullLike(place, part.size)), along);
  }, int32(0));
}
