/** @file Optimisers against the first ten steps of PyTorch's and Optax's; a hundred are in the slow part. */

import { describe, expect, test } from "vitest";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { doubleEngine } from "../src/testing/double.ts";
import { inSingle } from "../src/testing/tensors.ts";
import { departure, FOLLOWED, RECORDED } from "./trajectories.ts";

test("all that were recorded are followed", () => {
  expect(FOLLOWED).toEqual(RECORDED);
});

describe("in double precision", () => {
  test.each(RECORDED)("%s", async (name) => {
    // Optax computes Adafactor's β2(t) in single precision; Shampoo's ε is rounded to it where it is traced.
    const rtol = /^optax's adafactor|^shampoo/.test(name) ? 1e-6 : 1e-9;
    const tolerance = { rtol, atol: rtol / 10 };
    expect(await departure(name, 10, doubleEngine, (tree) => tree, tolerance)).toBeUndefined();
  });
});

describe("in single precision, on the onnx engine", async () => {
  const onnx = await createOnnxEngine();
  test.each(RECORDED)("%s", async (name) => {
    // Rounding errors of ten steps; Shampoo's roots see matrices of condition 1e6 besides.
    const rtol = name.startsWith("shampoo") ? 1e-3 : 1e-5;
    expect(await departure(name, 10, onnx, inSingle, { rtol, atol: rtol })).toBeUndefined();
  });
});
