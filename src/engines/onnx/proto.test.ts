import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DTYPES, type DType, fromNumbers } from "../../core/dtype.ts";
import { dtypeOfOnnxType, elementCount } from "./element-types.ts";
import { tensorData } from "./import/tensor-data.ts";
import type { AttributeFile, GraphFile, ModelFile, TensorFile, ValueFile } from "./model-file.ts";
import {
  decodeModel,
  encodeModel,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxTensor,
  type OnnxValueInfo,
  readSignature,
} from "./proto.ts";

const dtype = fc.constantFrom<DType>(...DTYPES);
const dims = fc.array(fc.nat({ max: 4 }), { maxLength: 3 });
const name = fc.string({ minLength: 1, maxLength: 8 });
const float32 = fc.float({ noNaN: true });

const tensor = fc.record({ name, dtype, dims }).chain((type) =>
  fc
    .array(fc.integer({ min: 0, max: 1 }), {
      minLength: elementCount(type.dims),
      maxLength: elementCount(type.dims),
    })
    .map((values) => ({ ...type, data: fromNumbers(type.dtype, values) })),
);

const attribute = fc.oneof(
  fc.record({ int: fc.maxSafeInteger() }),
  fc.record({ float: float32 }),
  fc.record({ string: fc.string() }),
  fc.record({ ints: fc.array(fc.maxSafeInteger()) }),
  fc.record({ floats: fc.array(float32) }),
  fc.record({ tensor }),
);

const attributeNames = fc.constantFrom("axis", "alpha", "to", "keepdims");

const graph: fc.Arbitrary<OnnxGraph> = fc.record({
  name: fc.string(),
  nodes: fc.array(
    fc.record({
      op: name,
      domain: fc.constantFrom("", "com.microsoft"),
      name: fc.string(),
      inputs: fc.array(fc.string()),
      outputs: fc.array(name),
      attributes: fc.dictionary(attributeNames, attribute, { noNullPrototype: true }),
    }),
  ),
  initializers: fc.array(tensor),
  inputs: fc.array(fc.record({ name, dtype, dims })),
  outputs: fc.array(
    fc.record({ name, dtype, dims: fc.array(fc.constantFrom(-1, 0, 3), { maxLength: 3 }) }),
  ),
  metadata: fc.dictionary(fc.constantFrom("meshloom.program", "é"), fc.string(), {
    noNullPrototype: true,
  }),
});

/** What was read, in the form of what was written. */
function plain({ graph, metadata }: ModelFile): OnnxGraph {
  return { ...plainGraph(graph), metadata: Object.fromEntries(metadata) };
}

function plainGraph(file: GraphFile): OnnxGraph {
  return {
    name: file.name,
    nodes: file.nodes.map(({ overload: _, attributes, ...node }) => ({
      ...node,
      attributes: Object.fromEntries(
        [...attributes].map(([name, attribute]) => [name, plainAttribute(attribute)]),
      ),
    })),
    initializers: file.initializers.map(plainTensor),
    inputs: file.inputs.map(plainValue),
    outputs: file.outputs.map(plainValue),
    metadata: {},
  };
}

function plainAttribute(attribute: AttributeFile): OnnxAttribute {
  if (attribute.kind === "tensor") return { tensor: plainTensor(attribute.tensor) };
  if (attribute.kind === "graph") return { graph: plainGraph(attribute.graph) };
  const { kind: _, ...value } = attribute;
  return value as OnnxAttribute;
}

function plainTensor(file: TensorFile): OnnxTensor {
  const { array } = tensorData(file, () => new Uint8Array());
  return { name: file.name, ...array };
}

function plainValue({ name, type }: ValueFile): OnnxValueInfo {
  if (type?.kind !== "tensor") throw new Error(`${name} is no tensor`);
  const dims = (type.dims ?? []).map((dim) => (typeof dim === "number" ? dim : -1));
  return { name, dtype: dtypeOfOnnxType(type.element) ?? "bool", dims };
}

describe("encodeModel and decodeModel", () => {
  test("are inverse", () => {
    fc.assert(
      fc.property(graph, (given) => {
        const bytes = encodeModel(given);
        expect(plain(decodeModel(bytes))).toEqual(given);
        expect(readSignature(bytes)).toMatchObject({
          inputs: given.inputs,
          outputs: given.outputs,
        });
      }),
    );
  });

  test("write the part of a buffer that a view shows", () => {
    const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    const constant = { name: "c", dtype: "float32", dims: [2], data } as const;
    const empty = { name: "g", nodes: [], inputs: [], outputs: [], metadata: {} };
    const back = plain(decodeModel(encodeModel({ ...empty, initializers: [constant] })));
    expect(back.initializers[0]?.data).toEqual(new Float32Array([1, 2]));
  });

  test("refuse bytes that are no model", () => {
    expect(() => decodeModel(new Uint8Array([255, 255, 255]))).toThrow("ends inside a value");
    expect(() => readSignature(new Uint8Array([255, 255, 255]))).toThrow(
      "onnx decode: these bytes are no ONNX model.",
    );
    expect(() => decodeModel(new Uint8Array(0))).toThrow("it has no graph");
  });
});
