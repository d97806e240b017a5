/** @file Boxes of elements copied between row-major arrays, whole rows at a time. */

import type { TypedArray } from "../../core/dtype.ts";
import { stridesOf } from "../../core/shape.ts";

export interface Block {
  readonly data: TypedArray;
  readonly dims: readonly number[];
  /** Where the box lies in it. */
  readonly start: readonly number[];
}

/** Copies a box of this size; nothing when a side is 0. Both arrays hold the same dtype. */
export function copyBox(from: Block, to: Block, size: readonly number[]): void {
  if (size.some((length) => length <= 0)) return;
  const [source, target] = [stridesOf(from.dims), stridesOf(to.dims)];
  // Trailing axes that are whole on both sides are one run of memory with the axis before them.
  let last = size.length - 1;
  let run = size[last] ?? 1;
  while (last > 0 && size[last] === from.dims[last] && size[last] === to.dims[last]) {
    last--;
    run *= size[last] ?? 1;
  }
  const copy = (axis: number, at: number, into: number): void => {
    if (axis >= last) {
      const [first, goal] = [
        at + (from.start[axis] ?? 0) * (source[axis] ?? 1),
        into + (to.start[axis] ?? 0) * (target[axis] ?? 1),
      ];
      (to.data as Float32Array).set((from.data as Float32Array).subarray(first, first + run), goal);
      return;
    }
    for (let i = 0; i < (size[axis] ?? 0); i++) {
      copy(
        axis + 1,
        at + ((from.start[axis] ?? 0) + i) * (source[axis] ?? 1),
        into + ((to.start[axis] ?? 0) + i) * (target[axis] ?? 1),
      );
    }
  };
  copy(0, 0, 0);
}
