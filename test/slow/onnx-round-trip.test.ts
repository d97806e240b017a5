/** @file Every sample of every op goes out as an ONNX file and comes back with its values and gradients. */

import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../../src/core/tensor.ts";
import { namedLeaves } from "../../src/core/tree.ts";
import { jit } from "../../src/engines/jit.ts";
import { importOnnx } from "../../src/engines/onnx/import/import.ts";
import { exportOnnx } from "../../src/engines/onnx/index.ts";
import { presetByName } from "../../src/models/glam/config.ts";
import { trainingRouting } from "../../src/models/glam/loss.ts";
import { glam, glamParams } from "../../src/models/glam/model.ts";
import { initialise } from "../../src/nn/index.ts";
import * as np from "../../src/numpy/index.ts";
import { OPS } from "../../src/ops/registry.ts";
import { difference } from "../../src/testing/matchers.ts";
import { numbers } from "../../src/testing/tensors.ts";
import { grad } from "../../src/transforms/vjp.ts";
import { arrayOf, comesBack, SINGLE } from "../onnx-round-trip.ts";

describe.each(OPS.map((op) => ({ name: op.name, op })))("$name comes back", ({ op }) => {
  test.each(op.samples().map((sample) => ({ label: sample.label, sample })))(
    "$label",
    ({ sample }) => comesBack(op, sample),
  );
});

test("a whole GLaM comes back, with the gradients of its weights", async () => {
  const { model, training } = presetByName("glam-pico");
  const { batch, length } = training;
  const start = (key: np.random.Key) => initialise(glamParams(model), key);
  const params = await jit(start)(np.random.key(3));
  const ids = Int32Array.from({ length: batch * length }, (_, i) => (i * 37) % 256);
  const tokens = fromData("int32", [batch, length], ids, "batch pos");
  const routing = trainingRouting(model, batch, length);
  const logits = (p: typeof params, t: Tensor) => glam(p, t, model, routing).logits;

  const f = await importOnnx(exportOnnx((t: Tensor) => logits(params, t), [tokens]));
  const ours = await jit(logits)(params, tokens);
  const [theirs] = await jit((t: Tensor) => f(t))(tokens);
  expect(difference(arrayOf(theirs as Tensor), arrayOf(ours), SINGLE)).toBeUndefined();

  const loss = (y: Tensor) => np.sum(np.square(y));
  const own = await jit((p: typeof params, t: Tensor) =>
    grad((q: typeof p) => loss(logits(q, t)))(p),
  )(params, tokens);
  const back = await jit((p: typeof f.parameters, t: Tensor) =>
    grad((q: typeof p) => loss(f.apply(q, [t])[0] as Tensor))(p),
  )(f.parameters, tokens);
  // Weights bear other names in the file; each gradient of ours is among theirs.
  const found = Object.values(back).map(arrayOf);
  for (const { leaf, path } of namedLeaves(own)) {
    const wanted = arrayOf(leaf);
    const size = Math.max(...numbers(leaf).map(Math.abs));
    expect(size, path).toBeGreaterThan(0.01);
    // Sums of thousands of terms, in another order.
    const near = { rtol: 1e-3, atol: 1e-4 * size };
    const match = found.some(
      (y) => `${y.dims}` === `${wanted.dims}` && difference(y, wanted, near) === undefined,
    );
    expect(match, path).toBe(true);
  }
});
