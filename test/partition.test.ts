import { expect, test } from "vitest";
import { PARTITIONED_OPS } from "../src/repro/partition/laws.ts";
import { drawer, partitionedSample } from "../src/repro/partition/random-case.ts";
import { drawMovingOp } from "../src/repro/partition/random-window.ts";

/** Draws of mesh, annotations and choices for each sample; the slow suite makes many more. */
const EACH = 4;

test.each(PARTITIONED_OPS.map((op) => [op.name, op] as const))(
  "%s in pieces is the whole",
  (_, op) => {
    op.samples().forEach((sample, i) => {
      for (let draw = 0; draw < EACH; draw++)
        expect(partitionedSample(op, sample, 1000 * i + draw).mismatch).toBeUndefined();
    });
  },
);

test("windows, boxes and reshapes along split axes, drawn at random, in pieces are the whole", () => {
  for (let seed = 0; seed < 150; seed++) {
    const { op, sample } = drawMovingOp(drawer(seed));
    expect(partitionedSample(op, sample, seed, true).mismatch).toBeUndefined();
  }
});
