/**
 * @file Convolution over a batch of inputs, of kernels, or of both: one convolution with more examples,
 * more channels, or more groups.
 */

import type { Each, Two } from "../core/op.ts";
import { dimOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  type ConvolveKernelParams,
  type ConvolveParams,
  convolve,
  convolveKernel,
} from "./convolution.ts";
import { reshape, transpose } from "./layout.ts";

/** Merges axis `at` with the next one. */
function merge(x: Tensor, at: number): Tensor {
  const size = dimOf(x.aval, at) * dimOf(x.aval, at + 1);
  return reshape(x, [...x.dims.slice(0, at), size, ...x.dims.slice(at + 2)]);
}

/** Divides axis `at` into `[outer, rest]`. */
function divide(x: Tensor, at: number, outer: number): Tensor {
  const inner = dimOf(x.aval, at) / outer;
  return reshape(x, [...x.dims.slice(0, at), outer, inner, ...x.dims.slice(at + 1)]);
}

/** Moves one axis. */
function move(x: Tensor, from: number, to: number): Tensor {
  const order = x.dims.map((_, i) => i).filter((i) => i !== from);
  order.splice(to, 0, from);
  return transpose(x, order);
}

/** `[size, rows, (groups · n), …]` as `[rows, (groups · size · n), …]`. */
function inGroups(x: Tensor, groups: number): Tensor {
  return merge(merge(move(divide(x, 2, groups), 0, 2), 1), 1);
}

/** `[size, (groups · n), …]` as `[(groups · size · n), …]`. */
function leadInGroups(x: Tensor, groups: number): Tensor {
  return merge(merge(move(divide(x, 1, groups), 0, 1), 0), 0);
}

/** Undoes `inGroups` on a result: `[rows, (groups · size · n), …]` as `[size, rows, (groups · n), …]`. */
function outOfGroups(y: Tensor, groups: number, size: number): Tensor {
  return merge(move(divide(divide(y, 1, groups), 2, size), 2, 0), 2);
}

/** Undoes `leadInGroups`. */
function leadOutOfGroups(y: Tensor, groups: number, size: number): Tensor {
  return merge(move(divide(divide(y, 0, groups), 1, size), 1, 0), 1);
}

export function batchConvolve(
  [x, w]: Each<Two, Tensor>,
  [xMapped, wMapped]: Each<Two, boolean>,
  p: ConvolveParams,
  size: number,
): Tensor {
  if (!wMapped) return divide(convolve(merge(x, 0), w, p), 0, size);
  if (xMapped) {
    const wide = merge(move(x, 0, 1), 1);
    return move(
      divide(convolve(wide, merge(w, 0), { ...p, groups: p.groups * size }), 1, size),
      1,
      0,
    );
  }
  // a transposed kernel has its outputs, of one group, on axis 1
  const kernel = p.transposed ? merge(move(w, 0, 1), 1) : leadInGroups(w, p.groups);
  return outOfGroups(convolve(x, kernel, p), p.groups, size);
}

export function batchKernel(
  [x, y]: Each<Two, Tensor>,
  [xMapped, yMapped]: Each<Two, boolean>,
  p: ConvolveKernelParams,
  size: number,
): Tensor {
  const { groups } = p;
  if (xMapped && yMapped) {
    const wide = (z: Tensor) => merge(move(z, 0, 1), 1);
    return divide(convolveKernel(wide(x), wide(y), { ...p, groups: groups * size }), 0, size);
  }
  if (yMapped) return leadOutOfGroups(convolveKernel(x, inGroups(y, groups), p), groups, size);
  return move(divide(convolveKernel(inGroups(x, groups), y, p), 1, size), 1, 0);
}
