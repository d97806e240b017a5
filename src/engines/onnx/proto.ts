/**
 * @file The ONNX model as plain data, and its protobuf encoding.
 *
 * Written field by field with `BinaryWriter`: the part of onnx.proto that we need is 40 field numbers, so generated
 * code would be the larger dependency.
 */

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { DType, TypedArray } from "../../core/dtype.ts";
import { EngineError } from "../../core/errors.ts";
import { onnxTypeNumber } from "./element-types.ts";

export { decodeModel, readSignature } from "./proto-decode.ts";

/** A constant. `data` is row-major and may be a view into a larger buffer. */
export interface OnnxTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TypedArray;
}

/** The attribute kinds that we write; no string lists. */
export type OnnxAttribute =
  | { readonly graph: OnnxGraph }
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly tensor: OnnxTensor };

/** One operator call. */
export interface OnnxNode {
  readonly op: string;
  /** `""` for the standard operators, else for example `com.microsoft`. */
  readonly domain: string;
  readonly name: string;
  /** `""` stands for an optional input that is absent. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** Name and type of a graph input or output; a dimension of −1 is not fixed by the model. */
export interface OnnxValueInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/** A whole model; nodes stand in an order in which every value is made before it is used. */
export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  /** `metadata_props` of the model. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** ONNX 1.17: the newest pair that ONNX Runtime 1.20 and later accept. */
const IR_VERSION = 10;
const OPSETS = { "": 21, "com.microsoft": 1 } as const;
/** Protobuf's own limit for one message. */
const MAX_BYTES = 2 ** 31 - 1;

/** Bytes of all constants of a graph. */
export function constantBytes(graph: OnnxGraph): number {
  return graph.initializers.reduce((sum, tensor) => sum + tensor.data.byteLength, 0);
}

/** Where constants lie when they do not stand in the model: another file, in the same folder. */
export interface ExternalData {
  readonly file: string;
  /** Places in that file, by name of the tensor; tensors without one stay in the model. */
  readonly offsets: ReadonlyMap<string, number>;
}

/**
 * The model as the bytes of an `.onnx` file.
 *
 * @throws EngineError when the constants take more than protobuf's 2 GiB and are not external
 */
export function encodeModel(graph: OnnxGraph, external?: ExternalData): Uint8Array {
  const constants = constantBytes(graph);
  if (constants > MAX_BYTES && external === undefined) {
    throw new EngineError("ENGINE-02", "onnx encode: the constants do not fit into one model.", [
      ["constants", `${constants} bytes`],
      ["limit", `${MAX_BYTES} bytes (protobuf)`],
      ["fix", "saveOnnx(path, …) writes them to a file beside the model"],
    ]);
  }
  const writer = new BinaryWriter();
  int(writer, 1, IR_VERSION);
  text(writer, 2, "meshloom");
  message(writer, 7, () => writeGraph(writer, graph, external));
  for (const [domain, version] of Object.entries(OPSETS)) {
    message(writer, 8, () => {
      text(writer, 1, domain);
      int(writer, 2, version);
    });
  }
  for (const [key, value] of Object.entries(graph.metadata)) {
    message(writer, 14, () => {
      text(writer, 1, key);
      text(writer, 2, value);
    });
  }
  return writer.finish();
}

function writeGraph(writer: BinaryWriter, graph: OnnxGraph, external?: ExternalData): void {
  for (const node of graph.nodes) message(writer, 1, () => writeNode(writer, node));
  text(writer, 2, graph.name);
  for (const tensor of graph.initializers)
    message(writer, 5, () => writeTensor(writer, tensor, external));
  for (const value of graph.inputs) message(writer, 11, () => writeValueInfo(writer, value));
  for (const value of graph.outputs) message(writer, 12, () => writeValueInfo(writer, value));
}

function writeNode(writer: BinaryWriter, node: OnnxNode): void {
  for (const name of node.inputs) text(writer, 1, name);
  for (const name of node.outputs) text(writer, 2, name);
  text(writer, 3, node.name);
  text(writer, 4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    message(writer, 5, () => writeAttribute(writer, name, attribute));
  }
  text(writer, 7, node.domain);
}

function writeAttribute(writer: BinaryWriter, name: string, attribute: OnnxAttribute): void {
  text(writer, 1, name);
  if ("float" in attribute) {
    writer.tag(2, WireType.Bit32).float(attribute.float);
    int(writer, 20, 1);
  } else if ("int" in attribute) {
    int(writer, 3, attribute.int);
    int(writer, 20, 2);
  } else if ("string" in attribute) {
    text(writer, 4, attribute.string);
    int(writer, 20, 3);
  } else if ("tensor" in attribute) {
    message(writer, 5, () => writeTensor(writer, attribute.tensor));
    int(writer, 20, 4);
  } else if ("graph" in attribute) {
    message(writer, 6, () => writeGraph(writer, attribute.graph));
    int(writer, 20, 5);
  } else if ("floats" in attribute) {
    for (const value of attribute.floats) writer.tag(7, WireType.Bit32).float(value);
    int(writer, 20, 6);
  } else {
    for (const value of attribute.ints) int(writer, 8, value);
    int(writer, 20, 7);
  }
}

function writeTensor(writer: BinaryWriter, tensor: OnnxTensor, external?: ExternalData): void {
  for (const dim of tensor.dims) int(writer, 1, dim);
  int(writer, 2, onnxTypeNumber(tensor.dtype));
  text(writer, 8, tensor.name);
  const offset = external?.offsets.get(tensor.name);
  if (external !== undefined && offset !== undefined) {
    const facts = { location: external.file, offset, length: tensor.data.byteLength };
    for (const [key, value] of Object.entries(facts)) {
      message(writer, 13, () => {
        text(writer, 1, key);
        text(writer, 2, `${value}`);
      });
    }
    int(writer, 14, 1); // EXTERNAL
    return;
  }
  // Every platform that Node runs on is little-endian, so memory order is file order.
  const { buffer, byteOffset, byteLength } = tensor.data;
  writer.tag(9, WireType.LengthDelimited).bytes(new Uint8Array(buffer, byteOffset, byteLength));
}

function writeValueInfo(writer: BinaryWriter, value: OnnxValueInfo): void {
  text(writer, 1, value.name);
  message(writer, 2, () =>
    message(writer, 1, () => {
      int(writer, 1, onnxTypeNumber(value.dtype));
      message(writer, 2, () => {
        for (const dim of value.dims) {
          message(writer, 1, () => {
            if (dim >= 0) int(writer, 1, dim);
          });
        }
      });
    }),
  );
}

function message(writer: BinaryWriter, field: number, body: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  body();
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function int(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value);
}
