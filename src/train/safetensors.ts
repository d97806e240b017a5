/** @file Named tensors as safetensors bytes and back. Little-endian hosts only, as Node's all are. */

import { type DType, dtypeFacts, type TypedArray, viewOf } from "../core/dtype.ts";
import { CheckpointError } from "../core/errors.ts";
import {
  countOf,
  damaged,
  METADATA_KEY,
  readHeader,
  type TensorEntry,
} from "./safetensors-header.ts";

/** Name and form of a tensor in a file. */
export interface NamedForm {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/** A whole logical tensor with its path, for example `layers/3/attention/query`. */
export interface NamedTensor extends NamedForm {
  /** Row-major elements, as many as `dims` say. */
  readonly data: TypedArray;
}

export interface SafetensorsContent {
  readonly tensors: readonly NamedTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The file as pieces to write one after another: the header, then views of the tensors' own memory.
 *
 * Wider dtypes lie first, so that every tensor is aligned to its element without padding, which
 * the format forbids.
 *
 * @throws CheckpointError when a name is doubled or reserved, or data does not fit dims or dtype
 */
export function safetensorsChunks(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
  checkTensors(tensors);
  const placed = tensors.toSorted((a, b) => dtypeFacts(b.dtype).bytes - dtypeFacts(a.dtype).bytes);
  return [headerOf(tensors, placed, metadata), ...placed.map((tensor) => bytesOf(tensor.data))];
}

/**
 * The bytes before the first tensor.
 *
 * @param tensors - in the order in which the header names them
 * @param placed - the same tensors, in the order in which they lie in the file
 */
export function headerOf<T extends NamedForm>(
  tensors: readonly T[],
  placed: readonly T[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const begins = new Map<T, number>();
  let at = 0;
  for (const tensor of placed) {
    begins.set(tensor, at);
    at += bytesIn(tensor);
  }
  // Written by hand, since an object would reorder names such as "10".
  const entries = tensors.map((tensor) => {
    const begin = begins.get(tensor) ?? 0;
    return `${JSON.stringify(tensor.name)}:${JSON.stringify({
      dtype: dtypeFacts(tensor.dtype).safetensors,
      shape: tensor.dims,
      data_offsets: [begin, begin + bytesIn(tensor)],
    })}`;
  });
  const about = Object.keys(metadata).length > 0;
  if (about) entries.unshift(`"${METADATA_KEY}":${JSON.stringify(metadata)}`);
  return headerBytes(`{${entries.join(",")}}`);
}

/** Bytes of a tensor of this form. */
export function bytesIn({ dims, dtype }: Pick<NamedForm, "dims" | "dtype">): number {
  return countOf(dims) * dtypeFacts(dtype).bytes;
}

/** `safetensorsChunks` in one array. */
export function encodeSafetensors(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const chunks = safetensorsChunks(tensors, metadata);
  const whole = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/**
 * All tensors of a file, in the header's order but integer-like names first. They own their memory.
 *
 * @param where - the file's path, for errors
 * @throws CheckpointError naming the file and the tensor, for anything the format forbids
 */
export function decodeSafetensors(bytes: Uint8Array, where: string): SafetensorsContent {
  const { entries, metadata, dataStart } = readHeader(bytes, where);
  const tensors = entries.map((entry) => readTensor(bytes.subarray(dataStart), entry, where));
  return { tensors, metadata };
}

function readTensor(body: Uint8Array, entry: TensorEntry, where: string): NamedTensor {
  const { name, dtype, dims } = entry;
  // A copy: files of other writers need not be aligned, and a view would keep the whole file alive.
  // Not `slice`, which on a Buffer is a view.
  const own = new Uint8Array(body.subarray(entry.begin, entry.end));
  if (dtype === "bool" && own.some((byte) => byte > 1)) {
    throw damaged(where, `tensor "${name}": a bool is neither 0 nor 1.`);
  }
  return { name, dtype, dims, data: viewOf(dtype, own.buffer, 0, countOf(dims)) };
}

/** Length, JSON, and spaces up to a multiple of 8, so that the data is aligned. */
function headerBytes(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20, 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return bytes;
}

function bytesOf(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function checkTensors(tensors: readonly NamedTensor[]): void {
  const names = new Set<string>();
  for (const { name, dtype, dims, data } of tensors) {
    const fail = (what: string, fix: string) =>
      new CheckpointError("CHECKPOINT-01", `safetensors: tensor "${name}" ${what}`, [["fix", fix]]);
    if (name === METADATA_KEY) throw fail("has a reserved name.", "rename it");
    if (names.has(name)) throw fail("is there twice.", "give each tensor a name of its own");
    names.add(name);
    const needed = bytesIn({ dims, dtype });
    if (data.byteLength !== needed) {
      throw fail(
        `has ${data.byteLength} bytes; ${dtype}[${dims.join(", ")}] needs ${needed}.`,
        "give data, dims and dtype that belong together",
      );
    }
    if (dtype === "bool" && bytesOf(data).some((byte) => byte > 1)) {
      throw fail("has a bool that is neither 0 nor 1.", "write true as 1");
    }
  }
}
