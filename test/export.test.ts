/** @file Exported models run in stock ONNX Runtime with the engine's own output. */

import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { jit } from "../src/engines/jit.ts";
import { exportOnnx } from "../src/engines/onnx/export.ts";
import { presetByName } from "../src/models/glam/config.ts";
import { trainingRouting } from "../src/models/glam/loss.ts";
import { glam, glamParams } from "../src/models/glam/model.ts";
import { initialise } from "../src/nn/index.ts";
import { fromData, random, type Tensor } from "../src/numpy/index.ts";

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
