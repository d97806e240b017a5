/** @file Pooling as people call it, against plain loops. */

import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { avgPool, maxPool, reduceWindow, sumPool } from "../src/numpy/index.ts";
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
import { grad } from "../src/transforms/vjp.ts";

const CLOSE = { rtol: 1e-11, atol: 1e-12 };
const x = drawn(1, { batch: 2, height: 5, width: 6, channel: 3 });

/** Elements under window (p, q) of 3 × 2 with stride 2, one element of padding before each axis. */
const under = (n: number, p: number, q: number, c: number) =>
  indices(3, 2).flatMap(([a = 0, b = 0]) => {
    const [i, j] = [2 * p + a - 1, 2 * q + b - 1];
    return i < 0 || i > 4 || j < 0 || j > 5 ? [] : [read(x)(n, i, j, c)];
  });
const windows = indices(2, 2, 3, 3).map(([n = 0, p = 0, q = 0, c = 0]) => under(n, p, q, c));
const OPTIONS = {
  window: { height: 3, width: 2 },
  stride: 2,
  padding: [
    [1, 0],
    [1, 0],
  ],
} as const;

const total = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);

describe("windows by name, channels last", () => {
  test.each([
    ["maxPool", maxPool, (list: readonly number[]) => Math.max(...list)],
    ["sumPool", sumPool, total],
    ["avgPool", avgPool, (list: readonly number[]) => total(list) / 6],
  ] as const)("%s", async (_, pool, value) => {
    const y = await double((a: Tensor) => pool(a, OPTIONS))(x);
    expect(y.names).toEqual(x.names);
    expect(differs(y, windows.map(value), CLOSE)).toBeUndefined();
  });

  test("avgPool without padding divides by what there is", async () => {
    const y = await double((a: Tensor) => avgPool(a, { ...OPTIONS, includePad: false }))(x);
    expect(
      differs(
        y,
        windows.map((list) => total(list) / list.length),
        CLOSE,
      ),
    ).toBeUndefined();
  });

  test("a mean over nothing but padding is 0", async () => {
    const f = (a: Tensor) => avgPool(a, { window: [2], padding: [[0, 4]], includePad: false });
    const y = await double(f)(drawn(1, { pos: 2 }));
    expect(numbers(y).slice(1)).toEqual([0, 0]);
  });
});

describe("reduceWindow", () => {
  test("strides by one, and takes more than three axes", async () => {
    const z = drawn(2, { a: 2, b: 3, c: 3, d: 2, e: 3 });
    const f = (how: "max" | "min" | "sum") => (a: Tensor) =>
      reduceWindow(a, how, { window: { a: 2, b: 2, c: 3, d: 1, e: 2 }, dilation: [1, 1, 1, 1, 2] });
    const lists = indices(1, 2, 1, 2, 1).map(([, b = 0, , d = 0]) =>
      indices(2, 2, 3, 1, 2).map(([i = 0, j = 0, k = 0, , l = 0]) =>
        read(z)(i, b + j, k, d, 2 * l),
      ),
    );
    const values = { max: Math.max, min: Math.min, sum: (...list: number[]) => total(list) };
    for (const how of ["max", "min", "sum"] as const) {
      const y = await double(f(how))(z);
      expect(y.dims).toEqual([1, 2, 1, 2, 1]);
      expect(
        differs(
          y,
          lists.map((list) => values[how](...list)),
          CLOSE,
        ),
        how,
      ).toBeUndefined();
    }
  });

  test("the least integer has no negative, and still is the least", async () => {
    const least = fromData("int32", [3], Int32Array.of(-(2 ** 31), 5, 2 ** 31 - 1));
    const f = (a: Tensor) => reduceWindow(a, "min", { window: [2], padding: 1 });
    for (const run of [double(f), jit(f)])
      expect(numbers(await run(least))).toEqual([-(2 ** 31), -(2 ** 31), 5, 2 ** 31 - 1]);
    const words = drawnIds(3, { pos: 6 }, 100);
    const pairs = numbers(words)
      .slice(1)
      .map((v, i) => Math.min(v, numbers(words)[i]!));
    const g = (a: Tensor) => reduceWindow(a.astype("uint32"), "min", { window: [2] });
    expect(numbers(await jit(g)(words))).toEqual(pairs);
  });

  test("the gradient of a tie goes to the first in row-major order, whatever the split of axes", async () => {
    const ones = filled({ a: 2, b: 2, c: 2, d: 2 }, (i) => (i < 5 ? 0 : 1));
    const f = (a: Tensor) => reduceWindow(a, "max", { window: { a: 2, b: 2, c: 2, d: 2 } }).sum();
    for (const run of [double(grad(f)), jit(grad(f))])
      expect(numbers(await run(ones)).indexOf(1)).toBe(5);
    const plane = filled({ pos: 3, mem: 3 }, () => 0);
    const g = (a: Tensor) => reduceWindow(a, "max", { window: [2, 2] }).sum();
    for (const run of [double(grad(g)), jit(grad(g))])
      expect(numbers(await run(plane))).toEqual([1, 1, 0, 1, 1, 0, 0, 0, 0]);
  });

  test("the gradient of overlapping windows adds up, on both engines", async () => {
    const f = (a: Tensor) => maxPool(a, OPTIONS).square().sum();
    const reference = await double(grad(f))(x);
    const single = await jit(grad(f))(x);
    expect(differs(single, numbers(reference), { rtol: 2e-5, atol: 2e-6 })).toBeUndefined();
    expect(total(numbers(reference))).toBeCloseTo(2 * total(windows.map((w) => Math.max(...w))), 5);
  });
});
