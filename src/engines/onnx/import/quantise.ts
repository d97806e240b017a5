/**
 * @file Quantised arithmetic: integers of 8 bits (carried as int32) with a scale and a zero point.
 *
 * The operators round, so derivatives stop at them, except through a scale of DequantizeLinear.
 */

import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { reshape } from "../../../ops/layout.ts";
import type { Call } from "./call.ts";
import { elementName, elementOf, isNarrow, type NarrowType, rangeOf } from "./elements.ts";
import { expandTo, inSingle, range } from "./forms.ts";
import { takeAlong } from "./indexing.ts";
import { matmul } from "./matrix.ts";
import { type Operators, operator } from "./operator.ts";
import { hostArray, knownValue, type TensorValue, tensorValue } from "./value.ts";

/** A scale or zero point, spread over `dims`: one number, one per place of an axis, or one per block along it. */
function spread(call: Call, y: Tensor, dims: readonly number[]): Tensor {
  if (y.rank === 0 || (y.rank === 1 && y.dims[0] === 1)) return reshape(y, []);
  const axis = call.axis(call.int("axis", 1), dims.length);
  const block = call.int("block_size", 0);
  if (block === 0) {
    return reshape(
      y,
      dims.map((dim, i) => (i === axis ? dim : 1)),
    );
  }
  // Blocks along the axis: place p belongs to block ⌊p / size⌋.
  const blocks = range(dims[axis] ?? 0).map((p) => Math.floor(p / block));
  const at = knownValue(hostArray("int32", [blocks.length], blocks));
  return takeAlong(y, at.tensor(), axis);
}

function saturated(x: Tensor, type: NarrowType): TensorValue {
  const [low, high] = rangeOf(type);
  return tensorValue(np.astype(np.maximum(np.minimum(x, high), low), "int32"), type);
}

/** The type of a zero point, or the one that an attribute names. */
export function targetOf(call: Call, zeroPoint: number): NarrowType {
  const number = call.int("output_dtype", 0);
  const named = number === 0 ? undefined : elementOf(number);
  const type = call.has(zeroPoint) ? call.type(zeroPoint) : number === 0 ? "uint8" : named;
  if (type !== undefined && isNarrow(type)) return type;
  throw call.unsupported(`quantising to ${type ?? elementName(number)}`);
}

/** `saturate(round(x / scale) + zero)` */
export function quantised(
  x: Tensor,
  scale: Tensor,
  zero: Tensor | undefined,
  type: NarrowType,
): TensorValue {
  const wide = inSingle(x).x;
  const steps = np.round(np.div(wide, np.astype(scale, wide.dtype)));
  return saturated(zero === undefined ? steps : np.add(steps, np.astype(zero, wide.dtype)), type);
}

function quantizeLinear(call: Call): TensorValue {
  const x = call.x(0);
  const type = targetOf(call, 2);
  const zero = call.maybe(2);
  const scale = spread(call, call.x(1), x.dims);
  return quantised(
    np.astype(x, scale.dtype === "float16" ? "float16" : "float32"),
    scale,
    zero === undefined ? undefined : spread(call, zero, x.dims),
    type,
  );
}

/** `(x − zero) · scale` */
function dequantizeLinear(call: Call): Tensor {
  const x = call.x(0);
  const scale = spread(call, call.x(1), x.dims);
  const zero = call.maybe(2);
  const centred = zero === undefined ? x : np.sub(x, spread(call, zero, x.dims));
  const { x: wide, back } = inSingle(scale);
  return back(np.mul(np.astype(centred, wide.dtype), wide));
}

/** Scale and zero point from the data: the range with 0 in it, over 255 steps. */
function dynamicQuantize(call: Call): readonly (Tensor | TensorValue)[] {
  const x = call.x(0);
  const high = np.maximum(np.max(x), 0);
  const low = np.minimum(np.neg(np.max(np.neg(x))), 0);
  const scale = np.div(np.sub(high, low), 255);
  const zero = saturated(np.round(np.div(np.neg(low), scale)), "uint8");
  return [quantised(x, scale, zero.tensor(), "uint8"), scale, zero];
}

/** A quantised operand without its zero point, as int32. */
function centred(call: Call, i: number, zero: number): Tensor {
  const x = call.x(i);
  const z = call.maybe(zero);
  if (z === undefined) return x;
  return np.sub(x, z.rank === 1 && z.dims[0] === 1 ? reshape(z, []) : z);
}

/** A zero point per row of the first matrix stands in its rows. */
function rowsCentred(call: Call, i: number, zero: number): Tensor {
  const x = call.x(i);
  const z = call.maybe(zero);
  if (z === undefined || z.rank !== 1 || z.dims[0] === 1) return centred(call, i, zero);
  return np.sub(x, expandTo(reshape(z, [...z.dims, 1]), x.dims));
}

function matmulInteger(call: Call): TensorValue {
  return tensorValue(matmul(call, rowsCentred(call, 0, 2), centred(call, 1, 3)), "int32");
}

/** a, scale, zero; b, scale, zero; scale and zero of the product. */
function quantisedMatmul(call: Call): TensorValue {
  const product = matmul(call, rowsCentred(call, 0, 2), centred(call, 3, 5));
  const { x: scale } = inSingle(np.mul(inSingle(call.x(1)).x, inSingle(call.x(4)).x));
  const real = np.mul(np.astype(product, "float32"), reshape(scale, scale.dims));
  return quantised(real, inSingle(call.x(6)).x, call.x(7), targetOf(call, 7));
}

export const QUANTISE: Operators = {
  QuantizeLinear: operator(10, quantizeLinear),
  DequantizeLinear: operator(10, dequantizeLinear),
  DynamicQuantizeLinear: operator(11, dynamicQuantize),
  MatMulInteger: operator(10, matmulInteger),
  QLinearMatMul: operator(10, quantisedMatmul),
};
