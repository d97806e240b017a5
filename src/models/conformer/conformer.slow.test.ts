/** @file The Conformer runs: shapes, examples that do not see each other, a loss that falls. */

import { expect, test } from "vitest";
import { sampleStream } from "../../core/samples.ts";
import { fromData, type Tensor } from "../../core/tensor.ts";
import { jit } from "../../engines/jit.ts";
import { initialise } from "../../nn/index.ts";
import { random } from "../../numpy/index.ts";
import { numbers } from "../../testing/tensors.ts";
import { openTraceable } from "../../train/families.ts";
import type { TaskModel } from "../../train/task.ts";
import { presetByName } from "./config.ts";
import type { ConformerBatch } from "./index.ts";
import { type Conformer, conformer, conformerParams } from "./model.ts";

const { model: NANO, training } = presetByName("conformer-nano");

test("gives logits for every fourth frame, and no example sees another", async () => {
  const fresh = await jit((key: random.Key) => initialise(conformerParams(NANO), key))(
    random.key(3),
  );
  const run = jit((p: Conformer<Tensor>, x: Tensor) => conformer(p, x, NANO));
  const { features } = batchOf(1, 2, 16);
  const logits = await run(fresh as Conformer<Tensor>, features);
  expect(logits.dims).toEqual([2, 4, NANO.vocab]);
  const own = numbers(logits).slice(0, 4 * NANO.vocab);
  const first = numbers(features).slice(0, 16 * NANO.features);
  const other = Float32Array.from([...first, ...first.map((x) => 1 - x)]);
  const again = numbers(
    await run(
      fresh as Conformer<Tensor>,
      fromData("float32", features.dims, other, features.names.join(" ")),
    ),
  );
  again.slice(0, own.length).forEach((x, i) => {
    expect(x).toBeCloseTo(own[i] ?? 0, 5);
  });
});

/** Each label shows for some frames as its own pattern, with noise on it. */
function batchOf(seed: number, batch: number, frames: number): ConformerBatch {
  const next = sampleStream(seed);
  const { features, vocab, labels } = NANO;
  const pattern = (label: number, feature: number) => Math.sin(3 * label + 2 * feature * label);
  const said = Array.from({ length: batch }, () =>
    Array.from({ length: labels }, () => 1 + Math.floor(next() * (vocab - 1))),
  );
  const heard = said.flatMap((own) =>
    Array.from({ length: frames }, (_, t) =>
      Array.from(
        { length: features },
        (__, f) => pattern(own[Math.floor((t * labels) / frames)] ?? 0, f) + 0.1 * next(),
      ),
    ),
  );
  return {
    features: fromData(
      "float32",
      [batch, frames, features],
      Float32Array.from(heard.flat()),
      "batch time feature",
    ),
    labels: fromData("int32", [batch, labels], Int32Array.from(said.flat()), "batch label"),
    lengths: fromData("int32", [batch], new Int32Array(batch).fill(labels), "batch"),
  };
}

test("learns what was said", async () => {
  const model = (await openTraceable("conformer-nano")) as TaskModel;
  let state = await jit((key: random.Key) => model.initial(key))(random.key(1));
  const step = jit((s: typeof state, b: ConformerBatch) => model.step(s, b));
  const losses: number[] = [];
  for (let t = 0; t < 40; t++) {
    const [next, { loss }] = await step(state, batchOf(t, training.batch, training.length));
    state = next;
    losses.push(loss.item());
  }
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
  expect(mean(losses.slice(-5))).toBeLessThan(0.5 * mean(losses.slice(0, 3)));
});
