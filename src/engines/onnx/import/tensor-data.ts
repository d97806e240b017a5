/** @file The elements of a tensor in an ONNX file, wherever and however it keeps them. */

import { allocate, dtypeFacts, fromNumbers, viewOf } from "../../../core/dtype.ts";
import { OnnxError } from "../../../core/errors.ts";
import type { NdArray } from "../../../core/ndarray.ts";
import type { TensorFile } from "../model-file.ts";
import {
  carrierOf,
  type ElementType,
  elementName,
  elementOf,
  isNarrow,
  narrowFacts,
} from "./elements.ts";

/** An array, and what its elements are in the model. */
export interface TypedData {
  readonly type: ElementType;
  readonly array: NdArray;
}

/** `length` bytes of a second file beside the model. */
export type ExternalBytes = (entries: ReadonlyMap<string, string>, length: number) => Uint8Array;

/** More elements than any memory holds; below it, sizes are exact numbers. */
const MAX_ELEMENTS = 2 ** 40;

/**
 * Decodes a tensor.
 *
 * @param external - bytes that lie outside the model
 * @throws OnnxError when the elements do not fill the dims, or are of a type that is not carried
 */
export function tensorData(tensor: TensorFile, external: ExternalBytes): TypedData {
  const { name, dims, elements } = tensor;
  const type = elementOf(tensor.type);
  if (type === undefined) {
    throw new OnnxError(
      "ONNX-02",
      `importOnnx: tensor "${name}" has elements of type ${elementName(tensor.type)}, which is not supported.`,
    );
  }
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (dims.some((dim) => dim < 0) || !(count <= MAX_ELEMENTS))
    throw misfit(tensor, "its dims are no sizes");
  const dtype = carrierOf(type);
  const done = (data: NdArray["data"]): TypedData => {
    if (data.length !== count) throw misfit(tensor, `it has ${data.length} elements`);
    return { type, array: { dtype, dims, data } };
  };
  switch (elements.kind) {
    case "raw":
      return done(fromBytes(type, elements.bytes, count, tensor));
    case "external": {
      const bytes = external(elements.entries, byteLength(type, count));
      return done(fromBytes(type, bytes, count, tensor));
    }
    case "strings":
      throw misfit(tensor, "it holds strings");
    case "int64s":
      // By way of `number` large values would lose their low bits.
      return done(
        dtype === "int64"
          ? BigInt64Array.from(elements.values)
          : fromNumbers(dtype, elements.values.map(Number)),
      );
    case "numbers":
      if (type === "float16" || type === "bfloat16") {
        // int32_data holds the bits of 16-bit floats
        return done(Uint16Array.from(elements.values));
      }
      if (isNarrow(type) && narrowFacts(type).bits < 8) {
        return done(fromBytes(type, Uint8Array.from(elements.values), count, tensor));
      }
      return done(fromNumbers(dtype, elements.values));
  }
}

function fromBytes(
  type: ElementType,
  bytes: Uint8Array,
  count: number,
  tensor: TensorFile,
): NdArray["data"] {
  if (bytes.byteLength !== byteLength(type, count)) {
    throw misfit(tensor, `it has ${bytes.byteLength} bytes of elements`);
  }
  if (isNarrow(type)) return unpacked(type, bytes, count);
  if (count === 0) return allocate(type, 0);
  const { buffer, byteOffset } = bytes;
  // A view where the alignment allows it, since weights are large; else a copy.
  return byteOffset % dtypeFacts(type).bytes === 0
    ? viewOf(type, buffer as ArrayBuffer, byteOffset, count)
    : viewOf(type, new Uint8Array(bytes).buffer, 0, count);
}

function byteLength(type: ElementType, count: number): number {
  const bits = isNarrow(type) ? narrowFacts(type).bits : 8 * dtypeFacts(type).bytes;
  return Math.ceil((count * bits) / 8);
}

/** Narrow integers, several to a byte (low bits first) or several bytes to one (little-endian). */
function unpacked(
  type: Parameters<typeof narrowFacts>[0],
  bytes: Uint8Array,
  count: number,
): Int32Array {
  const { bits, signed } = narrowFacts(type);
  const out = new Int32Array(count);
  const sign = signed ? 2 ** (bits - 1) : 0;
  for (let i = 0; i < count; i++) {
    const at = (i * bits) >> 3;
    const word = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    const low = (word >> ((i * bits) & 7)) & (2 ** bits - 1);
    out[i] = (low ^ sign) - sign;
  }
  return out;
}

function misfit({ name, dims, type }: TensorFile, what: string): OnnxError {
  return new OnnxError("ONNX-01", `importOnnx: the elements of tensor "${name}" cannot be read.`, [
    ["form", `${elementName(type)}[${dims.join(", ")}]`],
    ["why", what],
  ]);
}
