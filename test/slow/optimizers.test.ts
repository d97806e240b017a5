/** @file Optimisers against all hundred recorded steps of PyTorch's and Optax's. */

import { describe, expect, test } from "vitest";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { doubleEngine } from "../../src/testing/double.ts";
import { inSingle } from "../../src/testing/tensors.ts";
import { departure, RECORDED } from "../trajectories.ts";

describe("in double precision", () => {
  test.each(RECORDED)("%s", async (name) => {
    // Optax computes Adafactor's β2(t) in single precision; Shampoo's ε is rounded to it where it is traced.
    const rtol = /^optax's adafactor|^shampoo/.test(name) ? 1e-6 : 1e-8;
    const tolerance = { rtol, atol: rtol / 10 };
    expect(await departure(name, 100, doubleEngine, (tree) => tree, tolerance)).toBeUndefined();
  });
});

describe("in single precision, on the onnx engine", async () => {
  const onnx = await createOnnxEngine();
  test.each(RECORDED)("%s", async (name) => {
    // Rounding errors of a hundred steps; Shampoo's roots see matrices of condition 1e6 besides.
    const rtol = name.startsWith("shampoo") ? 2e-3 : 1e-4;
    expect(await departure(name, 100, onnx, inSingle, { rtol, atol: rtol })).toBeUndefined();
  });
});
