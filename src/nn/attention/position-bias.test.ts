/** @file Buckets against the published table, and the bias against a table that is looked up directly. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../../core/tensor.ts";
import { jit } from "../../engines/jit.ts";
import { doubleEngine } from "../../testing/double.ts";
import { drawn, indices, numbers, read } from "../../testing/tensors.ts";
import { grad } from "../../transforms/vjp.ts";
import { BUCKETS, bucketOf, positionBias } from "./position-bias.ts";

/** Spec §11.5: distance → bucket. */
const PUBLISHED = [
  [0, 0],
  [1, 1],
  [15, 15],
  [16, 16],
  [18, 16],
  [19, 17],
  [20, 17],
  [24, 19],
  [32, 21],
  [48, 24],
  [64, 26],
  [90, 29],
  [100, 30],
  [120, 31],
  [128, 31],
  [500, 31],
] as const;

describe("buckets", () => {
  test.each(PUBLISHED)("distance %i falls into bucket %i", (distance, bucket) => {
    expect(bucketOf(distance)).toBe(bucket);
  });

  test("rise with the distance, use all numbers, and put the future with the present", () => {
    const all = Array.from({ length: 300 }, (_, distance) => bucketOf(distance));
    expect([...all].sort((a, b) => a - b)).toEqual(all);
    expect(new Set(all).size).toBe(BUCKETS);
    expect(bucketOf(-5)).toBe(0);
  });
});

describe("the bias of a sequence", () => {
  const p = drawn(1, { head: 3, bucket: BUCKETS });

  test.each([1, 2, 7, 40, 150])("of length %i is the table, looked up", async (length) => {
    const bias = jit((x: Tensor) => positionBias(x, length), { engine: doubleEngine });
    const table = read(p);
    const expected = indices(3, length, length).map(([head, pos, mem]) =>
      table(head!, bucketOf(pos! - mem!)),
    );
    const actual = await bias(p);
    expect(actual.aval).toEqual({
      dtype: "float32",
      dims: [3, length, length],
      names: ["head", "pos", "mem"],
    });
    expect(numbers(actual)).toEqual(expected);
  });

  test("has as gradient the number of pairs per bucket", async () => {
    const total = jit(
      grad((x: Tensor) => positionBias(x, 20).sum()),
      { engine: doubleEngine },
    );
    const counts = new Array<number>(BUCKETS).fill(0);
    for (const [pos, mem] of indices(20, 20)) counts[bucketOf(pos! - mem!)]!++;
    expect(numbers(await total(p))).toEqual([...counts, ...counts, ...counts]);
  });
});
