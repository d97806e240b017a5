/** @file Whole tensors cut into the pieces of a mesh's devices, and put together again. */

import { allocate } from "../../core/dtype.ts";
import { deviceCount, type Mesh, placeAlong } from "../../core/mesh.ts";
import { type Aval, sizeOf } from "../../core/shape.ts";
import { stored, type Tensor } from "../../core/tensor.ts";
import { pieceOf } from "../../spmd/pieces.ts";
import type { Sharding } from "../../spmd/sharding.ts";
import { copyBox } from "./blocks.ts";

/** Where the piece of a device lies in the whole, and how much of it is no padding. */
function boxOf(mesh: Mesh, form: Aval, sharding: Sharding, device: number) {
  const { dims } = pieceOf(form, sharding);
  const start = dims.map(
    (size, dim) => size * placeAlong(mesh, sharding.dims[dim]?.axes ?? [], device),
  );
  const size = dims.map((length, dim) =>
    Math.max(0, Math.min(length, (form.dims[dim] ?? 0) - (start[dim] ?? 0))),
  );
  return { dims, start, size };
}

/** By device number. A value that lies whole on every device is shared, not copied. */
export function cutTensor(mesh: Mesh, x: Tensor, sharding: Sharding): Tensor[] {
  const devices = Array.from({ length: deviceCount(mesh) }, (_, device) => device);
  if (sharding.dims.every(({ axes }) => axes.length === 0)) return devices.map(() => x);
  const known = new Map<string, Tensor>();
  return devices.map((device) => {
    const { dims, start, size } = boxOf(mesh, x.aval, sharding, device);
    const key = start.join();
    const piece =
      known.get(key) ?? stored(pieceOf(x.aval, sharding), allocate(x.dtype, sizeOf(dims)));
    if (!known.has(key)) {
      const zero = dims.map(() => 0);
      copyBox(
        { data: x.data(), dims: x.dims, start },
        { data: piece.data(), dims, start: zero },
        size,
      );
    }
    known.set(key, piece);
    return piece;
  });
}

/** Each part of the whole from the first device that has it. */
export function joinTensor(
  mesh: Mesh,
  form: Aval,
  pieces: readonly Tensor[],
  sharding: Sharding,
): Tensor {
  const [first] = pieces;
  if (first !== undefined && sharding.dims.every(({ axes }) => axes.length === 0))
    return stored(form, first.data());
  const whole = allocate(form.dtype, sizeOf(form.dims));
  const seen = new Set<string>();
  pieces.forEach((piece, device) => {
    const { dims, start, size } = boxOf(mesh, form, sharding, device);
    if (seen.has(start.join())) return;
    seen.add(start.join());
    const zero = dims.map(() => 0);
    copyBox(
      { data: piece.data(), dims, start: zero },
      { data: whole, dims: form.dims, start },
      size,
    );
  });
  return stored(form, whole);
}
