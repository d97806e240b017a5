import { expect, test } from "vitest";
import { PARTITIONED_OPS } from "../src/repro/partition/laws.ts";
import { partitionedSample } from "../src/repro/partition/random-case.ts";

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
