/** @file Sorting and searching, against JavaScript's stable sort and plain counting. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../src/engines/reference/reference.ts";
import * as np from "../src/numpy/index.ts";
import { double } from "../src/testing/double.ts";
import { doubles, numbers } from "../src/testing/tensors.ts";
import { grad } from "../src/transforms/vjp.ts";

const ENGINES = [referenceEngine, await createOnnxEngine()];
const floats = (dims: number[], values: number[]) =>
  fromData("float32", dims, Float32Array.from(values));
const ints = (values: number[]) => fromData("int32", [values.length], Int32Array.from(values));

const value = fc.constantFrom(NaN, Infinity, -Infinity, 0, -0, 1, 2, -3);

/** Below 0 where a comes before b; NaN comes last both ways. */
function compare(a: number, b: number, descending: boolean): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a === b ? 0 : a < b === descending ? 1 : -1;
}

describe.each(ENGINES)("on $name", (engine) => {
  test("two keys decide in turn, what ties keeps its order, the rest is carried", async () => {
    const length = 9;
    const rows = fc.array(fc.tuple(value, fc.integer({ min: 0, max: 2 })), {
      minLength: length,
      maxLength: length,
    });
    for (const descending of [false, true]) {
      const sorted = jit(
        (a: Tensor, b: Tensor, c: Tensor) => [
          ...np.sortTogether([a, b, c], { keys: 2, descending }),
        ],
        { engine },
      );
      await fc.assert(
        fc.asyncProperty(rows, async (list) => {
          const [a, b] = [list.map(([x]) => x), list.map(([, y]) => y)];
          const places = list.map((_, i) => i);
          const answer = await sorted(floats([length], a), ints(b), ints(places));
          const wanted = [...places].sort(
            (i, j) =>
              compare(a[i] ?? 0, a[j] ?? 0, descending) ||
              compare(b[i] ?? 0, b[j] ?? 0, descending),
          );
          expect(answer.map(numbers)).toEqual([
            wanted.map((i) => a[i]),
            wanted.map((i) => b[i]),
            wanted,
          ]);
        }),
        { seed: 1, numRuns: 40 },
      );
    }
  });

  test("along an axis by name, each line by itself", async () => {
    const x = fromData("float32", [3, 2], Float32Array.of(3, 1, 1, 2, 2, 0), "pos embed");
    const y = await jit((z: Tensor) => z.sort({ axis: "pos" }), { engine })(x);
    expect([y.names, numbers(y)]).toEqual([
      ["pos", "embed"],
      [1, 0, 2, 1, 3, 2],
    ]);
    const places = await jit((z: Tensor) => z.argsort({ axis: "pos" }), { engine })(x);
    expect([places.names, numbers(places)]).toEqual([
      ["pos", "embed"],
      [1, 2, 2, 0, 0, 1],
    ]);
  });

  test.each(["left", "right"] as const)("searchSorted counts, on the %s", async (side) => {
    for (const length of [1, 2, 3, 7, 8]) {
      const search = jit((s: Tensor, x: Tensor) => np.searchSorted(s, x, { side }), { engine });
      await fc.assert(
        fc.asyncProperty(
          fc.array(value, { minLength: 2 * length, maxLength: 2 * length }),
          fc.array(value, { minLength: 6, maxLength: 6 }),
          async (elements, wanted) => {
            const lines = [elements.slice(0, length), elements.slice(length)].map((line) =>
              [...line].sort((a, b) => compare(a, b, false)),
            );
            const answer = await search(floats([2, length], lines.flat()), floats([2, 3], wanted));
            const count = (x: number, line: readonly number[] = []) =>
              line.filter((y) => {
                const before = compare(y, x, false);
                return side === "left" ? before < 0 : before <= 0;
              }).length;
            expect(numbers(answer)).toEqual(wanted.map((x, i) => count(x, lines[i < 3 ? 0 : 1])));
          },
        ),
        { seed: 2, numRuns: 10 },
      );
    }
  });
});

test("gradients go back to where the elements came from", async () => {
  const x = doubles({ batch: 2, pos: 3 }, (i) => [3, 1, 2, -1, 5, 0][i] ?? 0);
  const w = doubles({ batch: 2, pos: 3 }, (i) => 10 ** i);
  const slopes = await double(
    grad((z: Tensor, v: Tensor) => np.sort(z, { axis: "pos" }).mul(v).sum()),
  )(x, w);
  expect(numbers(slopes)).toEqual([100, 1, 10, 1e3, 1e5, 1e4]);
});

test("leading axes that differ, and too many keys, are refused", () => {
  const two = floats([2, 3], [1, 2, 3, 1, 2, 3]);
  const three = floats([3, 1], [1, 2, 3]);
  const refusal = (f: (...xs: Tensor[]) => unknown) =>
    jit(f as never)(two as never, three as never);
  return Promise.all([
    expect(refusal((a, b) => np.searchSorted(a!, b!))).rejects.toThrow(
      "searchSorted: values must have the leading axes of the sequences.",
    ),
    expect(refusal((a) => [...np.sortTogether([a!], { keys: 2 })])).rejects.toThrow(
      "sort: cannot take 2 of 1 operands as keys",
    ),
    expect(refusal((a, b) => [...np.sortTogether([a!, b!])])).rejects.toThrow(
      "sort: operands have unequal sizes.",
    ),
  ]);
});
