/** @file An ONNX model as its file says it, before anything is understood. */

/** `TensorProto.DataType`: 1 is float32; `element-types.ts` knows the others. */
export type ElementNumber = number;

/** A whole model. */
export interface ModelFile {
  readonly irVersion: number;
  /** Version of the operators by domain; "" is the standard domain. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: GraphFile;
  readonly functions: readonly FunctionFile[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** A graph, the model's own or one inside an attribute. */
export interface GraphFile {
  readonly name: string;
  readonly nodes: readonly NodeFile[];
  readonly initializers: readonly TensorFile[];
  /** Names of sparse initializers, which nobody here reads. */
  readonly sparse: readonly string[];
  readonly inputs: readonly ValueFile[];
  readonly outputs: readonly ValueFile[];
}

/** Operators that the model defines itself. */
export interface FunctionFile {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes that a call must give. */
  readonly attributes: readonly string[];
  /** Attributes with a value for calls that give none. */
  readonly defaults: ReadonlyMap<string, AttributeFile>;
  readonly opsets: ReadonlyMap<string, number>;
  readonly nodes: readonly NodeFile[];
}

export interface NodeFile {
  readonly op: string;
  readonly domain: string;
  readonly overload: string;
  readonly name: string;
  /** `""` stands for an optional input that is absent. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeFile>;
}

/** An attribute's value; `int` and `ints` are rounded beyond 2⁵³. */
export type AttributeFile =
  | { readonly kind: "float"; readonly float: number }
  | { readonly kind: "int"; readonly int: number }
  | { readonly kind: "string"; readonly string: string }
  | { readonly kind: "tensor"; readonly tensor: TensorFile }
  | { readonly kind: "graph"; readonly graph: GraphFile }
  | { readonly kind: "floats"; readonly floats: readonly number[] }
  | { readonly kind: "ints"; readonly ints: readonly number[] }
  | { readonly kind: "strings"; readonly strings: readonly string[] }
  | { readonly kind: "tensors"; readonly tensors: readonly TensorFile[] }
  | { readonly kind: "graphs"; readonly graphs: readonly GraphFile[] }
  | { readonly kind: "type"; readonly type: TypeFile }
  /** Inside a function: the value that the call gives to its attribute `name`. */
  | { readonly kind: "reference"; readonly name: string }
  /** Kinds that no operator here takes: sparse tensors, lists of types. */
  | { readonly kind: "other"; readonly number: number };

/** A tensor's form and where its elements stand; nothing is decoded yet. */
export interface TensorFile {
  readonly name: string;
  readonly type: ElementNumber;
  readonly dims: readonly number[];
  readonly elements: /** Row-major, little-endian; a view of the file. */
    | { readonly kind: "raw"; readonly bytes: Uint8Array }
    /** A typed field: floats, doubles, or integers (16-bit floats as their bits). */
    | { readonly kind: "numbers"; readonly values: readonly number[] }
    | { readonly kind: "int64s"; readonly values: readonly bigint[] }
    | { readonly kind: "strings"; readonly values: readonly string[] }
    /** In another file: keys `location`, `offset`, `length`. */
    | { readonly kind: "external"; readonly entries: ReadonlyMap<string, string> };
}

/** Name and type of a graph's input or output. */
export interface ValueFile {
  readonly name: string;
  readonly type: TypeFile | undefined;
}

/** A dimension is a size, a symbol, or unknown. */
export type DimFile = number | string | null;

export type TypeFile =
  /** `dims` is undefined where not even the rank is said. */
  | {
      readonly kind: "tensor";
      readonly element: ElementNumber;
      readonly dims: readonly DimFile[] | undefined;
    }
  | { readonly kind: "sequence" | "optional"; readonly of: TypeFile | undefined }
  | { readonly kind: "map" | "sparse tensor" | "opaque" };
