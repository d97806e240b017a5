/** @file Imported models: what we export comes back with its values and gradients; what the format says is obeyed. */

import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aval } from "../src/core/shape.ts";
import { fromData, stored, type Tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { importOnnx } from "../src/engines/onnx/import/import.ts";
import { exportOnnx, saveOnnx } from "../src/engines/onnx/index.ts";
import * as np from "../src/numpy/index.ts";
import { OPS } from "../src/ops/registry.ts";
import { difference } from "../src/testing/matchers.ts";
import { drawn, numbers } from "../src/testing/tensors.ts";
import { abstract, trace } from "../src/transforms/trace.ts";
import { grad } from "../src/transforms/vjp.ts";
import { vmap } from "../src/transforms/vmap.ts";
import {
  attribute,
  Float,
  graph,
  handmade,
  message,
  model,
  node,
  tensor,
  tensorType,
  value,
} from "./onnx-files.ts";
import { arrayOf, comesBack, SINGLE } from "./onnx-round-trip.ts";

describe("what we export comes back with its values and gradients", () => {
  // The first sample of each op; all of them are in the slow part.
  const cases = OPS.flatMap((op) =>
    op
      .samples()
      .slice(0, 1)
      .map((sample) => ({ op, sample, name: `${op.name}, ${sample.label}` })),
  );
  test.each(cases)("$name", ({ op, sample }) => comesBack(op, sample));
});

describe("an imported model", () => {
  const FLOAT = 1;
  const INT64 = 7;
  /** `y = relu(x · w + b)`, the batch open. */
  const layer = (): Uint8Array =>
    model({
      nodes: [
        node("MatMul", ["x", "w"], ["a"]),
        node("Add", ["a", "b"], ["c"]),
        node("Relu", ["c"], ["y"]),
      ],
      inputs: [value("x", tensorType(FLOAT, "batch", 3))],
      outputs: [value("y", tensorType(FLOAT, "batch", 2))],
      initializers: [
        tensor("w", FLOAT, [3, 2], [9, new Uint8Array(Float32Array.of(1, -1, 2, 0, 0, 1).buffer)]),
        tensor("b", FLOAT, [2], [4, new Float(0.5)], [4, new Float(-0.5)]),
      ],
    });
  const x = fromData("float32", [2, 3], Float32Array.of(1, 2, 3, -1, 0, 1));

  test("runs inside jit, with the sizes of its arguments", async () => {
    const f = await importOnnx(layer());
    expect(f.inputs).toEqual([{ name: "x", type: "float32", kind: "tensor", dims: ["batch", 3] }]);
    const [y] = await jit((a: Tensor) => f(a))(x);
    expect(numbers(y as Tensor)).toEqual([5.5, 1.5, 0, 1.5]);
    const [one] = await jit((a: Tensor) => f(np.slice(a, 0, 0, 1)))(x);
    expect(one?.dims).toEqual([1, 2]);
  });

  test("reads weights at any place of a buffer", async () => {
    const bytes = layer();
    for (let at = 0; at < 4; at++) {
      const buffer = Buffer.alloc(at + bytes.length);
      buffer.set(bytes, at);
      const f = await importOnnx(buffer.subarray(at));
      expect(numbers(f.parameters["w"] as Tensor)).toEqual([1, -1, 2, 0, 0, 1]);
    }
  });

  test("has its weights as parameters, by their names", async () => {
    const f = await importOnnx(layer());
    expect(Object.keys(f.parameters)).toEqual(["w", "b"]);
    const loss = (p: typeof f.parameters, a: Tensor) => np.sum(f.apply(p, [a])[0] as Tensor);
    const slope = await jit((p: typeof f.parameters, a: Tensor) => grad(loss)(p, a))(
      f.parameters,
      x,
    );
    // Relu lets the first row and the second one's second element through.
    expect(numbers(slope["b"] as Tensor)).toEqual([1, 2]);
    expect(numbers(slope["w"] as Tensor)).toEqual([1, 0, 2, 2, 3, 4]);
    await expect(
      jit((a: Tensor) => f.apply({ w: f.parameters["w"] as Tensor }, [a]))(x),
    ).rejects.toThrow('parameter "b" is missing');
  });

  test("maps over a batch", async () => {
    const f = await importOnnx(layer());
    const many = (xs: Tensor) => vmap((a: Tensor) => f(np.expandDims(a, 0))[0] as Tensor)(xs);
    const y = await jit(many)(x);
    expect(y.dims).toEqual([2, 1, 2]);
    expect(numbers(y)).toEqual([5.5, 1.5, 0, 1.5]);
  });

  test("takes names of axes off at its border", async () => {
    const f = await importOnnx(layer());
    const named = drawn(1, { batch: 2, embed: 3 });
    const [y] = await jit((a: Tensor) => f(a))(named);
    expect(y?.names).toEqual([null, null]);
  });

  test("refuses arguments of another form", async () => {
    const f = await importOnnx(layer());
    const of = (...dims: number[]) => abstract(aval("float32", dims));
    const traced = (...args: Tensor[]) => trace("f", (...xs: Tensor[]) => f(...xs), args);
    expect(() => traced(of(2, 4))).toThrow('input "x" has another form');
    expect(() => traced(abstract(aval("int32", [2, 3])))).toThrow('input "x" has another dtype');
    expect(() => traced()).toThrow("the model takes 1 arguments, 0 were given");
    const pair = await importOnnx(
      model({
        nodes: [node("Add", ["x", "z"], ["y"])],
        inputs: ["x", "z"].map((name) => value(name, tensorType(FLOAT, "n"))),
        outputs: [value("y", tensorType(FLOAT, "n"))],
      }),
    );
    expect(() => trace("f", (a: Tensor, b: Tensor) => pair(a, b), [of(2), of(3)])).toThrow(
      'input "z" has another form',
    );
  });

  test("says which value must be known while tracing", async () => {
    const f = await importOnnx(
      model({
        nodes: [node("Reshape", ["x", "shape"], ["y"])],
        inputs: [value("x", tensorType(FLOAT, 2, 3)), value("shape", tensorType(INT64, 2))],
        outputs: [value("y", tensorType(FLOAT, null, null))],
      }),
    );
    const shape = fromData("int64", [2], BigInt64Array.of(3n, -1n));
    let text = "";
    try {
      trace("f", (a: Tensor, s: Tensor) => f(a, s), [x, shape]);
    } catch (error) {
      text = (error as Error).message.replace(/where .*/, "where");
    }
    expect(`\n${text}\n`).toMatchInlineSnapshot(`
      "
      importOnnx: the form of the result depends on input 2 of Reshape.
        input    "shape": int64[2]
        node     "Reshape node" (Reshape, opset 21)
        fix      close over a tensor with data for it, so that its values are known while tracing    [ONNX-03]
      "
    `);
    const [y] = await jit((a: Tensor) => f(a, shape))(x);
    expect(y?.dims).toEqual([3, 2]);
  });

  test("names every operator that is missing, the node, and a near one", async () => {
    const bytes = model({
      nodes: [node("Sofmax", ["x"], ["a"]), node("TfIdfVectorizer", ["a"], ["y"])],
      inputs: [value("x", tensorType(FLOAT, 2))],
      outputs: [value("y", tensorType(FLOAT, 2))],
    });
    await expect(importOnnx(bytes)).rejects.toThrowErrorMatchingInlineSnapshot(`
      [OnnxError: importOnnx: Sofmax is not supported (did you mean "Softmax"?).
        node    "Sofmax node" (Sofmax)
        also    TfIdfVectorizer is not supported
        fix     export the model without it; docs/onnx.md lists what is there    [ONNX-02]]
    `);
  });

  test.each<[string, Uint8Array, string]>([
    ["no model", Uint8Array.of(1, 2, 3), "the bytes are no ONNX model"],
    [
      "a value that nothing makes",
      model({ nodes: [node("Neg", ["z"], ["y"])], outputs: [value("y", tensorType(FLOAT))] }),
      'nothing makes the value "z"',
    ],
    [
      "a value that is made twice",
      model({
        nodes: [node("Neg", ["x"], ["y"]), node("Abs", ["x"], ["y"])],
        inputs: [value("x", tensorType(FLOAT))],
        outputs: [value("y", tensorType(FLOAT))],
      }),
      'the value "y" is made twice',
    ],
    [
      "too few elements",
      model({
        nodes: [],
        outputs: [value("w", tensorType(FLOAT))],
        initializers: [tensor("w", FLOAT, [1e6, 1e6], [9, new Uint8Array(8)])],
      }),
      'the elements of tensor "w" cannot be read',
    ],
    ["an opset of the future", model({ nodes: [], outputs: [] }, 99), "opset 99 is not supported"],
    ["a sparse weight", sparse(), 'initializer "s" is sparse'],
    [
      "strings",
      model({
        nodes: [node("Identity", ["x"], ["y"])],
        inputs: [value("x", tensorType(8, 2))],
        outputs: [value("y", tensorType(8, 2))],
      }),
      'input "x" is of type string',
    ],
    ["a function that calls itself", recursive(), "calls nest deeper than 100"],
  ])("refuses %s", async (_name, bytes, text) => {
    const run = async () => {
      const f = await importOnnx(bytes);
      trace("f", (...xs: Tensor[]) => f(...xs), [abstract(aval("float32", [2]))]);
    };
    await expect(run()).rejects.toThrow(text);
  });

  test("unrolls a loop, takes a known branch, calls its own functions", async () => {
    const [, control, own] = handmade();
    const f = await importOnnx(control as Uint8Array);
    // Neg, then three times + x: rows 0, x, 2x; the mean of rows −x + x … 2x
    const [y] = await jit((a: Tensor) => f(a))(x);
    expect(numbers(y as Tensor)).toEqual(numbers(x));
    const g = await importOnnx(own as Uint8Array);
    const [z] = await jit((a: Tensor) => g(a))(x);
    expect(numbers(z as Tensor)).toEqual([2, 4, 6, -1, 0, 2]);
    expect(g.metadata).toEqual({ "made by": "hand" });
  });

  test("keeps the largest int64, which no number holds", async () => {
    const f = await importOnnx(
      model({
        nodes: [
          node("Concat", ["end", "end"], ["ends"], attribute("axis", 2, [3, 0])),
          node("Slice", ["x", "zero", "ends"], ["y"]),
        ],
        inputs: [value("x", tensorType(FLOAT, 2, 3))],
        outputs: [value("y", tensorType(FLOAT, null, null))],
        initializers: [
          tensor("end", INT64, [1], [7, 2n ** 63n - 1n]),
          tensor("zero", INT64, [2], [7, 0], [7, 1]),
        ],
      }),
    );
    const [y] = await jit((a: Tensor) => f(a))(x);
    expect(numbers(y as Tensor)).toEqual([2, 3, 0, 1]);
  });
});

/** A model with a sparse initializer, field 15 of its graph. */
function sparse(): Uint8Array {
  return message([
    [1, 10],
    [
      7,
      [...graph({ nodes: [], outputs: [] }), [15, [[1, tensor("s", 1, [1], [4, new Float(1)])]]]],
    ],
    [8, [[2, 21]]],
  ]);
}

function recursive(): Uint8Array {
  const call = [...node("Again", ["x"], ["y"]), [7, "own"]] as const;
  const again = [
    [1, "Again"],
    [4, "x"],
    [5, "y"],
    [7, call],
    [
      9,
      [
        [1, "own"],
        [2, 1],
      ],
    ],
    [10, "own"],
  ] as const;
  return model(
    {
      nodes: [call],
      inputs: [value("x", tensorType(1, 2))],
      outputs: [value("y", tensorType(1, 2))],
    },
    21,
    [25, again],
    [
      8,
      [
        [1, "own"],
        [2, 1],
      ],
    ],
  );
}

describe("weights in another file", () => {
  let folder = "";
  let outside = "";
  const path = (name: string) => join(folder, name);
  /** The last of the handmade models, which reads 12 bytes at 4 of `location`. */
  const write = async (location: string) => {
    const bytes = handmade().at(-1) as Uint8Array;
    const text = Buffer.from(bytes).toString("latin1");
    const old = "weights.bin";
    // The name must keep its length: a length in front of it says so.
    expect(location.length).toBe(old.length);
    await writeFile(path("model.onnx"), Buffer.from(text.replace(old, location), "latin1"));
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "onnx-"));
    outside = await mkdtemp(join(tmpdir(), "onnx-outside-"));
    await writeFile(path("weights.bin"), new Uint8Array(Float32Array.of(9, 1, 2, 3).buffer));
    await writeFile(join(outside, "weights.bin"), new Uint8Array(16));
    await symlink(join(outside, "weights.bin"), path("outside.bin"));
    await writeFile(path("shorter.bin"), new Uint8Array(15));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await rm(outside, { recursive: true });
  });

  test("are found beside the model", async () => {
    await write("weights.bin");
    const f = await importOnnx(path("model.onnx"));
    expect(numbers(f.parameters["w"] as Tensor)).toEqual([1, 2, 3]);
  });

  test.each([
    ["../ghts.bin", "the name leads out of the model's folder"],
    ["/tmp/ts.bin", "the name is absolute"],
    ["outside.bin", "a link leads out of the folder"],
    ["shorter.bin", "it has 15 bytes, not 16"],
    ["nowhere.bin", "there is no such file"],
  ])("are not read from %s", async (location, why) => {
    await write(location);
    await expect(importOnnx(path("model.onnx"))).rejects.toThrow(why);
  });

  test("come back from where saveOnnx puts them", async () => {
    const w = drawn(1, { embed: 16, mlp: 32 });
    const f = (a: Tensor) => np.einsum("batch embed, embed mlp -> batch mlp", a, w);
    const a = drawn(2, { batch: 2, embed: 16 });
    const files = await saveOnnx(path("saved.onnx"), f, [a], { externalAbove: 0 });
    expect(files).toHaveLength(2);
    const back = await importOnnx(path("saved.onnx"));
    expect(Object.values(back.parameters).map(numbers)).toContainEqual(numbers(w));
    const [y] = await jit((x: Tensor) => back(x))(a);
    expect(numbers(y as Tensor)).toEqual(numbers(await jit(f)(a)));
  });

  test("cannot be found for bytes without a path", async () => {
    await expect(importOnnx(handmade().at(-1) as Uint8Array)).rejects.toThrow(
      'the model keeps weights in "weights.bin"',
    );
  });
});

test("a trained program comes back from its file, weights and all", async () => {
  const w = drawn(1, { embed: 4, mlp: 8 });
  const v = drawn(2, { mlp: 8, embed: 4 });
  const net = (a: Tensor) =>
    np.einsum(
      "batch mlp, mlp embed -> batch embed",
      np.gelu(np.einsum("batch embed, embed mlp -> batch mlp", a, w)),
      v,
    );
  const a = drawn(3, { batch: 2, embed: 4 });
  const f = await importOnnx(exportOnnx(net, [a], { inputs: ["a"] }));
  expect(Object.values(f.parameters).map((p) => p.dims)).toContainEqual([4, 8]);
  const ours = await jit(net)(a);
  const [theirs] = await jit((x: Tensor) => f(x))(a);
  const plain = stored(aval("float32", [2, 4]), ours.data());
  expect(difference(arrayOf(theirs as Tensor), arrayOf(plain), SINGLE)).toBeUndefined();
});
