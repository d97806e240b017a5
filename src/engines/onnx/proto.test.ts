import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DTYPES, type DType, fromNumbers } from "../../core/dtype.ts";
import { elementCount } from "./element-types.ts";
import { decodeModel, encodeModel, type OnnxGraph, readSignature } from "./proto.ts";

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

describe("encodeModel and decodeModel", () => {
  test("are inverse", () => {
    fc.assert(
      fc.property(graph, (given) => {
        const bytes = encodeModel(given);
        expect(decodeModel(bytes)).toEqual(given);
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
    const back = decodeModel(encodeModel({ ...empty, initializers: [constant] }));
    expect(back.initializers[0]?.data).toEqual(new Float32Array([1, 2]));
  });

  test("refuse bytes that are no model", () => {
    expect(() => decodeModel(new Uint8Array([255, 255, 255]))).toThrow(
      "onnx decode: these bytes are no ONNX model.",
    );
    expect(() => decodeModel(new Uint8Array(0))).toThrow("it has no graph");
  });
});
