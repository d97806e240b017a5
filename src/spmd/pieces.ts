/** @file The piece of a value that a device holds. */

import { type Aval, aval } from "../core/shape.ts";
import { type Sharding, shardSize } from "./sharding.ts";

/** The form of a value's piece. */
export function pieceOf(form: Aval, { dims }: Sharding): Aval {
  const sizes = form.dims.map((size, i) => shardSize(size, dims[i]?.axes ?? []));
  return aval(form.dtype, sizes, form.names);
}
