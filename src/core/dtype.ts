/** @file Element types, and the typed arrays that hold them. */

import { DTypeError, suggestion } from "./errors.ts";

/** Element types of the intermediate language. float64 runs on the reference engine only. */
export type DType = "float32" | "float64" | "int32" | "int64" | "uint32" | "bool";

/** The typed arrays that hold elements; bool is one byte, 0 or 1. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | BigInt64Array
  | Uint32Array
  | Uint8Array;

interface DTypeFacts {
  readonly bytes: number;
  readonly kind: "float" | "int" | "bool";
  readonly stablehlo: string;
  readonly safetensors: string;
}

const FACTS: Readonly<Record<DType, DTypeFacts>> = {
  float32: { bytes: 4, kind: "float", stablehlo: "f32", safetensors: "F32" },
  float64: { bytes: 8, kind: "float", stablehlo: "f64", safetensors: "F64" },
  int32: { bytes: 4, kind: "int", stablehlo: "i32", safetensors: "I32" },
  int64: { bytes: 8, kind: "int", stablehlo: "i64", safetensors: "I64" },
  uint32: { bytes: 4, kind: "int", stablehlo: "ui32", safetensors: "U32" },
  bool: { bytes: 1, kind: "bool", stablehlo: "i1", safetensors: "BOOL" },
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

/** A zeroed array for `length` elements. */
export function allocate(dtype: DType, length: number): TypedArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(length);
    case "float64":
      return new Float64Array(length);
    case "int32":
      return new Int32Array(length);
    case "int64":
      return new BigInt64Array(length);
    case "uint32":
      return new Uint32Array(length);
    case "bool":
      return new Uint8Array(length);
  }
}

/** A typed view of `buffer` from `byteOffset`, `length` elements long. */
export function viewOf(
  dtype: DType,
  buffer: ArrayBuffer,
  byteOffset: number,
  length: number,
): TypedArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer, byteOffset, length);
    case "float64":
      return new Float64Array(buffer, byteOffset, length);
    case "int32":
      return new Int32Array(buffer, byteOffset, length);
    case "int64":
      return new BigInt64Array(buffer, byteOffset, length);
    case "uint32":
      return new Uint32Array(buffer, byteOffset, length);
    case "bool":
      return new Uint8Array(buffer, byteOffset, length);
  }
}

/** Numbers (or booleans) as elements of `dtype`. */
export function fromNumbers(dtype: DType, values: ArrayLike<number | boolean>): TypedArray {
  const out = allocate(dtype, values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (out instanceof BigInt64Array) out[i] = BigInt(Math.trunc(Number(value)));
    else out[i] = dtype === "bool" ? (value ? 1 : 0) : Number(value);
  }
  return out;
}
