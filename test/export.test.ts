/** @file Exported models run in stock ONNX Runtime with the engine's own output. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { jit } from "../src/engines/jit.ts";
import { exportOnnx, saveOnnx } from "../src/engines/onnx/export.ts";
import { presetByName } from "../src/models/glam/config.ts";
import { trainingRouting } from "../src/models/glam/loss.ts";
import { glam, glamParams } from "../src/models/glam/model.ts";
import { initialise } from "../src/nn/index.ts";
import { einsum, fromData, random, type Tensor } from "../src/numpy/index.ts";

test("a GLaM with its weights inside", async () => {
  const { model, training } = presetByName("glam-pico");
  const { batch, length } = training;
  const params = await jit((key: random.Key) => initialise(glamParams(model), key))(random.key(3));
  const ids = Int32Array.from({ length: batch * length }, (_, i) => (i * 37) % 256);
  const logits = (tokens: Tensor) =>
    glam(params, tokens, model, trainingRouting(model, batch, length)).logits;
  const tokens = fromData("int32", [batch, length], ids, "batch pos");

  const ours = (await jit(logits)(tokens)).data();
  const bytes = exportOnnx(logits, [tokens], { inputs: ["tokens"], output: "logits" });
  const session = await ort.InferenceSession.create(bytes);
  const { logits: theirs } = await session.run({
    tokens: new ort.Tensor("int32", ids, [batch, length]),
  });
  expect(theirs?.dims).toEqual([batch, length, model.vocab]);
  expect(theirs?.data).toEqual(ours);
});

describe("saveOnnx", () => {
  const folder = mkdtempSync(join(tmpdir(), "meshloom-export-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const weights = fromData(
    "float32",
    [64, 32],
    Float32Array.from({ length: 2048 }, (_, i) => i / 999),
  );
  const bias = fromData(
    "float32",
    [32],
    Float32Array.from({ length: 32 }, (_, i) => -i),
  );
  const f = (x: Tensor) =>
    einsum("b i, i o -> b o", x.as("b i"), weights.as("i o")).add(bias.as("o"));
  const x = fromData(
    "float32",
    [2, 64],
    Float32Array.from({ length: 128 }, (_, i) => Math.sin(i)),
  );

  test.each([0, 2 ** 20])(
    "runs in stock ONNX Runtime, with weights outside above %i bytes",
    async (externalAbove) => {
      const path = join(folder, `${externalAbove}.onnx`);
      const written = await saveOnnx(path, f, [x], { externalAbove, inputs: ["x"], output: "y" });
      expect(written[0]).toBe(path);
      expect(written.slice(1).map((file) => file.replace(/[0-9a-f]{16}/, "DIGEST"))).toEqual(
        externalAbove === 0 ? [`${path}.DIGEST.data`] : [],
      );
      const session = await ort.InferenceSession.create(path);
      const { y } = await session.run({
        x: new ort.Tensor("float32", x.data() as Float32Array, [2, 64]),
      });
      expect(y?.data).toEqual((await jit(f)(x)).data());
    },
  );

  test("weights of the model before are there until the new model is, and then gone", async () => {
    const path = join(folder, "again.onnx");
    const g = (y: Tensor) => f(y.mul(2));
    const own = () => readdirSync(folder).filter((name) => name.startsWith("again.onnx")).length;
    const first = await saveOnnx(path, f, [x], { externalAbove: 0 });
    expect(await saveOnnx(path, g, [x], { externalAbove: 0 })).toEqual(first); // the same weights
    const other = weights.numbers().map((w) => -w);
    const h = (y: Tensor) =>
      einsum(
        "b i, i o -> b o",
        y.as("b i"),
        fromData("float32", [64, 32], Float32Array.from(other), "i o"),
      );
    expect((await saveOnnx(path, h, [x], { externalAbove: 0 }))[1]).not.toBe(first[1]);
    expect(own()).toBe(2);
    await saveOnnx(path, h, [x]);
    expect(own()).toBe(1);
  });

  test("a folder that is not there is named, and nothing is left behind", async () => {
    const path = join(folder, "missing", "model.onnx");
    await expect(saveOnnx(path, f, [x])).rejects.toThrow(`cannot write ${path}`);
    expect(readdirSync(folder).filter((name) => name.startsWith(".tmp"))).toEqual([]);
  });
});
