/** @file Element types as ONNX numbers them; the C API uses the same numbers as the model file. */

import { DTYPES, type DType, dtypeFacts } from "../../core/dtype.ts";

/** `TensorProto.DataType`, which is also `ONNXTensorElementDataType`. */
export function onnxTypeNumber(dtype: DType): number {
  return dtypeFacts(dtype).onnx;
}

/** @returns the dtype with that ONNX number; undefined for types that we do not have (int8, string, …) */
export function dtypeOfOnnxType(number: number): DType | undefined {
  return DTYPES.find((dtype) => dtypeFacts(dtype).onnx === number);
}

/** Number of elements; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((count, dim) => count * dim, 1);
}

/** `float32[2, 3]`, for error texts. */
export function typeText(dtype: DType, dims: readonly number[]): string {
  return `${dtype}[${dims.map((dim) => (dim < 0 ? "any" : dim)).join(", ")}]`;
}
