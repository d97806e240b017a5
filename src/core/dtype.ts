/** @file Element types, and the typed arrays that hold them. */

import { DTypeError, suggestion } from "./errors.ts";
import { fromHalf, toHalf } from "./half.ts";

/** Element types of the intermediate language. Of float64 ONNX Runtime lacks some kernels: no convolution, no tan. */
export type DType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | "int32"
  | "int64"
  | "uint32"
  | "bool";

/** The typed arrays that hold elements; bool is one byte, 0 or 1; 16-bit floats are bit patterns. */
export type TypedArray =
  | Uint16Array
  | Float32Array
  | Float64Array
  | Int32Array
  | BigInt64Array
  | Uint32Array
  | Uint8Array;

interface DTypeFacts {
  readonly bytes: number;
  readonly kind: "float" | "int" | "bool";
  /** `TensorProto.DataType`, which is also the C API's number. */
  readonly onnx: number;
  readonly stablehlo: string;
  readonly safetensors: string;
}

const FACTS: Readonly<Record<DType, DTypeFacts>> = {
  float32: { bytes: 4, kind: "float", onnx: 1, stablehlo: "f32", safetensors: "F32" },
  float64: { bytes: 8, kind: "float", onnx: 11, stablehlo: "f64", safetensors: "F64" },
  float16: { bytes: 2, kind: "float", onnx: 10, stablehlo: "f16", safetensors: "F16" },
  bfloat16: { bytes: 2, kind: "float", onnx: 16, stablehlo: "bf16", safetensors: "BF16" },
  int32: { bytes: 4, kind: "int", onnx: 6, stablehlo: "i32", safetensors: "I32" },
  int64: { bytes: 8, kind: "int", onnx: 7, stablehlo: "i64", safetensors: "I64" },
  uint32: { bytes: 4, kind: "int", onnx: 12, stablehlo: "ui32", safetensors: "U32" },
  bool: { bytes: 1, kind: "bool", onnx: 9, stablehlo: "i1", safetensors: "BOOL" },
};

export const DTYPES: readonly DType[] = Object.keys(FACTS) as DType[];

export function dtypeFacts(dtype: DType): DTypeFacts {
  return FACTS[dtype];
}

export function isFloat(dtype: DType): boolean {
  return FACTS[dtype].kind === "float";
}

/** @throws DTypeError when `name` is no dtype, with the nearest one */
export function parseDType(name: string): DType {
  if (name in FACTS) return name as DType;
  throw new DTypeError("DTYPE-01", `dtype: "${name}" is not a dtype; ${suggestion(name, DTYPES)}`);
}

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint32: Uint32Array,
  bool: Uint8Array,
} as const satisfies Record<DType, unknown>;

/** A zeroed array for `length` elements. */
export function allocate(dtype: DType, length: number): TypedArray {
  return new ARRAYS[dtype](length);
}

/** A typed view of `buffer` from `byteOffset`, `length` elements long. */
export function viewOf(
  dtype: DType,
  buffer: ArrayBuffer,
  byteOffset: number,
  length: number,
): TypedArray {
  return new ARRAYS[dtype](buffer, byteOffset, length);
}

/** Whether `data` is the class of array that holds `dtype`. */
export function holds(dtype: DType, data: TypedArray): boolean {
  return data instanceof ARRAYS[dtype];
}

/** Element `i` as a number; bool is 0 or 1, int64 must be exact in a double. */
export function readElement(dtype: DType, data: TypedArray, i: number): number {
  const value = data[i];
  if (value === undefined) throw new RangeError(`element ${i} of ${data.length}`);
  if (dtype === "float16" || dtype === "bfloat16") return fromHalf(dtype, Number(value));
  return Number(value);
}

/** The ends of int64. As doubles both are rounded, the upper one past the end. */
const INT64 = { low: -(2n ** 63n), high: 2n ** 63n - 1n } as const;

/** NaN is 0, and what lies past an end is that end: a double cannot hold the largest int64 itself. */
function toInt64(value: number): bigint {
  if (value >= 2 ** 63) return INT64.high;
  if (value < -(2 ** 63)) return INT64.low;
  return Number.isNaN(value) ? 0n : BigInt(Math.trunc(value));
}

/** Writes a number: floats round to nearest, int64 saturates, other integers wrap as their arrays do. */
export function writeElement(dtype: DType, data: TypedArray, i: number, value: number): void {
  if (data instanceof BigInt64Array) data[i] = toInt64(value);
  else if (dtype === "float16" || dtype === "bfloat16") data[i] = toHalf(dtype, value);
  else data[i] = value;
}

/** Numbers (or booleans) as elements of `dtype`. */
export function fromNumbers(dtype: DType, values: ArrayLike<number | boolean>): TypedArray {
  const out = allocate(dtype, values.length);
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i] ?? 0);
    writeElement(dtype, out, i, dtype === "bool" ? Number(value !== 0) : value);
  }
  return out;
}
