/** @file Reads an ONNX model back into plain data: our own files fully, foreign ones as far as our types reach. */

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { allocate, type DType, dtypeFacts, fromNumbers, viewOf } from "../../core/dtype.ts";
import { EngineError } from "../../core/errors.ts";
import { dtypeOfOnnxType, elementCount } from "./element-types.ts";
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor, OnnxValueInfo } from "./proto.ts";

/** Called for every field of a message; true when it has read the field's value. */
type FieldVisitor = (field: number, wire: WireType) => boolean;

/** What a session needs to know of a model: its inputs and outputs, in order. */
export type OnnxSignature = Pick<OnnxGraph, "inputs" | "outputs">;

/**
 * Reads a model; the inverse of `encodeModel` for what that writes.
 *
 * @throws EngineError for subgraphs, string lists, and element types that Meshloom does not have
 */
export function decodeModel(bytes: Uint8Array): OnnxGraph {
  return guarded(bytes, (reader) => readModel(reader, readGraph));
}

/** Inputs and outputs only; skips nodes and constants unread, so it is fast for models of any size. */
export function readSignature(bytes: Uint8Array): OnnxSignature {
  return guarded(bytes, (reader) => readModel(reader, readGraphSignature));
}

function guarded<T>(bytes: Uint8Array, read: (reader: BinaryReader) => T): T {
  try {
    return read(new BinaryReader(bytes));
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError("ENGINE-02", "onnx decode: these bytes are no ONNX model.", [
      ["length", `${bytes.byteLength} bytes`],
      ["reader says", error instanceof Error ? error.message : String(error)],
    ]);
  }
}

function readModel<T>(reader: BinaryReader, readBody: (reader: BinaryReader) => T): T {
  const metadata: [string, string][] = [];
  let body: T | undefined;
  fields(reader, reader.len, (field) => {
    if (field === 7) body = readBody(reader);
    else if (field === 14) metadata.push(readEntry(reader));
    else return false;
    return true;
  });
  if (body === undefined) throw new Error("it has no graph");
  return { ...body, metadata: Object.fromEntries(metadata) };
}

function readGraph(reader: BinaryReader): OnnxGraph {
  let name = "";
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const inputs: OnnxValueInfo[] = [];
  const outputs: OnnxValueInfo[] = [];
  submessage(reader, (field) => {
    if (field === 1) nodes.push(readNode(reader));
    else if (field === 2) name = reader.string();
    else if (field === 5) initializers.push(readTensor(reader));
    else if (field === 11) inputs.push(readValueInfo(reader));
    else if (field === 12) outputs.push(readValueInfo(reader));
    else return false;
    return true;
  });
  return { name, nodes, initializers, inputs, outputs, metadata: {} };
}

function readGraphSignature(reader: BinaryReader): OnnxSignature {
  const inputs: OnnxValueInfo[] = [];
  const outputs: OnnxValueInfo[] = [];
  submessage(reader, (field) => {
    if (field === 11) inputs.push(readValueInfo(reader));
    else if (field === 12) outputs.push(readValueInfo(reader));
    else return false;
    return true;
  });
  return { inputs, outputs };
}

function readNode(reader: BinaryReader): OnnxNode {
  const node = { op: "", domain: "", name: "", inputs: [] as string[], outputs: [] as string[] };
  const attributes: [string, OnnxAttribute][] = [];
  submessage(reader, (field) => {
    if (field === 1) node.inputs.push(reader.string());
    else if (field === 2) node.outputs.push(reader.string());
    else if (field === 3) node.name = reader.string();
    else if (field === 4) node.op = reader.string();
    else if (field === 5) attributes.push(readAttribute(reader));
    else if (field === 7) node.domain = reader.string();
    else return false;
    return true;
  });
  return { ...node, attributes: Object.fromEntries(attributes) };
}

function readAttribute(reader: BinaryReader): [string, OnnxAttribute] {
  let name = "";
  let type = 0;
  let single: OnnxAttribute | undefined;
  const ints: number[] = [];
  const floats: number[] = [];
  submessage(reader, (field, wire) => {
    if (field === 1) name = reader.string();
    else if (field === 2) single = { float: reader.float() };
    else if (field === 3) single = { int: Number(reader.int64()) };
    else if (field === 4) single = { string: reader.string() };
    else if (field === 5) single = { tensor: readTensor(reader) };
    else if (field === 7) repeated(reader, wire, () => floats.push(reader.float()));
    else if (field === 8) repeated(reader, wire, () => ints.push(Number(reader.int64())));
    else if (field === 20) type = reader.int32();
    else return false;
    return true;
  });
  if (type === 6) return [name, { floats }];
  if (type === 7) return [name, { ints }];
  // proto3 writers leave a zero out
  if (type === 1) single ??= { float: 0 };
  if (type === 2) single ??= { int: 0 };
  if (type === 3) single ??= { string: "" };
  if (single !== undefined) return [name, single];
  throw new EngineError(
    "ENGINE-02",
    `onnx decode: attribute "${name}" is of a kind not supported.`,
    [
      ["kind", `AttributeProto type ${type}`],
      ["supported", "float, int, string, tensor, floats, ints"],
    ],
  );
}

