/** @file The 3-D U-Net runs: shapes, in pieces as the whole, a loss that falls. */

import { expect, test } from "vitest";
import { interpret } from "../../core/interpret.ts";
import { makeMesh } from "../../core/mesh.ts";
import { sampleStream } from "../../core/samples.ts";
import { fromData, type Tensor } from "../../core/tensor.ts";
import { leaves } from "../../core/tree.ts";
import { jit } from "../../engines/jit.ts";
import { abstractParams, initialise } from "../../nn/index.ts";
import { random } from "../../numpy/index.ts";
import { defaultRules, seedsOf } from "../../spmd/annotations.ts";
import { exchangesOf, totalsOf } from "../../spmd/exchanges.ts";
import { partition } from "../../spmd/partition.ts";
import { propagate } from "../../spmd/propagate.ts";
import { simulate } from "../../spmd/simulate.ts";
import { arrayOf, drawn, numbers } from "../../testing/tensors.ts";
import { openTraceable } from "../../train/families.ts";
import type { TaskModel } from "../../train/task.ts";
import { abstract, trace } from "../../transforms/trace.ts";
import { presetByName } from "./config.ts";
import type { UnetBatch } from "./index.ts";
import { type Unet, unet, unetParams } from "./model.ts";

const { model: NANO, training } = presetByName("unet3d-nano");
const WORDS = "batch channel depth row column";

const fresh = () =>
  jit((key: random.Key) => initialise(unetParams(NANO), key))(random.key(2)) as Promise<
    Unet<Tensor>
  >;

test("gives classes for every voxel", async () => {
  const volume = drawn(5, { batch: 2, channel: 1, depth: 8, row: 4, column: 6 });
  const logits = await jit((p: Unet<Tensor>, x: Tensor) => unet(p, x, NANO))(await fresh(), volume);
  expect(logits.dims).toEqual([2, 2, 8, 4, 6]);
});

test("a volume in pieces of depth and row is the whole, and only halos travel", async () => {
  const mesh = makeMesh({ x: 2, y: 2 });
  const params = await fresh();
  const volume = drawn(6, { batch: 1, channel: 1, depth: 8, row: 8, column: 4 });
  const forward = (p: Unet<Tensor>, x: Tensor) => unet(p, x, NANO);
  const forms = [abstractParams(unetParams(NANO)), abstract(volume.aval)] as const;
  const { program } = trace("unet", forward, [forms[0] as Unet<Tensor>, forms[1]]);
  const seeds = seedsOf(mesh, program, { rules: defaultRules(mesh) });
  const parted = partition(program, propagate(mesh, program, seeds));
  const values = [...leaves(params), volume].map(arrayOf);
  const dims = program.outputs.map((v) => v.aval.dims);
  const [pieces] = simulate(parted, values, dims, Number.NaN);
  const [whole] = interpret(program, values);
  whole?.data.forEach((x, i) => {
    expect(Number(pieces?.data[i])).toBeCloseTo(Number(x), 4);
  });
  const kinds = totalsOf(exchangesOf(parted.program)).map(({ kind }) => kind);
  expect(kinds).toContain("collectivePermute");
  expect(kinds).not.toContain("allGather");
});

/** A bright box in a dark volume; its voxels are of class 1. */
function batchOf(seed: number): UnetBatch {
  const next = sampleStream(seed);
  const { batch, length: side } = training;
  const boxes = Array.from({ length: batch }, () =>
    Array.from({ length: 3 }, () => Math.floor(next() * (side - 3))),
  );
  const inside = boxes.flatMap((box) =>
    Array.from({ length: side ** 3 }, (_, i) => {
      const at = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
      return at.every((x, d) => x >= (box[d] ?? 0) && x < (box[d] ?? 0) + 4) ? 1 : 0;
    }),
  );
  const volume = Float32Array.from(inside, (x) => x + 0.6 * (next() - 0.5));
  const space = [side, side, side];
  return {
    volume: fromData("float32", [batch, 1, ...space], volume, WORDS),
    classes: fromData(
      "int32",
      [batch, ...space],
      Int32Array.from(inside),
      "batch depth row column",
    ),
  };
}

test("learns to find a box", async () => {
  const model = (await openTraceable("unet3d-nano")) as TaskModel;
  let state = await jit((key: random.Key) => model.initial(key))(random.key(1));
  const step = jit((s: typeof state, b: UnetBatch) => model.step(s, b));
  const losses: number[] = [];
  for (let t = 0; t < 20; t++) {
    const [next, { loss }] = await step(state, batchOf(t));
    state = next;
    losses.push(loss.item());
  }
  expect(Math.max(...losses.slice(-3))).toBeLessThan(0.5 * (losses[0] ?? 0));
  expect(numbers(state.step)).toEqual([20]);
});
