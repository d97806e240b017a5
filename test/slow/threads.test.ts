/** @file What must not depend on which thread comes first: the sum of a scatter, and so all of training. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fromData, type Tensor } from "../../src/core/tensor.ts";
import { jit } from "../../src/engines/jit.ts";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { scatterAdd } from "../../src/ops/indexing.ts";
import { meshloom, metricsOf } from "../command-line.ts";

// ONNX Runtime's ScatterND adds rows on several threads without a lock (issues 18048 and 23396 there);
// indexing.onnx.ts goes around it.
test.each([1, 2, 4])(
  "rows added to the same place are all there, on %i threads",
  async (threads) => {
    const [rows, width, places] = [65_536, 128, 32];
    const engine = await createOnnxEngine();
    const add = jit(
      (u: Tensor, at: Tensor) =>
        scatterAdd(u, at, { batchDims: 0, distinct: 0, size: places, name: null }),
      {
        engine,
        threads,
      },
    );
    const ones = fromData(
      "float32",
      [rows, width],
      new Float32Array(rows * width).fill(1),
      "token embed",
    );
    const at = fromData(
      "int32",
      [rows],
      Int32Array.from({ length: rows }, (_, i) => i % places),
      "token",
    );
    // Whole numbers this small are exact in float32, in whatever order they are added.
    let lost = 0;
    for (let run = 0; run < 50; run++) {
      const sums = (await add(ones, at)).data() as Float32Array;
      for (const sum of sums) lost += rows / places - sum;
    }
    expect(lost).toBe(0);
  },
);

test("training of glam-nano on 2 threads is the same each time, bit for bit", async () => {
  const base = await mkdtemp(join(tmpdir(), "meshloom-threads-"));
  const runs = [];
  for (const name of ["a", "b", "c", "d"]) {
    const words = ["--steps", "4", "--threads", "2", "--out", join(base, name)];
    expect((await meshloom("train", "glam-nano", ...words)).code).toBe(0);
    runs.push(await metricsOf(join(base, name)));
  }
  await rm(base, { recursive: true });
  for (const run of runs) expect(run).toEqual(runs[0]);
});
