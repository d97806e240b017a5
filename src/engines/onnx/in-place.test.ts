/** @file A cache that is donated is written over: the rows that are new, in the memory that it has. */

import { expect, test } from "vitest";
import { fromData, type Tensor } from "../../core/tensor.ts";
import { scatterSet, zeros } from "../../numpy/index.ts";
import { numbers } from "../../testing/tensors.ts";
import { jit } from "../jit.ts";
import { lowerToOnnx } from "./lower.ts";
import { createOnnxEngine } from "./onnx.ts";

const engine = await createOnnxEngine();
const start = () =>
  fromData(
    "float32",
    [2, 3, 2],
    Float32Array.from({ length: 12 }, (_, i) => i),
  );
const at = (...places: number[]) => fromData("int32", [2, 1], Int32Array.from(places));
const rows = (value: number) => fromData("float32", [2, 1, 2], new Float32Array(4).fill(value));
const write = (cache: Tensor, places: Tensor, fresh: Tensor) =>
  scatterSet(cache, { axis: 1, at: places, distinct: 1 }, fresh);

/** The next cache, and something that reads it. */
const step = (cache: Tensor, places: Tensor, fresh: Tensor) => {
  const next = write(cache, places, fresh);
  return [next.sum(), next] as const;
};

test("step after step it stays in its memory", async () => {
  const f = jit(step, { engine, donate: [0] });
  let cache = start();
  const memory = cache.data();
  const sums: number[] = [];
  for (const value of [50, 60]) {
    const [sum, next] = await f(cache, value === 50 ? at(0, 0) : at(1, 2), rows(value));
    expect(() => cache.data()).toThrow(/donated/);
    cache = next;
    sums.push(sum.item());
    expect(cache.data()).toBe(memory);
  }
  expect(numbers(cache)).toEqual([50, 50, 60, 60, 4, 5, 50, 50, 8, 9, 60, 60]);
  expect(sums[1]).toBe(numbers(cache).reduce((a, b) => a + b));
});

test("what is not donated is left alone", async () => {
  const cache = start();
  const [, next] = await jit(step, { engine })(cache, at(0, 2), rows(50));
  expect(numbers(cache)).toEqual(numbers(start()));
  expect(numbers(next)).toEqual([50, 50, 2, 3, 4, 5, 6, 7, 8, 9, 50, 50]);
});

test.each([
  ["is read beside", (c: Tensor, p: Tensor, r: Tensor) => [write(c, p, r), c.sum()]],
  ["is answered itself", (c: Tensor, p: Tensor, r: Tensor) => [write(c, p, r), c]],
  [
    "is written twice",
    (c: Tensor, p: Tensor, r: Tensor) => [write(c, p, r), write(c, p, r.mul(2))],
  ],
  ["is no input", (c: Tensor, p: Tensor, r: Tensor) => [write(c.mul(2), p, r), p]],
] as const)("a cache that %s is copied, and all results are right", async (_name, f) => {
  const donating = jit(f, { engine, donate: [0] });
  const plain = jit(f, { engine });
  const own = await donating(start(), at(0, 2), rows(50));
  const other = await plain(start(), at(0, 2), rows(50));
  expect(own.map(numbers)).toEqual(other.map(numbers));
  const { metadata } = lowerToOnnx(plain.lower(start(), at(0, 2), rows(50)));
  expect(metadata).toEqual({});
});

test("memory of other donated inputs still goes to later results", async () => {
  const f = jit(
    (cache: Tensor, x: Tensor, places: Tensor) => [
      write(cache, places, x.reshape([2, 1, 2])),
      x.add(1),
      zeros([12]),
    ],
    { engine, donate: [0, 1] },
  );
  let [cache, x] = [start(), fromData("float32", [4], Float32Array.of(1, 2, 3, 4))];
  const kept: Tensor[] = [];
  for (let i = 0; i < 4; i++) {
    const [next, y, nothing] = (await f(cache, x, at(i % 3, i % 3))) as [Tensor, Tensor, Tensor];
    kept.push(nothing);
    expect(nothing.data()).not.toBe(next.data());
    [cache, x] = [next, y];
  }
  expect(numbers(cache)).toEqual([4, 5, 2, 3, 3, 4, 6, 7, 4, 5, 5, 6]);
  for (const nothing of kept) expect(numbers(nothing)).toEqual(new Array(12).fill(0));
});

test("a cache that is an argument twice is copied", async () => {
  const f = jit((cache: Tensor, same: Tensor) => [write(cache, at(0, 0), rows(50)), same.mul(1)], {
    engine,
    donate: [0],
  });
  const cache = start();
  const [next, same] = (await f(cache, cache)) as [Tensor, Tensor];
  expect(numbers(next)).toEqual([50, 50, 2, 3, 4, 5, 50, 50, 8, 9, 10, 11]);
  expect(numbers(same)).toEqual(numbers(start()));
});
