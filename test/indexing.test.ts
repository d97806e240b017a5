/** @file Choosing and writing by index: elements, boxes, segments, pieces; and one rule for all indices. */

import { describe, expect, test } from "vitest";
import { type Tensor, tensor } from "../src/core/tensor.ts";
import type { Engine } from "../src/engines/engine.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../src/engines/reference/reference.ts";
import * as np from "../src/numpy/index.ts";
import { drawn, drawnIds, numbers } from "../src/testing/tensors.ts";
import { grad } from "../src/transforms/vjp.ts";
import { vmap } from "../src/transforms/vmap.ts";

const ENGINES: readonly Engine[] = [referenceEngine, await createOnnxEngine()];
const int32 = (nested: Parameters<typeof tensor>[0]) => tensor(nested, "int32");

describe.each([...ENGINES])("on the $name engine", (engine) => {
  const run = <A extends readonly unknown[], R>(f: (...args: A) => R, ...args: A) =>
    jit(f, { name: "f", engine })(...args);
  const lists = async (f: () => readonly Tensor[]) => (await run(f)).map(numbers);

  test("indices out of range mean the first or the last place, for every op", async () => {
    const x = tensor([10, 20, 30]);
    const at = int32([-1, -(2 ** 31), 3, 2 ** 31 - 1]);
    const u = tensor([1, 2, 3, 4]);
    const place = { axis: 0, at };
    const results = await lists(() => [
      np.take(x, at),
      np.takeAlong(x, at, 0),
      np.scatterAdd(u, { at, size: 3, batch: 0, as: null }),
      np.scatterSet(x, place, u),
      np.scatterMax(x, place, np.mul(u, 10)),
      np.scatterMin(x, place, u),
      np.putAlong(x, at, u, 0, "add"),
      np.segmentSum(u, { of: at, count: 3 }),
      np.dynamicSlice(x, { axis: 0, start: -7, size: 2 }),
      np.dynamicSlice(x, { axis: 0, start: 2 ** 31 - 1, size: 2 }),
      np.dynamicUpdateSlice(x, tensor([1, 2]), { axis: 0, start: 9 }),
    ]);
    expect(results).toEqual([
      [10, 10, 30, 30],
      [10, 10, 30, 30],
      [3, 0, 7],
      [2, 20, 4],
      [20, 20, 40],
      [1, 20, 3],
      [13, 20, 37],
      [3, 0, 7],
      [10, 20],
      [20, 30],
      [10, 1, 2],
    ]);
  });

  test("of a thousand rows for ten places, the last of each stays", async () => {
    const [rows, places] = [1000, 10];
    const at = drawnIds(1, { row: rows }, places);
    const u = drawn(2, { row: rows, width: 3 });
    const x = drawn(3, { place: places, width: 3 });
    const y = numbers(
      await run(
        (a: Tensor, b: Tensor, c: Tensor) => np.scatterSet(a, { axis: 0, at: c }, b),
        x,
        u,
        at,
      ),
    );
    const expected = numbers(x);
    numbers(at).forEach((place, i) => {
      for (let j = 0; j < 3; j++) expected[place * 3 + j] = numbers(u)[i * 3 + j] ?? NaN;
    });
    expect(y).toEqual(expected);
  });

  test("an element per index along any axis, there and back", async () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const rows = int32([[1, 0, 1]]);
    const columns = int32([
      [2, 0],
      [1, 1],
    ]);
    const results = await lists(() => [
      np.takeAlong(x, rows, 0),
      np.takeAlong(x, columns, -1),
      np.putAlong(
        x,
        columns,
        tensor([
          [7, 8],
          [9, 5],
        ]),
        1,
      ),
      np.putAlong(
        x,
        columns,
        tensor([
          [7, 8],
          [9, 5],
        ]),
        1,
        "add",
      ),
      np.putAlong(x, rows, tensor([[5, 5, 5]]), 0, "max"),
      np.putAlong(x, rows, tensor([[5, 0, 5]]), 0, "min"),
    ]);
    expect(results).toEqual([
      [4, 2, 6],
      [3, 1, 5, 5],
      [8, 2, 7, 4, 5, 6],
      [9, 2, 10, 4, 19, 6],
      [1, 5, 3, 5, 5, 6],
      [1, 0, 3, 4, 5, 5],
    ]);
  });

  test("segments, sorted or not, and those without rows", async () => {
    const x = tensor([
      [1, -2],
      [3, 4],
      [5, 0],
      [7, 8],
    ]);
    const segments = { of: int32([2, 0, 2, 0]), count: 3, as: "segment" };
    const results = await run(() => [
      np.segmentSum(x, segments),
      np.segmentMean(x, segments),
      np.segmentMax(x, segments),
      np.segmentMin(x, segments),
      np.segmentMax(int32([5, -3, 2, 1]), segments),
    ]);
    expect(results.map(numbers)).toEqual([
      [10, 12, 0, 0, 6, -2],
      [5, 6, 0, 0, 3, -1],
      [7, 8, -Infinity, -Infinity, 5, 0],
      [3, 4, Infinity, Infinity, 1, -2],
      [1, -(2 ** 31), 5],
    ]);
    expect(results[1]?.names).toEqual(["segment", null]);
  });

  test("the gradient of a write goes to what stays", async () => {
    const f = (x: Tensor, u: Tensor) => {
      const y = np.scatterSet(x, { axis: 0, at: int32([0, 2, 0]) }, u);
      return np.mul(y, tensor([1, 10, 100])).sum();
    };
    const toMax = (x: Tensor, u: Tensor) =>
      np.scatterMax(x, { axis: 0, at: int32([0, 0, 1]) }, u).sum();
    const [x, u] = [tensor([1, 2, 3]), tensor([4, 5, 6])];
    const results = await lists(() => [
      grad(f)(x, u),
      grad((b: Tensor) => f(x, b))(u),
      grad(toMax)(x, tensor([1, 0, 5])),
      grad((b: Tensor) => toMax(x, b))(tensor([1, 0, 5])),
    ]);
    expect(results).toEqual([
      [0, 10, 0],
      [0, 100, 1],
      [0.5, 0, 1], // the operand's 1 and the first update's are equal
      [0.5, 0, 1],
    ]);
  });

  test("boxes at run-time places, one per example", async () => {
    const x = tensor([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
    const start = int32([1, 3]);
    const results = await run(
      (a: Tensor, at: Tensor) => [
        vmap((row: Tensor, s: Tensor) => np.dynamicSlice(row, { axis: 0, start: s, size: 2 }))(
          a,
          at,
        ),
        vmap((row: Tensor, s: Tensor) =>
          np.dynamicUpdateSlice(row, tensor([0, 0]), { axis: 0, start: s }),
        )(a, at),
        np.dynamicSlice(a, { axis: 0, start: at.slice(0, 0, 1).reshape([]), size: 1 }),
      ],
      x,
      start,
    );
    expect(results.map(numbers)).toEqual([
      [2, 3, 7, 8],
      [1, 0, 0, 4, 5, 6, 0, 0],
      [5, 6, 7, 8],
    ]);
  });

  test("pieces: strides, padding, turning, repeating", async () => {
    const x = tensor(
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      "float32",
      "row column",
    );
    const results = await run(() => [
      np.slice(x, "column", 0, 3, 2),
      np.pad(x, { column: { before: -1, after: 1, between: 1 } }, 9),
      np.pad(np.reshape(x, [6]), { 0: { before: 1 } }),
      np.flip(x),
      np.flip(x, "row"),
      np.roll(x, "column", 1),
      np.roll(x, "column", -4),
      np.tile(x, "column", 2),
      np.repeat(x, "row", 2),
      np.stack([x, x], "copy", 2),
    ]);
    expect(results.map(numbers)).toEqual([
      [1, 3, 4, 6],
      [9, 2, 9, 3, 9, 9, 5, 9, 6, 9],
      [0, 1, 2, 3, 4, 5, 6],
      [6, 5, 4, 3, 2, 1],
      [4, 5, 6, 1, 2, 3],
      [3, 1, 2, 6, 4, 5],
      [2, 3, 1, 5, 6, 4],
      [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6],
      [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6],
      [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6],
    ]);
    expect(results.at(-1)?.names).toEqual(["row", "column", "copy"]);
    expect(results.at(-2)?.dims).toEqual([4, 3]);
  });
});

test("bad places are refused by name", async () => {
  const x = drawn(1, { row: 2, column: 3 });
  const run = (f: () => Tensor) => jit(f, { name: "f", engine: referenceEngine })();
  await expect(run(() => np.roll(x, "depth", 1))).rejects.toThrow('roll: "depth" is not an axis');
  await expect(run(() => np.tile(x, "row", 0.5))).rejects.toThrow(
    "tile: 0.5 is no number of copies",
  );
  await expect(run(() => np.stack([x], "copy", 3))).rejects.toThrow(
    "stack: float32[row 2, column 3]",
  );
  await expect(run(() => np.takeAlong(x, int32([1]), 0))).rejects.toThrow(
    "takeAlong: the operands have unequal numbers of axes.",
  );
});
