/**
 * @file Training on a mesh has the losses of one device: with experts that devices exchange tokens for, and with weights
 * and optimiser state split over examples as well.
 *
 * In float64: in float32 an expert's choice turns on the last bit of a score now and then, which parts any two runs that
 * sum in another order (docs/log.md).
 */

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { makeMesh } from "../../src/core/mesh.ts";
import { fromData } from "../../src/core/tensor.ts";
import { createDoubleEngine } from "../../src/engines/double.ts";
import { jit } from "../../src/engines/jit.ts";
import { createMeshEngine } from "../../src/engines/mesh/mesh.ts";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import * as random from "../../src/numpy/random.ts";
import { type AxisRules, defaultRules } from "../../src/spmd/annotations.ts";
import { exchangesOf } from "../../src/spmd/exchanges.ts";
import type { Partitioned } from "../../src/spmd/partition.ts";
import { openPreset } from "../../src/train/families.ts";
import type { TokenBatch } from "../../src/train/model.ts";
import type { TrainState } from "../../src/train/step.ts";

const STEPS = 50;
const [BATCH, LENGTH] = [8, 24];

const mesh = makeMesh({ data: 2, model: 2 });
const onnx = await createOnnxEngine();
const engine = createDoubleEngine(onnx);
const model = await openPreset("glam-nano", { batch: BATCH, length: LENGTH });
const bytes = await readFile(new URL("../../docs/log.md", import.meta.url));

function batchAt(step: number): TokenBatch {
  const window = (shift: number) =>
    fromData(
      "int32",
      [BATCH, LENGTH],
      Int32Array.from({ length: BATCH * LENGTH }, (_, i) => {
        const row = Math.floor(i / LENGTH) + BATCH * step;
        return bytes[(row * LENGTH + (i % LENGTH) + shift) % bytes.length] ?? 0;
      }),
      "batch pos",
    );
  return { tokens: window(0), targets: window(1) };
}

function trainer(rules: AxisRules | null, onPartitioned: (parted: Partitioned) => void = () => {}) {
  const own = rules === null ? onnx : createMeshEngine(onnx, { mesh, rules, onPartitioned });
  return jit((state: TrainState, batch: TokenBatch) => model.step(state, batch), {
    engine: createDoubleEngine(own),
  });
}

const initial = await jit((key: random.Key) => model.initial(key), { engine })(random.key(7));
const alone = await losses(trainer(null));

async function losses(step: ReturnType<typeof trainer>): Promise<number[]> {
  const found: number[] = [];
  let state = initial;
  for (let at = 0; at < STEPS; at++) {
    const [next, { report }] = await step(state, batchAt(at));
    found.push(report.crossEntropy.item());
    state = next;
  }
  return found;
}

test.each([
  ["experts over data, widths over model", defaultRules(mesh), "allToAll"],
  [
    "weights and optimiser state over data, too",
    { ...defaultRules(mesh), embed: "data" },
    "reduceScatter",
  ],
] as const)("%s", async (name, rules, kind) => {
  const parted: Partitioned[] = [];
  const found = await losses(trainer(rules, (each) => parted.push(each)));
  const worst = Math.max(...found.map((loss, at) => Math.abs(loss / (alone[at] ?? 0) - 1)));
  process.stdout.write(
    `mesh training, ${name}: largest difference of ${STEPS} losses ${worst.toExponential(1)} of the loss\n`,
  );
  expect(worst).toBeLessThan(1e-11);
  const kinds = new Set(parted.flatMap(({ program }) => exchangesOf(program)).map((e) => e.kind));
  expect(kinds).toContain("allToAll");
  expect(kinds).toContain(kind);
});
