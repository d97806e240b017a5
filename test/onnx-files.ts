/** @file ONNX files made by hand for tests: every part of the format, also those that no export of ours writes. */

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** A number that is written as a float. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** One field: an integer, a float, text or bytes, or a message of fields. */
export type Field = readonly [number: number, value: FieldValue];
type FieldValue = bigint | number | string | Uint8Array | Float | Fields;
export type Fields = readonly Field[];

/** The bytes of a message. */
export function message(fields: Fields): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    if (value instanceof Float) writer.tag(number, WireType.Bit32).float(value.value);
    else if (typeof value === "number" || typeof value === "bigint")
      writer.tag(number, WireType.Varint).int64(value);
    else if (typeof value === "string") writer.tag(number, WireType.LengthDelimited).string(value);
    else if (value instanceof Uint8Array) writer.tag(number, WireType.LengthDelimited).bytes(value);
    else writer.tag(number, WireType.LengthDelimited).bytes(message(value));
  }
  return writer.finish();
}

/** `TypeProto` of a tensor; a string is a symbol, null an unknown size. */
export function tensorType(element: number, ...dims: (number | string | null)[]): Fields {
  const shape = dims.map(
    (dim): Field => [1, dim === null ? [] : [[typeof dim === "number" ? 1 : 2, dim]]],
  );
  return [
    [
      1,
      [
        [1, element],
        [2, shape],
      ],
    ],
  ];
}

export function value(name: string, type: Fields): Fields {
  return [
    [1, name],
    [2, type],
  ];
}

/** `AttributeProto` with its type written down. */
export function attribute(name: string, type: number, ...fields: Fields): Fields {
  return [[1, name], ...fields, [20, type]];
}

export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  ...attributes: Fields[]
): Fields {
  return [
    ...inputs.map((name) => [1, name] as Field),
    ...outputs.map((name) => [2, name] as Field),
    [3, `${op} node`],
    [4, op],
    ...attributes.map((one) => [5, one] as Field),
  ];
}

/** `TensorProto`; the elements are the fields given. */
export function tensor(
  name: string,
  element: number,
  dims: readonly number[],
  ...elements: Fields
): Fields {
  return [...dims.map((dim) => [1, dim] as Field), [2, element], [8, name], ...elements];
}

export interface GraphParts {
  readonly nodes: readonly Fields[];
  readonly inputs?: readonly Fields[];
  readonly outputs: readonly Fields[];
  readonly initializers?: readonly Fields[];
}

export function graph({ nodes, inputs = [], outputs, initializers = [] }: GraphParts): Fields {
  const all = (field: number, list: readonly Fields[]) => list.map((one) => [field, one] as Field);
  return [
    [2, "graph"],
    ...all(1, nodes),
    ...all(5, initializers),
    ...all(11, inputs),
    ...all(12, outputs),
  ];
}

/** A model file. */
export function model(parts: GraphParts, opset = 21, ...more: Fields): Uint8Array {
  return message([[1, 10], [7, graph(parts)], [8, [[2, opset]]], ...more]);
}

const FLOAT = 1;
const INT64 = 7;
const x = value("x", tensorType(FLOAT, "batch", 3));
const y = value("y", tensorType(FLOAT, "batch", 3));

