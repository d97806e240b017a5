/** @file Steps that many operators share: axes given either way, equal forms, indices from the end. */

import type { DType } from "../../../core/dtype.ts";
import { OnnxError } from "../../../core/errors.ts";
import { aval, sizeOf } from "../../../core/shape.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { broadcast, iota } from "../../../ops/creation.ts";
import { reshape, transpose } from "../../../ops/layout.ts";
import type { Call } from "./call.ts";
import { carrierOf, type ElementType, isNarrow, wrapped } from "./elements.ts";
import { type TensorValue, tensorValue } from "./value.ts";

/** Lists of places and of nodes are no longer than this: a number in a file must not fill the memory. */
const LONGEST = 2 ** 21;

/** 0, 1, … n − 1. @throws OnnxError when that is more than anybody means */
export function range(n: number): number[] {
  if (n <= LONGEST) return Array.from({ length: n }, (_, i) => i);
  throw new OnnxError("ONNX-02", `importOnnx: a list of ${n} entries is too long.`, [
    ["longest", `${LONGEST}`],
  ]);
}

/** Axes from the attribute (older versions) or from input `i` (newer ones); undefined when neither is there. */
export function axesOf(call: Call, i: number): readonly number[] | undefined {
  const attribute = call.ints("axes");
  if (attribute !== undefined) return attribute;
  return call.has(i) ? call.numbers(i, "the form of the result") : undefined;
}

/** Sizes that both broadcast to. */
export function broadcastDims(
  call: Call,
  ...forms: readonly (readonly number[])[]
): readonly number[] {
  const rank = Math.max(0, ...forms.map((dims) => dims.length));
  return range(rank).map((axis) => {
    let size = 1;
    for (const dims of forms) {
      const dim = dims[axis - rank + dims.length] ?? 1;
      if (dim === 1 || dim === size) continue;
      if (size !== 1) {
        throw call.wrong(`[${forms.map((d) => d.join(", ")).join("] and [")}] do not broadcast`);
      }
      size = dim;
    }
    return size;
  });
}

/** x repeated to `dims`; axes meet from the right and ones stretch. */
export function expandTo(x: Tensor, dims: readonly number[]): Tensor {
  const offset = dims.length - x.rank;
  const kept = range(x.rank).filter((axis) => x.dims[axis] === dims[axis + offset]);
  const squeezed = reshape(
    x,
    kept.map((axis) => x.dims[axis] ?? 1),
  );
  return broadcast(squeezed, {
    dims,
    axes: kept.map((axis) => axis + offset),
    names: dims.map(() => null),
  });
}

/** x with a leading 1 for every axis that it lacks of `rank`. */
export function withRank(x: Tensor, rank: number): Tensor {
  return reshape(x, [...Array<number>(Math.max(0, rank - x.rank)).fill(1), ...x.dims]);
}

/** A vector along axis `axis` of `rank`, ready to broadcast. */
export function along(x: Tensor, axis: number, rank: number): Tensor {
  return reshape(
    x,
    range(rank).map((i) => (i === axis ? sizeOf(x.dims) : 1)),
  );
}

/** Does `f` with `axis` moved to the end, and moves it back. */
export function onLastAxis(x: Tensor, axis: number, f: (x: Tensor) => Tensor): Tensor {
  if (axis === x.rank - 1) return f(x);
  const order = [...range(x.rank).filter((i) => i !== axis), axis];
  return transpose(
    f(transpose(x, order)),
    range(x.rank).map((i) => order.indexOf(i)),
  );
}

/** int32 indices into an axis of `size`, those below 0 counted from the end. */
export function fromEnd(indices: Tensor, size: number): Tensor {
  const whole = np.astype(indices, "int32");
  return np.where(np.less(whole, 0), np.add(whole, size), whole);
}

/** Counts along one axis of `dims`. */
export function counting(dims: readonly number[], axis: number, dtype: DType = "int32"): Tensor {
  return iota(aval(dtype, dims), axis);
}

/** x as elements of an ONNX type: floats are cut, and what a narrow integer cannot hold wraps. */
export function toType(x: Tensor, type: ElementType): TensorValue {
  const carried = np.astype(x, carrierOf(type));
  return tensorValue(isNarrow(type) ? wrapped(carried, type) : carried, type);
}

/** x in single precision at least, for steps that a 16-bit float would ruin; with the way back. */
export function inSingle(x: Tensor): { readonly x: Tensor; back(y: Tensor): Tensor } {
  const half = x.dtype === "float16" || x.dtype === "bfloat16";
  return half
    ? { x: np.astype(x, "float32"), back: (y) => np.astype(y, x.dtype) }
    : { x, back: (y) => y };
}
