/** @file What only looks at an input is no node: the graph gets the same memory under other dims. */

import { expect, test } from "vitest";
import { fromData, type Tensor } from "../../core/tensor.ts";
import { raggedDot } from "../../numpy/index.ts";
import { numbers } from "../../testing/tensors.ts";
import { simplify } from "../../transforms/simplify.ts";
import { grad } from "../../transforms/vjp.ts";
import { jit } from "../jit.ts";
import { referenceEngine } from "../reference/reference.ts";
import { inputViews, withInputViews } from "./input-views.ts";
import { lowerToOnnx } from "./lower.ts";
import { createOnnxEngine } from "./onnx.ts";

const engine = await createOnnxEngine({ cache: "none" });

const counted = (dims: readonly number[]) =>
  fromData(
    "float32",
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
  );
const x = counted([5, 3]);
const w = counted([4, 3, 2]);
const sizes = fromData("int32", [4], Int32Array.of(2, 0, 1, 2));

/** Grouped products by `w`, which is also read whole. */
const both = (rows: Tensor, weights: Tensor, groups: Tensor) => [
  raggedDot(rows, weights, groups),
  weights.reshape([12, 2]).sum(0),
  weights.reshape([24]),
];

test("matrices of a grouped product come one by one, and nothing splits or reshapes an input", () => {
  const graph = lowerToOnnx(simplify(jit(both).lower(x, w, sizes)));
  const viewed = withInputViews(graph);
  const views = inputViews(new Map(Object.entries(viewed.metadata)));
  expect(viewed.inputs).toHaveLength(graph.inputs.length + views.length);
  for (const offset of [0, 6, 12, 18])
    expect(views).toContainEqual({ input: 1, offset, dims: [3, 2] });
  const given = new Set(graph.inputs.map(({ name }) => name));
  const looking = viewed.nodes.filter(
    ({ op, inputs: [first = ""], outputs: [out = ""] }) =>
      ["Split", "Reshape"].includes(op) && given.has(first) && !out.startsWith("output"),
  );
  // Rows are cut by sizes that are known at run time only.
  expect(looking.map(({ op, inputs }) => [op, inputs[0]])).toEqual([["Split", "input_0"]]);
});

test("results are those of the reference", async () => {
  const own = await jit(both, { engine })(x, w, sizes);
  const other = await jit(both, { engine: referenceEngine })(x, w, sizes);
  own.forEach((y, i) => {
    const wanted = numbers(other[i] ?? y);
    numbers(y).forEach((value, at) => {
      expect(value).toBeCloseTo(wanted[at] ?? Number.NaN, 5);
    });
  });
});

test("donated weights are looked at where they are at each call", async () => {
  const step = (weights: Tensor) =>
    weights.sub(grad((p: Tensor) => raggedDot(x, p, sizes).square().sum())(weights).mul(0.1));
  const train = async (f: (weights: Tensor) => Promise<Tensor>) => {
    let weights = fromData("float32", [4, 3, 2], Float32Array.from(w.numbers()));
    for (let i = 0; i < 5; i++) weights = await f(weights);
    return numbers(weights);
  };
  const own = await train(jit(step, { engine, donate: [0] }));
  const other = await train(jit(step, { engine: referenceEngine }));
  own.forEach((value, i) => {
    expect(value).toBeCloseTo(other[i] ?? Number.NaN, 5);
  });
});

test("a part of a tensor that is itself a part of an array is found", async () => {
  const all = new Float32Array(7 + 24);
  all.set(w.data() as Float32Array, 7);
  const part = fromData("float32", [4, 3, 2], all.subarray(7));
  const f = jit(both, { engine });
  expect((await f(x, part, sizes)).map(numbers)).toEqual((await f(x, w, sizes)).map(numbers));
});
