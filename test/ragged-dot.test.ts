/** @file The grouped product against loops, with sizes that change from call to call. */

import { expect, test } from "vitest";
import type { Tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { raggedDot } from "../src/numpy/index.ts";
import { derivativesDiffer } from "../src/testing/slopes.ts";
import { differs, drawn, filled, indices, read } from "../src/testing/tensors.ts";
import { grad } from "../src/transforms/vjp.ts";

const SINGLE = { rtol: 1e-5, atol: 1e-6 };
const engine = await createOnnxEngine();
const x = drawn(1, { token: 7, embed: 3 });
const w = drawn(2, { expert: 4, embed: 3, mlp: 2 });
const sizes = (...list: number[]) => filled({ expert: list.length }, (i) => list[i]!, "int32");

/** The group of each of the 7 rows, −1 for none. */
function groups(list: readonly number[]): number[] {
  const rows = list.flatMap((size, group) => Array<number>(size).fill(group));
  return Array.from({ length: 7 }, (_, row) => rows[row] ?? -1);
}

const LISTS = [
  [2, 3, 1, 1],
  [0, 7, 0, 0],
  [1, 0, 2, 0],
  [0, 0, 0, 0],
];

test("one compiled product serves any sizes", async () => {
  const f = jit(raggedDot, { engine });
  for (const list of LISTS) {
    const y = await f(x, w, sizes(...list));
    expect(y.names).toEqual(["token", "mlp"]);
    const own = groups(list);
    const expected = indices(7, 2).map(([r, j]) =>
      own[r!]! < 0
        ? 0
        : [0, 1, 2].reduce((sum, i) => sum + read(x)(r!, i) * read(w)(own[r!]!, i, j!), 0),
    );
    expect(differs(y, expected, SINGLE), `${list}`).toBeUndefined();
  }
});

test("its derivatives are slopes, in rows and in matrices", async () => {
  const counts = sizes(1, 0, 4, 1);
  const loss = (p: { readonly x: Tensor; readonly w: Tensor }) => {
    const y = raggedDot(p.x, p.w, counts);
    return y.mul(y).mul(y).sum();
  };
  expect(await derivativesDiffer(loss, { x, w })).toBeUndefined();
});

test("a group without rows gets the gradient 0", async () => {
  const loss = (m: Tensor, s: Tensor) => raggedDot(x, m, s).square().sum();
  const slope = read(await jit(grad(loss), { engine })(w, sizes(3, 0, 2, 0)));
  for (const [g, i, j] of indices(4, 3, 2)) {
    if (g! % 2 === 1) expect(slope(g!, i!, j!)).toBe(0);
    else expect(Math.abs(slope(g!, i!, j!))).toBeGreaterThan(1e-5);
  }
});
