/** @file Element types as ONNX numbers them; the C API uses the same numbers as the model file. */

import { DTYPES, type DType, type TypedArray } from "../../core/dtype.ts";

const NUMBERS: Readonly<Record<DType, number>> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
  uint32: 12,
};

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint32: Uint32Array,
  bool: Uint8Array,
} as const;

/** `TensorProto.DataType`, which is also `ONNXTensorElementDataType`. */
export function onnxTypeNumber(dtype: DType): number {
  return NUMBERS[dtype];
}

/** @returns the dtype with that ONNX number; undefined for types that we do not have (float16, string, …) */
export function dtypeOfOnnxType(number: number): DType | undefined {
  return DTYPES.find((dtype) => NUMBERS[dtype] === number);
}

/** Whether `data` is the array class that holds `dtype`. */
export function holds(dtype: DType, data: TypedArray): boolean {
  return data instanceof ARRAYS[dtype];
}

/** Number of elements; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((count, dim) => count * dim, 1);
}

/** `float32[2, 3]`, for error texts. */
export function typeText(dtype: DType, dims: readonly number[]): string {
  return `${dtype}[${dims.map((dim) => (dim < 0 ? "any" : dim)).join(", ")}]`;
}
