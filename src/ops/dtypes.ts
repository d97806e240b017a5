/** @file Which element types an op takes. */

import type { DType } from "../core/dtype.ts";
import { DTypeError } from "../core/errors.ts";
import { type Aval, showAval } from "../core/shape.ts";

export const FLOATS: readonly DType[] = ["float32", "float64", "float16", "bfloat16"];
export const SIGNED: readonly DType[] = [...FLOATS, "int32", "int64"];
export const NUMBERS: readonly DType[] = [...SIGNED, "uint32"];
export const BITS: readonly DType[] = ["int32", "int64", "uint32", "bool"];
export const ALL: readonly DType[] = [...NUMBERS, "bool"];

export function checkDType(name: string, x: Aval, allowed: readonly DType[]): void {
  if (allowed.includes(x.dtype)) return;
  throw new DTypeError("DTYPE-01", `${name}: takes ${allowed.join(", ")}, not ${showAval(x)}`);
}
