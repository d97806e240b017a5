/**
 * @file Element types of ONNX models, and the dtypes that carry them here.
 *
 * Integers narrower than 32 bits are carried as int32: loads sign-extend, and arithmetic wraps back (`wrapped`), so
 * their values are those of the narrow type. They cross the function's border as int32.
 */

import type { DType } from "../../../core/dtype.ts";
import type { Tensor } from "../../../core/tensor.ts";
import { and, sub, xor } from "../../../numpy/index.ts";
import { dtypeOfOnnxType } from "../element-types.ts";
import type { ElementNumber } from "../model-file.ts";

/** Integers that int32 carries. */
export type NarrowType =
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int4"
  | "uint4"
  | "int2"
  | "uint2";
export type ElementType = DType | NarrowType;

interface NarrowFacts {
  readonly onnx: ElementNumber;
  readonly bits: number;
  readonly signed: boolean;
}

const NARROW: Readonly<Record<NarrowType, NarrowFacts>> = {
  uint8: { onnx: 2, bits: 8, signed: false },
  int8: { onnx: 3, bits: 8, signed: true },
  uint16: { onnx: 4, bits: 16, signed: false },
  int16: { onnx: 5, bits: 16, signed: true },
  uint4: { onnx: 21, bits: 4, signed: false },
  int4: { onnx: 22, bits: 4, signed: true },
  uint2: { onnx: 25, bits: 2, signed: false },
  int2: { onnx: 26, bits: 2, signed: true },
};
const NARROW_TYPES = Object.keys(NARROW) as readonly NarrowType[];

/** Names of types that only errors speak of. */
const OTHERS: Readonly<Record<ElementNumber, string>> = {
  0: "undefined",
  8: "string",
  13: "uint64",
  14: "complex64",
  15: "complex128",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  23: "float4e2m1",
  24: "float8e8m0",
  27: "float6e2m3",
  28: "float6e3m2",
};

/** The type with that ONNX number; undefined for those that are not carried. */
export function elementOf(number: ElementNumber): ElementType | undefined {
  return dtypeOfOnnxType(number) ?? NARROW_TYPES.find((type) => NARROW[type].onnx === number);
}

/** For error texts. */
export function elementName(number: ElementNumber): string {
  return elementOf(number) ?? OTHERS[number] ?? `TensorProto.DataType ${number}`;
}

export function isNarrow(type: ElementType): type is NarrowType {
  return type in NARROW;
}

/** What holds elements of `type` here. */
export function carrierOf(type: ElementType): DType {
  return isNarrow(type) ? "int32" : type;
}

/** Bits of one element in a file. */
export function narrowFacts(type: NarrowType): NarrowFacts {
  return NARROW[type];
}

/** Smallest and largest value. */
export function rangeOf(type: NarrowType): readonly [low: number, high: number] {
  const { bits, signed } = NARROW[type];
  return signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** An int32 tensor cut to the bits of `type`: `((x & mask) ^ sign) − sign`. */
export function wrapped(x: Tensor, type: NarrowType): Tensor {
  const { bits, signed } = NARROW[type];
  const low = and(x, 2 ** bits - 1);
  if (!signed) return low;
  const sign = 2 ** (bits - 1);
  return sub(xor(low, sign), sign);
}