function readTensor(reader: BinaryReader): OnnxTensor {
  let name = "";
  let type = 0;
  let raw: Uint8Array | undefined;
  const dims: number[] = [];
  const values: (number | bigint)[] = [];
  submessage(reader, (field, wire) => {
    if (field === 1) repeated(reader, wire, () => dims.push(Number(reader.int64())));
    else if (field === 2) type = reader.int32();
    else if (field === 4) repeated(reader, wire, () => values.push(reader.float()));
    else if (field === 5 || field === 7 || field === 11) {
      repeated(reader, wire, () => values.push(BigInt(reader.int64())));
    } else if (field === 8) name = reader.string();
    else if (field === 9) raw = reader.bytes();
    else if (field === 10) repeated(reader, wire, () => values.push(reader.double()));
    else return false;
    return true;
  });
  const dtype = knownType(type, `tensor "${name}"`);
  const data = raw === undefined ? fromValues(dtype, values) : ownedData(dtype, raw);
  if (data.length !== elementCount(dims)) {
    throw new Error(`tensor "${name}" has ${data.length} elements for dims [${dims.join(", ")}]`);
  }
  return { name, dtype, dims, data };
}

/** int64 by way of `number` would lose the low bits of large values. */
function fromValues(dtype: DType, values: readonly (number | bigint)[]): OnnxTensor["data"] {
  if (dtype === "int64") return BigInt64Array.from(values, BigInt);
  return fromNumbers(dtype, values.map(Number));
}

/** A copy, since bytes inside a message are rarely aligned to the element size. */
function ownedData(dtype: DType, raw: Uint8Array): OnnxTensor["data"] {
  if (raw.byteLength === 0) return allocate(dtype, 0);
  return viewOf(dtype, raw.slice().buffer, 0, raw.byteLength / dtypeFacts(dtype).bytes);
}

function readValueInfo(reader: BinaryReader): OnnxValueInfo {
  let name = "";
  let type = 0;
  const dims: number[] = [];
  const readTensorType: FieldVisitor = (field) => {
    if (field === 1) type = reader.int32();
    else if (field === 2) only(reader, 1, () => dims.push(readDim(reader)));
    else return false;
    return true;
  };
  submessage(reader, (field) => {
    if (field === 1) name = reader.string();
    else if (field === 2) only(reader, 1, () => submessage(reader, readTensorType));
    else return false;
    return true;
  });
  return { name, dtype: knownType(type, `value "${name}"`), dims };
}

function readDim(reader: BinaryReader): number {
  let dim = -1;
  only(reader, 1, () => {
    dim = Number(reader.int64());
  });
  return dim;
}

function readEntry(reader: BinaryReader): [string, string] {
  let key = "";
  let value = "";
  submessage(reader, (field) => {
    if (field === 1) key = reader.string();
    else if (field === 2) value = reader.string();
    else return false;
    return true;
  });
  return [key, value];
}

function knownType(type: number, what: string): DType {
  const dtype = dtypeOfOnnxType(type);
  if (dtype !== undefined) return dtype;
  throw new EngineError("ENGINE-02", `onnx decode: ${what} has an element type not supported.`, [
    ["type", `TensorProto.DataType ${type}`],
  ]);
}

/** Reads a message of which one field matters. */
function only(reader: BinaryReader, wanted: number, read: () => void): void {
  submessage(reader, (field) => {
    if (field !== wanted) return false;
    read();
    return true;
  });
}

function submessage(reader: BinaryReader, visit: FieldVisitor): void {
  const end = reader.uint32() + reader.pos;
  fields(reader, end, visit);
}

function fields(reader: BinaryReader, end: number, visit: FieldVisitor): void {
  while (reader.pos < end) {
    const [field, wire] = reader.tag();
    if (!visit(field, wire)) reader.skip(wire, field);
  }
}

/** One element, or a packed run of them: writers may choose. */
function repeated(reader: BinaryReader, wire: WireType, readOne: () => void): void {
  const end = wire === WireType.LengthDelimited ? reader.uint32() + reader.pos : reader.pos + 1;
  while (reader.pos < end) readOne();
}
