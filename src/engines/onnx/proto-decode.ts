/** @file Reads an ONNX model file into plain data: all of `ModelProto` that means something here. */

import { EngineError } from "../../core/errors.ts";
import { dtypeOfOnnxType } from "./element-types.ts";
import type {
  AttributeFile,
  DimFile,
  FunctionFile,
  GraphFile,
  ModelFile,
  NodeFile,
  TensorFile,
  TypeFile,
  ValueFile,
} from "./model-file.ts";
import type { OnnxValueInfo } from "./proto.ts";
import { WireError, WireReader } from "./wire.ts";

/** What a session needs to know of a model: its inputs and outputs, in order, and what stands beside the graph. */
export interface OnnxSignature {
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** Reads a whole model. @throws WireError saying at which byte the file stops making sense */
export function decodeModel(bytes: Uint8Array): ModelFile {
  const reader = new WireReader(bytes);
  let irVersion = 0;
  let graph: GraphFile | undefined;
  const opsets = new Map<string, number>();
  const functions: FunctionFile[] = [];
  const metadata = new Map<string, string>();
  reader.fields((field) => {
    if (field === 1) irVersion = reader.int();
    else if (field === 7) graph = readGraph(reader);
    else if (field === 8) readOpset(reader, opsets);
    else if (field === 14) readEntry(reader, metadata);
    else if (field === 25) functions.push(readFunction(reader));
    else return false;
    return true;
  });
  if (graph === undefined) throw new WireError("it has no graph");
  return { irVersion, opsets, graph, functions, metadata };
}

/** A tensor in a file of its own, as test data is kept. @throws WireError */
export function decodeTensor(bytes: Uint8Array): TensorFile {
  return tensorFields(new WireReader(bytes), (reader, visit) => reader.fields(visit));
}

/**
 * Inputs, outputs and metadata only; skips nodes and constants unread, so it is fast for models of any size.
 *
 * @throws EngineError for bytes that are no model, and for element types that Meshloom does not have
 */
export function readSignature(bytes: Uint8Array): OnnxSignature {
  try {
    const reader = new WireReader(bytes);
    const inputs: OnnxValueInfo[] = [];
    const outputs: OnnxValueInfo[] = [];
    const metadata = new Map<string, string>();
    reader.fields((field) => {
      if (field === 14) {
        readEntry(reader, metadata);
        return true;
      }
      if (field !== 7) return false;
      reader.message((inner) => {
        if (inner === 11) inputs.push(plainValue(readValue(reader)));
        else if (inner === 12) outputs.push(plainValue(readValue(reader)));
        else return false;
        return true;
      });
      return true;
    });
    return { inputs, outputs, metadata };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new EngineError("ENGINE-02", "onnx decode: these bytes are no ONNX model.", [
      ["length", `${bytes.byteLength} bytes`],
      ["reader says", error.message],
    ]);
  }
}

function plainValue({ name, type }: ValueFile): OnnxValueInfo {
  const dtype = type?.kind === "tensor" ? dtypeOfOnnxType(type.element) : undefined;
  if (type?.kind !== "tensor" || dtype === undefined) {
    throw new EngineError(
      "ENGINE-02",
      `onnx decode: value "${name}" has an element type not supported.`,
      [
        [
          "type",
          type?.kind === "tensor"
            ? `TensorProto.DataType ${type.element}`
            : (type?.kind ?? "none given"),
        ],
      ],
    );
  }
  const dims = (type.dims ?? []).map((dim) => (typeof dim === "number" ? dim : -1));
  return { name, dtype, dims };
}

function readGraph(reader: WireReader): GraphFile {
  let name = "";
  const nodes: NodeFile[] = [];
  const initializers: TensorFile[] = [];
  const sparse: string[] = [];
  const inputs: ValueFile[] = [];
  const outputs: ValueFile[] = [];
  reader.message((field) => {
    if (field === 1) nodes.push(readNode(reader));
    else if (field === 2) name = reader.looseText();
    else if (field === 5) initializers.push(readTensor(reader));
    else if (field === 11) inputs.push(readValue(reader));
    else if (field === 12) outputs.push(readValue(reader));
    else if (field === 15) sparse.push(readSparseName(reader));
    else return false;
    return true;
  });
  return { name, nodes, initializers, sparse, inputs, outputs };
}

function readSparseName(reader: WireReader): string {
  let name = "";
  reader.message((field) => {
    if (field !== 1) return false;
    name = readTensor(reader).name;
    return true;
  });
  return name;
}

function readFunction(reader: WireReader): FunctionFile {
  const text = { name: "", domain: "", overload: "" };
  const lists = { inputs: [] as string[], outputs: [] as string[], attributes: [] as string[] };
  const defaults = new Map<string, AttributeFile>();
  const opsets = new Map<string, number>();
  const nodes: NodeFile[] = [];
  reader.message((field) => {
    if (field === 1) text.name = reader.text();
    else if (field === 4) lists.inputs.push(reader.text());
    else if (field === 5) lists.outputs.push(reader.text());
    else if (field === 6) lists.attributes.push(reader.text());
    else if (field === 7) nodes.push(readNode(reader));
    else if (field === 9) readOpset(reader, opsets);
    else if (field === 10) text.domain = reader.text();
    else if (field === 11) readAttribute(reader, defaults);
    else if (field === 13) text.overload = reader.text();
    else return false;
    return true;
  });
  return { ...text, domain: plainDomain(text.domain), ...lists, defaults, opsets, nodes };
}

function readOpset(reader: WireReader, into: Map<string, number>): void {
  let domain = "";
  let version = 0;
  reader.message((field) => {
    if (field === 1) domain = reader.text();
    else if (field === 2) version = reader.int();
    else return false;
    return true;
  });
  into.set(plainDomain(domain), version);
}

/** The standard domain has two spellings. */
function plainDomain(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}

function readNode(reader: WireReader): NodeFile {
  const node = { op: "", domain: "", overload: "", name: "" };
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, AttributeFile>();
  reader.message((field) => {
    if (field === 1) inputs.push(reader.text());
    else if (field === 2) outputs.push(reader.text());
    else if (field === 3) node.name = reader.text();
    else if (field === 4) node.op = reader.text();
    else if (field === 5) readAttribute(reader, attributes);
    else if (field === 7) node.domain = plainDomain(reader.text());
    else if (field === 8) node.overload = reader.text();
    else return false;
    return true;
  });
  return { ...node, inputs, outputs, attributes };
}

/** The numbers of `AttributeProto.AttributeType`. */
const KINDS = {
  1: "float",
  2: "int",
  3: "string",
  4: "tensor",
  5: "graph",
  6: "floats",
  7: "ints",
  8: "strings",
  9: "tensors",
  10: "graphs",
  13: "type",
} as const;

function readAttribute(reader: WireReader, into: Map<string, AttributeFile>): void {
  let name = "";
  let reference = "";
  let type = 0;
  // proto3 writers leave a zero out
  const one = { float: 0, int: 0, string: "" };
  const lists = {
    floats: [] as number[],
    ints: [] as number[],
    strings: [] as string[],
    tensors: [] as TensorFile[],
    graphs: [] as GraphFile[],
  };
  let tensor: TensorFile | undefined;
  let graph: GraphFile | undefined;
  let typed: TypeFile | undefined;
  let seen: AttributeFile["kind"] | undefined;
  reader.message((field) => {
    if (field === 1) name = reader.text();
    else if (field === 20) type = reader.int();
    else if (field === 21) reference = reader.text();
    else {
      // Files from before the type was written down say it by which field is there.
      const kind = FIELDS[field];
      if (kind === undefined) return false;
      seen = kind;
      if (kind === "float") one.float = reader.float();
      else if (kind === "int") one.int = reader.int();
      else if (kind === "string") one.string = reader.looseText();
      else if (kind === "tensor") tensor = readTensor(reader);
      else if (kind === "graph") graph = readGraph(reader);
      else if (kind === "type") typed = readType(reader);
      else if (kind === "floats") reader.floats((value) => lists.floats.push(value));
      else if (kind === "ints") reader.ints((value) => lists.ints.push(value));
      else if (kind === "strings") lists.strings.push(reader.looseText());
      else if (kind === "tensors") lists.tensors.push(readTensor(reader));
      else lists.graphs.push(readGraph(reader));
    }
    return true;
  });
  const kind = type === 0 ? seen : (KINDS as Readonly<Record<number, keyof typeof WANTED>>)[type];
  const value = (): AttributeFile => {
    if (reference !== "") return { kind: "reference", name: reference };
    if (kind === "tensor" && tensor !== undefined) return { kind, tensor };
    if (kind === "graph" && graph !== undefined) return { kind, graph };
    if (kind === "type" && typed !== undefined) return { kind, type: typed };
    if (kind === "float") return { kind, float: one.float };
    if (kind === "int") return { kind, int: one.int };
    if (kind === "string") return { kind, string: one.string };
    if (kind === "floats") return { kind, floats: lists.floats };
    if (kind === "ints") return { kind, ints: lists.ints };
    if (kind === "strings") return { kind, strings: lists.strings };
    if (kind === "tensors") return { kind, tensors: lists.tensors };
    if (kind === "graphs") return { kind, graphs: lists.graphs };
    return { kind: "other", number: type };
  };
  into.set(name, value());
}

/** Which field of `AttributeProto` holds which kind. */
const WANTED = {
  float: 2,
  int: 3,
  string: 4,
  tensor: 5,
  graph: 6,
  floats: 7,
  ints: 8,
  strings: 9,
  tensors: 10,
  graphs: 11,
  type: 14,
} as const;
const FIELDS: Readonly<Record<number, keyof typeof WANTED>> = Object.fromEntries(
  Object.entries(WANTED).map(([kind, field]) => [field, kind as keyof typeof WANTED]),
);

function readTensor(reader: WireReader): TensorFile {
  return tensorFields(reader, (inner, visit) => inner.message(visit));
}

function tensorFields(
  reader: WireReader,
  read: (reader: WireReader, visit: (field: number) => boolean) => void,
): TensorFile {
  let name = "";
  let type = 0;
  let location = 0;
  let raw: Uint8Array | undefined;
  const dims: number[] = [];
  const numbers: number[] = [];
  const int64s: bigint[] = [];
  const strings: string[] = [];
  const external = new Map<string, string>();
  read(reader, (field) => {
    if (field === 1) reader.ints((dim) => dims.push(dim));
    else if (field === 2) type = reader.int();
    else if (field === 4) reader.floats((value) => numbers.push(value));
    else if (field === 5) reader.ints((value) => numbers.push(value));
    else if (field === 6) strings.push(reader.looseText());
    else if (field === 7 || field === 11) reader.int64s((value) => int64s.push(value));
    else if (field === 8) name = reader.text();
    else if (field === 9) raw = reader.bytes();
    else if (field === 10) reader.doubles((value) => numbers.push(value));
    else if (field === 13) readEntry(reader, external);
    else if (field === 14) location = reader.int();
    else return false;
    return true;
  });
  const elements = (): TensorFile["elements"] => {
    if (location === 1) return { kind: "external", entries: external };
    if (raw !== undefined) return { kind: "raw", bytes: raw };
    if (strings.length > 0) return { kind: "strings", values: strings };
    return int64s.length > 0
      ? { kind: "int64s", values: int64s }
      : { kind: "numbers", values: numbers };
  };
  return { name, type, dims, elements: elements() };
}

function readValue(reader: WireReader): ValueFile {
  let name = "";
  let type: TypeFile | undefined;
  reader.message((field) => {
    if (field === 1) name = reader.text();
    else if (field === 2) type = readType(reader);
    else return false;
    return true;
  });
  return { name, type };
}

function readType(reader: WireReader): TypeFile | undefined {
  let type: TypeFile | undefined;
  reader.message((field) => {
    if (field === 1) type = readTensorType(reader);
    else if (field === 4 || field === 9) {
      let of: TypeFile | undefined;
      reader.message((inner) => {
        if (inner !== 1) return false;
        of = readType(reader);
        return true;
      });
      type = { kind: field === 4 ? "sequence" : "optional", of };
    } else if (field === 5) type = { kind: "map" };
    else if (field === 7) type = { kind: "opaque" };
    else if (field === 8) type = { kind: "sparse tensor" };
    else return false;
    // Of those just named, the content does not matter: the reader steps over what was not read.
    return type.kind === "tensor" || "of" in type;
  });
  return type;
}

function readTensorType(reader: WireReader): TypeFile {
  let element = 0;
  let dims: DimFile[] | undefined;
  reader.message((field) => {
    if (field === 1) element = reader.int();
    else if (field === 2) {
      const list: DimFile[] = [];
      dims = list;
      reader.message((inner) => {
        if (inner !== 1) return false;
        list.push(readDim(reader));
        return true;
      });
    } else return false;
    return true;
  });
  return { kind: "tensor", element, dims };
}

function readDim(reader: WireReader): DimFile {
  let dim: DimFile = null;
  reader.message((field) => {
    if (field === 1) dim = reader.int();
    else if (field === 2) dim = reader.text();
    else return false;
    return true;
  });
  return dim;
}

function readEntry(reader: WireReader, into: Map<string, string>): void {
  let key = "";
  let value = "";
  reader.message((field) => {
    if (field === 1) key = reader.looseText();
    else if (field === 2) value = reader.looseText();
    else return false;
    return true;
  });
  into.set(key, value);
}
