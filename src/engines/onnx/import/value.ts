/** @file Values while a model is read: tensors, some of them known already, and lists of them. */

import { type DType, fromNumbers } from "../../../core/dtype.ts";
import { at, type NdArray } from "../../../core/ndarray.ts";
import { type Aval, aval } from "../../../core/shape.ts";
import { stored, type Tensor } from "../../../core/tensor.ts";
import { full, literal } from "../../../ops/creation.ts";
import { carrierOf, type ElementType } from "./elements.ts";

/**
 * A tensor of the model.
 *
 * `known` holds its elements where they do not depend on what the function is called with: weights,
 * constants, shapes, and what is computed from them. Forms (the target of a Reshape) are read from it.
 */
export interface TensorValue {
  readonly kind: "tensor";
  readonly type: ElementType;
  readonly form: Aval;
  readonly known: NdArray | undefined;
  /** Where it is known only as another value and something more: an end as a start and a length. */
  readonly sum?: { readonly of: TensorValue; readonly more: NdArray };
  /** The tensor in the program being traced; a constant is written at its first use. */
  tensor(): Tensor;
}

export interface SequenceValue {
  readonly kind: "sequence";
  readonly items: readonly Value[];
}

/** An optional value that is absent. */
export interface NothingValue {
  readonly kind: "nothing";
}

export type Value = TensorValue | SequenceValue | NothingValue;

export const NOTHING: NothingValue = { kind: "nothing" };

/** The value of a tensor; a tensor that holds data is known. */
export function tensorValue(x: Tensor, type: ElementType = x.dtype): TensorValue {
  const { origin } = x;
  return {
    kind: "tensor",
    type,
    form: x.aval,
    known: origin.kind === "stored" ? { dtype: x.dtype, dims: x.dims, data: x.data() } : undefined,
    tensor: () => x,
  };
}

/** The value of an array on the host. */
export function knownValue(known: NdArray, type: ElementType = known.dtype): TensorValue {
  const form = aval(known.dtype, known.dims);
  // Stored once, since weights may be large; what is written belongs to the program of the moment.
  let data: Tensor | undefined;
  return {
    kind: "tensor",
    type,
    form,
    known,
    tensor() {
      const written = writtenConstant(form, known);
      if (written !== undefined) return written;
      data ??= stored(form, known.data);
      return data;
    },
  };
}

/** Constants up to this size are written into the program, where simplification sees them. */
const LITERAL_LIMIT = 64;

function writtenConstant(form: Aval, known: NdArray): Tensor | undefined {
  const size = known.data.length;
  if (size === 0) return full(0, form);
  const first = known.data[0];
  if (known.data.every((value) => Object.is(value, first)) && exact(known, 0)) {
    return full(at(known, 0), form);
  }
  if (size > LITERAL_LIMIT) return undefined;
  const places = Array.from({ length: size }, (_, i) => i);
  if (!places.every((i) => exact(known, i))) return undefined;
  return literal(
    form,
    places.map((i) => at(known, i)),
  );
}

/** A large int64 does not pass through a number unharmed. */
function exact(x: NdArray, i: number): boolean {
  return x.dtype !== "int64" || Number.isSafeInteger(at(x, i));
}

/** An array of numbers on the host. */
export function hostArray(
  dtype: DType,
  dims: readonly number[],
  values: readonly number[],
): NdArray {
  return { dtype, dims, data: fromNumbers(dtype, values) };
}

/** int64 numbers, as shapes and axes are. */
export function hostInts(values: readonly number[]): NdArray {
  return hostArray("int64", [values.length], values);
}

/** What a value is, for error texts. */
export function showValue(value: Value | undefined): string {
  if (value === undefined) return "absent";
  if (value.kind === "nothing") return "an empty optional";
  if (value.kind === "sequence") return `a sequence of ${value.items.length}`;
  return `${value.type}[${value.form.dims.join(", ")}]`;
}

/** Whether int32 carries the elements in place of a narrower type. */
export function isCarried(value: TensorValue): boolean {
  return value.type !== carrierOf(value.type);
}
