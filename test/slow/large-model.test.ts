/** @file A model of more than 2 GiB: saved with its weights beside it, run here and by stock ONNX Runtime. */

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, expect, test } from "vitest";
import { jit } from "../../src/engines/jit.ts";
import { exportOnnx, saveOnnx } from "../../src/engines/onnx/export.ts";
import { add, fromData, mul, type Tensor } from "../../src/numpy/index.ts";

const folder = mkdtempSync(join(tmpdir(), "meshloom-large-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** 33 weights of 64 MiB over the same memory: the file has them all. */
const SIZE = 2 ** 24;
const memory = new Float32Array(SIZE).fill(0.5);
memory[SIZE - 1] = 3;
const weights = Array.from({ length: 33 }, () => fromData("float32", [SIZE], memory));
const f = (x: Tensor) =>
  weights.slice(1).reduce((y, w) => mul(add(y, w), 0.5), mul(x, weights[0] as Tensor));

test("2.1 GiB of weights", async () => {
  const x = fromData("float32", [SIZE], new Float32Array(SIZE).fill(1));
  expect(() => exportOnnx(f, [x])).toThrow("saveOnnx(path, …)");
  const path = join(folder, "large.onnx");
  const [, data = ""] = await saveOnnx(path, f, [x], { inputs: ["x"], output: "y" });
  expect(statSync(data).size).toBeGreaterThan(2 ** 31);
  const ours = (await jit(f)(x)).data() as Float32Array;
  const session = await ort.InferenceSession.create(path, { graphOptimizationLevel: "basic" });
  const { y } = await session.run({
    x: new ort.Tensor("float32", x.data() as Float32Array, [SIZE]),
  });
  await session.release();
  const theirs = y?.data as Float32Array;
  expect([theirs[0], theirs[SIZE - 1]]).toEqual([ours[0], ours[SIZE - 1]]);
  expect(Buffer.compare(Buffer.from(theirs.buffer), Buffer.from(ours.buffer))).toBe(0);
});
