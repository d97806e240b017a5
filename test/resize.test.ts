/** @file Resizing and adaptive means against their formulas. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { adaptiveAvgPool, resize } from "../src/numpy/index.ts";
import { double } from "../src/testing/double.ts";
import {
  differs,
  drawn,
  drawnIds,
  filled,
  indices,
  numbers,
  read,
} from "../src/testing/tensors.ts";
import { abstract, trace } from "../src/transforms/trace.ts";
import { grad } from "../src/transforms/vjp.ts";

const SINGLE = { rtol: 2e-5, atol: 2e-6 };
const x = drawn(1, { batch: 2, height: 3, width: 5 });
const SIZES = [
  [3, 10],
  [7, 3],
  [1, 1],
  [2, 8],
] as const;

/** Old place and share of the two elements that new element j lies between. */
function between(j: number, from: number, to: number): readonly [low: number, share: number] {
  const centre = Math.min(Math.max(((j + 0.5) * from) / to - 0.5, 0), from - 1);
  const low = Math.min(Math.floor(centre), Math.max(0, from - 2));
  return [low, centre - low];
}

describe.each(SIZES)("to %i × %i", (height, width) => {
  test("nearest takes the element in which the new centre lies", async () => {
    const f = (a: Tensor) => resize(a, { to: { height, width }, method: "nearest" });
    const expected = indices(2, height, width).map(([n = 0, i = 0, j = 0]) =>
      read(x)(n, Math.floor(((i + 0.5) * 3) / height), Math.floor(((j + 0.5) * 5) / width)),
    );
    for (const run of [double(f), jit(f)]) {
      const y = await run(x);
      expect(y.names).toEqual(x.names);
      expect(numbers(y)).toEqual(expected);
    }
  });

  test("linear weighs the neighbours of the new centre", async () => {
    const f = (a: Tensor) => resize(a, { to: [height, width], method: "linear" });
    const expected = indices(2, height, width).map(([n = 0, i = 0, j = 0]) => {
      const [[a, s], [b, t]] = [between(i, 3, height), between(j, 5, width)];
      const at = (p: number, q: number) => read(x)(n, Math.min(p, 2), Math.min(q, 4));
      return (
        (1 - s) * ((1 - t) * at(a, b) + t * at(a, b + 1)) +
        s * ((1 - t) * at(a + 1, b) + t * at(a + 1, b + 1))
      );
    });
    // the weights are constants that tracing may fold in single precision
    expect(differs(await double(f)(x), expected, { rtol: 1e-6, atol: 1e-6 })).toBeUndefined();
    expect(differs(await jit(f)(x), expected, SINGLE)).toBeUndefined();
  });

  test("adaptive means are means of parts", async () => {
    const f = (a: Tensor) => adaptiveAvgPool(a, { to: [height, width] });
    const part = (j: number, from: number, to: number) =>
      Array.from({ length: from }, (_, i) => i).filter(
        (i) => i >= Math.floor((j * from) / to) && i < Math.ceil(((j + 1) * from) / to),
      );
    const expected = indices(2, height, width).map(([n = 0, i = 0, j = 0]) => {
      const list = part(i, 3, height).flatMap((p) =>
        part(j, 5, width).map((q) => read(x)(n, p, q)),
      );
      return list.reduce((a, b) => a + b, 0) / list.length;
    });
    expect(differs(await double(f)(x), expected, { rtol: 1e-6, atol: 1e-6 })).toBeUndefined(); // as above
    expect(differs(await jit(f)(x), expected, SINGLE)).toBeUndefined();
  });

  test.each(["nearest", "linear"] as const)(
    "the gradient of %s gives each element its shares",
    async (method) => {
      const weights = drawn(2, { batch: 2, height, width });
      const f = (a: Tensor, w: Tensor) =>
        resize(a, { to: [height, width], method })
          .mul(w)
          .sum();
      const slope = await double(grad(f))(x, weights);
      // linear in x: ⟨gradient, x⟩ is the value
      const dot = numbers(slope).reduce((sum, g, i) => sum + g * numbers(x)[i]!, 0);
      expect(dot).toBeCloseTo((await double(f)(x, weights)).item(), 6);
      expect(differs(await jit(grad(f))(x, weights), numbers(slope), SINGLE)).toBeUndefined();
    },
  );
});

test("a line stays a line between the outer centres, and level beyond them", async () => {
  const line = filled({ pos: 5 }, (i) => i);
  const y = await double((a: Tensor) => resize(a, { to: [20], method: "linear" }))(line);
  const centres = Array.from({ length: 20 }, (_, j) => (j + 0.5) / 4 - 0.5);
  expect(numbers(y)).toEqual(centres.map((c) => Math.min(Math.max(c, 0), 4))); // exact in binary
});

test("nearest takes integers", async () => {
  const ids = drawnIds(3, { pos: 3 }, 9);
  const y = await jit((a: Tensor) => resize(a, { to: [7], method: "nearest" }))(ids);
  expect(numbers(y)).toEqual([0, 0, 1, 1, 1, 2, 2].map((i) => numbers(ids)[i]));
});

test("lengths that cannot be are refused", () => {
  const f = (a: Tensor) => resize(a, { to: { height: 0 }, method: "linear" });
  expect(() => trace("f", f, [abstract(x.aval)])).toThrow(
    "resize: axis height cannot go from 3 to 0 elements.",
  );
});
