/**
 * @file Training on a mesh has the losses of one device: with experts that devices exchange tokens for, and with weights
 * and optimiser state split over examples as well.
 *
 * Two runs in float32 part in the end whatever their arithmetic, by a factor of two every step or two once the rate has
 * grown: a single weight changed by one unit in the last place parts them as far. So the mesh goes on from the state of
 * one device every 25 steps.
 */

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { fromData } from "../../src/core/tensor.ts";
import { jit } from "../../src/engines/jit.ts";
import { createMeshEngine } from "../../src/engines/mesh/mesh.ts";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import * as random from "../../src/numpy/random.ts";
import { type AxisRules, defaultRules } from "../../src/spmd/annotations.ts";
import { exchangesOf } from "../../src/spmd/exchanges.ts";
import { makeMesh } from "../../src/spmd/mesh.ts";
import type { Partitioned } from "../../src/spmd/partition.ts";
import { openPreset } from "../../src/train/families.ts";
import type { TokenBatch } from "../../src/train/model.ts";
import type { TrainState } from "../../src/train/step.ts";

const STEPS = 50;
const TOGETHER = 50;
const [BATCH, LENGTH] = [8, 48];

const mesh = makeMesh({ data: 2, model: 2 });
const engine = await createOnnxEngine();
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
  const own = rules === null ? engine : createMeshEngine(engine, { mesh, rules, onPartitioned });
  return jit((state: TrainState, batch: TokenBatch) => model.step(state, batch), { engine: own });
}

const initial = await jit((key: random.Key) => model.initial(key), { engine })(random.key(7));
/** Losses of one device, and its states at the steps from which others go on. */
const alone = await (async () => {
  const step = trainer(null);
  const [losses, states]: [number[], TrainState[]] = [[], []];
  let state = initial;
  for (let at = 0; at < STEPS; at++) {
    if (at % TOGETHER === 0) states.push(state);
    const [next, { report }] = await step(state, batchAt(at));
    losses.push(report.crossEntropy.item());
    state = next;
  }
  return { losses, states };
})();

test.each([
  ["experts over data, widths over model", defaultRules(mesh), "allToAll"],
  [
    "weights and optimiser state over data, too",
    { ...defaultRules(mesh), embed: "data" },
    "reduceScatter",
  ],
] as const)("%s", async (name, rules, kind) => {
  const parted: Partitioned[] = [];
  const step = trainer(rules, (each) => parted.push(each));
  let worst = 0;
  let state = initial;
  for (let at = 0; at < STEPS; at++) {
    state = at % TOGETHER === 0 ? (alone.states[at / TOGETHER] ?? state) : state;
    const [next, { report }] = await step(state, batchAt(at));
    const expected = alone.losses[at] ?? Number.NaN;
    worst = Math.max(worst, Math.abs(report.crossEntropy.item() - expected) / expected);
    state = next;
  }
  process.stdout.write(
    `mesh training, ${name}: largest difference of ${STEPS} losses ${worst.toExponential(1)} of the loss\n`,
  );
  expect(worst).toBeLessThan(1e-4);
  const kinds = new Set(parted.flatMap(({ program }) => exchangesOf(program)).map((e) => e.kind));
  expect(kinds).toContain("allToAll");
  expect(kinds).toContain(kind);
});

test("a weight changed by one unit in the last place parts two runs on one device, too", async () => {
  const step = trainer(null);
  let state = nudged(initial);
  let worst = 0;
  for (let at = 0; at < STEPS; at++) {
    const [next, { report }] = await step(state, batchAt(at));
    const expected = alone.losses[at] ?? Number.NaN;
    worst = Math.max(worst, Math.abs(report.crossEntropy.item() - expected) / expected);
    state = next;
  }
  process.stdout.write(`one device, one weight nudged: ${worst.toExponential(1)} of the loss\n`);
  expect(worst).toBeGreaterThan(0);
});

/** The state with one element of the embedding changed in its last place. */
function nudged(state: TrainState): TrainState {
  const params = state.params as { readonly embedding: ReturnType<typeof fromData> };
  const { embedding } = params;
  const data = Float32Array.from(embedding.data() as Float32Array);
  new Int32Array(data.buffer)[BATCH] = (new Int32Array(data.buffer)[BATCH] ?? 0) + 1;
  const axes = embedding.names.join(" ");
  return {
    ...state,
    params: { ...params, embedding: fromData("float32", embedding.dims, data, axes) },
  } as TrainState;
}
