/** @file Programs on a mesh of devices in this process: the values are those of one device, also of loops and branches. */

import { expect, test } from "vitest";
import { makeMesh } from "../../core/mesh.ts";
import { fromData, type Tensor } from "../../core/tensor.ts";
import {
  checkpoint,
  cond,
  einsum,
  forLoop,
  scan,
  shard,
  tanh,
  whileLoop,
} from "../../numpy/index.ts";
import type { Exchange } from "../../spmd/exchanges.ts";
import { exchangesOf } from "../../spmd/exchanges.ts";
import { grad } from "../../transforms/vjp.ts";
import { jit } from "../jit.ts";
import { createOnnxEngine } from "../onnx/onnx.ts";
import { referenceEngine } from "../reference/reference.ts";
import { createMeshEngine } from "./mesh.ts";

const mesh = makeMesh({ data: 2, model: 3 });
const rules = { batch: "data", mlp: "model" };

const drawn = (dims: readonly number[], axes: string, seed: number) =>
  fromData(
    "float32",
    dims,
    Float32Array.from(
      { length: dims.reduce((a, b) => a * b, 1) },
      (_, i) => Math.sin(seed + 1.7 * i) / 2,
    ),
    axes,
  );
// Five examples on two devices, seven hidden units on three: uneven.
const x = drawn([5, 4], "batch embed", 1);
const wi = drawn([4, 7], "embed mlp", 2);
const wo = drawn([7, 4], "mlp embed", 3);

const layer = (h: Tensor, a: Tensor, b: Tensor) =>
  h.add(
    einsum(
      "batch mlp, mlp embed -> batch embed",
      tanh(einsum("batch embed, embed mlp -> batch mlp", h, a)),
      b,
    ),
  );

type Model = (h: Tensor, a: Tensor, b: Tensor) => Tensor;

const programs: Record<string, Model> = {
  layer,
  "a layer computed again": (h, a, b) =>
    grad((own: Tensor) => checkpoint(layer)(h, own, b).square().sum())(a),
  "layers in a loop": (h, a, b) => forLoop(0, 3, (_, state) => layer(state, a, b), h),
  "the gradient of a loop": (h, a, b) =>
    grad((own: Tensor) =>
      forLoop(0, 3, (_, state) => layer(state, own, b), h)
        .square()
        .sum(),
    )(a),
  "states of every step, backwards": (h, a, b) =>
    scan(
      (state: Tensor, i: Tensor) => [layer(state.mul(i), a, b), state] as const,
      h,
      drawn([3], "step", 4),
      {
        reverse: true,
      },
    )[1],
  "as long as a sum is small": (h, a, b) =>
    whileLoop(
      (state) => state.square().sum().less(50),
      (state) => layer(state, a, b).mul(1.5),
      h,
    ),
  "one of two branches": (h, a, b) =>
    cond(
      h.sum().less(0),
      (state: Tensor) => layer(state, a, b),
      (state: Tensor) => layer(state, a, b).mul(2),
      h,
    ),
  "with an annotation inside": (h, a, b) =>
    forLoop(0, 2, (_, state) => layer(shard(state, { batch: null, embed: "model" }), a, b), h),
};

test.each(Object.entries(programs))("%s", async (_, f) => {
  const exchanges: Exchange[] = [];
  const engine = createMeshEngine(referenceEngine, {
    ...{ mesh, rules },
    onPartitioned: ({ program }) => exchanges.push(...exchangesOf(program)),
  });
  const whole = await jit(f, { engine: referenceEngine })(x, wi, wo);
  const pieces = await jit(f, { engine })(x, wi, wo);
  expect(pieces.dims).toEqual(whole.dims);
  pieces.numbers().forEach((value, i) => {
    expect(value).toBeCloseTo(whole.numbers()[i]!, 4); // float32 sums in another order
  });
  expect(exchanges.length).toBeGreaterThan(0);
});

test("stages run on ONNX Runtime as well", async () => {
  const engine = createMeshEngine(await createOnnxEngine(), { mesh, rules });
  for (const f of [layer, programs["layers in a loop"]!]) {
    const whole = await jit(f, { engine: referenceEngine })(x, wi, wo);
    const pieces = await jit(f, { engine })(x, wi, wo);
    pieces.numbers().forEach((value, i) => {
      expect(value).toBeCloseTo(whole.numbers()[i]!, 4); // float32 sums in another order
    });
  }
});

test("arguments and results lie as jit is told", async () => {
  const engine = createMeshEngine(referenceEngine, { mesh, rules: {} });
  const shardings: string[] = [];
  const told = createMeshEngine(referenceEngine, {
    ...{ mesh, rules: {} },
    onPartitioned: ({ inputs, outputs }) => {
      for (const { dims } of [...inputs, ...outputs])
        shardings.push(dims.map(({ axes }) => axes.map(({ name }) => name).join("+")).join(","));
    },
  });
  const options = {
    in: [{ batch: "data" }, { mlp: "model" }, { mlp: "model" }],
    out: { batch: "data" },
  };
  const whole = await jit(layer, { engine })(x, wi, wo);
  const pieces = await jit(layer, { engine: told, ...options })(x, wi, wo);
  expect(shardings).toEqual(["data,", ",model", "model,", "data,"]);
  pieces.numbers().forEach((value, i) => {
    expect(value).toBeCloseTo(whole.numbers()[i]!, 4); // float32 sums in another order
  });
});

test("a layout with a word that no tensor of the argument has is refused", async () => {
  const engine = createMeshEngine(referenceEngine, { mesh, rules: {} });
  await expect(jit(layer, { engine, in: [{ bach: "data" }] })(x, wi, wo)).rejects.toThrow(
    /jit: no tensor of argument 1 has an axis "bach"[\s\S]*did you mean "batch"/,
  );
});