/** Small models, each with a part of the format of its own. */
export function handmade(): readonly Uint8Array[] {
  const scalar = (name: string, number: number) => tensor(name, INT64, [], [7, number]);
  const branch = (op: string): Fields =>
    graph({ nodes: [node(op, ["x"], ["z"])], outputs: [value("z", tensorType(FLOAT))] });
  const body = graph({
    nodes: [
      node("Identity", ["go"], ["on"]),
      node("Add", ["carried", "x"], ["next"]),
      node("Identity", ["next"], ["row"]),
    ],
    inputs: [
      value("trip", tensorType(INT64)),
      value("go", tensorType(9)),
      value("carried", tensorType(FLOAT, "batch", 3)),
    ],
    outputs: [
      value("on", tensorType(9)),
      value("next", tensorType(FLOAT)),
      value("row", tensorType(FLOAT)),
    ],
  });
  const twice: Fields = [
    [1, "Twice"],
    [4, "a"],
    [5, "b"],
    [6, "alpha"],
    [
      7,
      node(
        "LeakyRelu",
        ["a"],
        ["c"],
        [
          [1, "alpha"],
          [21, "alpha"],
          [20, 1],
        ],
      ),
    ],
    [7, node("Add", ["c", "c"], ["b"])],
    [9, [[2, 21]]],
    [10, "own"],
  ];
  const list: Fields = [[4, [[1, tensorType(FLOAT, null)]]]];
  return [
    // typed fields, packed and not, of several types
    model({
      nodes: [
        node("Add", ["x", "w"], ["a"]),
        node("Mul", ["a", "v"], ["b"]),
        node("Reshape", ["b", "s"], ["y"]),
      ],
      inputs: [x],
      outputs: [y],
      initializers: [
        tensor("w", FLOAT, [3], [4, new Uint8Array(new Float32Array([1, 2, 3]).buffer)]),
        tensor("v", FLOAT, [1], [4, new Float(2)]),
        tensor("s", INT64, [2], [7, -1], [7, 3]),
      ],
    }),
    // attributes of every kind; a branch and a loop
    model({
      nodes: [
        node("Constant", [], ["c"], attribute("value", 4, [5, tensor("", 9, [], [5, 1])])),
        node(
          "If",
          ["c"],
          ["i"],
          attribute("then_branch", 5, [6, branch("Neg")]),
          attribute("else_branch", 5, [6, branch("Abs")]),
        ),
        node("Loop", ["m", "c", "i"], ["l", "rows"], attribute("body", 5, [6, body])),
        node("ReduceMean", ["rows", "axes"], ["y"], attribute("keepdims", 2, [3, 0])),
        node("Selu", ["x"], ["u"], attribute("alpha", 1, [2, new Float(1.5)])),
        node("Pad", ["x", "p"], ["q"], attribute("mode", 3, [4, "edge"])),
        node(
          "Constant",
          [],
          ["f"],
          attribute("value_floats", 6, [7, new Float(1)], [7, new Float(2)]),
        ),
        node("Constant", [], ["n"], attribute("value_ints", 7, [8, 1], [8, 2])),
      ],
      inputs: [x],
      outputs: [y],
      initializers: [
        scalar("m", 3),
        tensor("axes", INT64, [1], [7, 0]),
        tensor("p", INT64, [4], [7, 0], [7, 1], [7, 0], [7, 1]),
      ],
    }),
    // a function of the model's own
    model(
      {
        nodes: [
          [...node("Twice", ["x"], ["y"], attribute("alpha", 1, [2, new Float(0.5)])), [7, "own"]],
        ],
        inputs: [x],
        outputs: [y],
      },
      21,
      [25, twice],
      [
        8,
        [
          [1, "own"],
          [2, 1],
        ],
      ],
      [
        14,
        [
          [1, "made by"],
          [2, "hand"],
        ],
      ],
    ),
    // 8-bit and 4-bit integers, sequences
    model({
      nodes: [
        node("DequantizeLinear", ["q", "scale"], ["d"]),
        node("Add", ["x", "d"], ["a"]),
        node("SequenceConstruct", ["a", "x"], ["s"]),
        node("SequenceAt", ["s", "m"], ["y"]),
        node("Cast", ["h"], ["g"], attribute("to", 2, [3, FLOAT])),
      ],
      inputs: [x],
      outputs: [y, value("s", list)],
      initializers: [
        tensor("q", 3, [3], [9, Uint8Array.of(255, 0, 1)]),
        tensor("h", 22, [3], [9, Uint8Array.of(0x1f, 0x02)]),
        tensor("scale", FLOAT, [], [4, new Float(0.5)]),
        scalar("m", 0),
      ],
    }),
    // weights in another file
    model({
      nodes: [node("Add", ["x", "w"], ["y"])],
      inputs: [x],
      outputs: [y],
      initializers: [
        tensor(
          "w",
          FLOAT,
          [3],
          [
            13,
            [
              [1, "location"],
              [2, "weights.bin"],
            ],
          ],
          [
            13,
            [
              [1, "offset"],
              [2, "4"],
            ],
          ],
          [
            13,
            [
              [1, "length"],
              [2, "12"],
            ],
          ],
          [14, 1],
        ),
      ],
    }),
  ];
}
