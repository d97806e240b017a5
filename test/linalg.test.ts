/** @file Linear algebra: what the results must satisfy, at sizes that no sample has, and known values. */

import { describe, expect, test } from "vitest";
import { fromData, type Tensor, tensor } from "../src/core/tensor.ts";
import type { Engine } from "../src/engines/engine.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../src/engines/reference/reference.ts";
import { einsum } from "../src/numpy/einsum.ts";
import * as linalg from "../src/numpy/linalg.ts";
import { double } from "../src/testing/double.ts";
import { drawn, numbers } from "../src/testing/tensors.ts";
import { grad } from "../src/transforms/vjp.ts";
import "../src/numpy/methods.ts";

const onnx = await createOnnxEngine();
const ENGINES: readonly Engine[] = [referenceEngine, onnx];

function expectNear(actual: Tensor, expected: Tensor | readonly number[], within: number): void {
  const [a, b] = [numbers(actual), "aval" in expected ? numbers(expected) : expected];
  expect(a.length).toBe(b.length);
  const worst = Math.max(...a.map((x, i) => Math.abs(x - (b[i] ?? NaN))));
  expect(worst).toBeLessThanOrEqual(within);
}

const product = (a: Tensor, b: Tensor) =>
  bare(einsum("batch row mid, batch mid col -> batch row col", bare(a), bare(b)));
const bare = (x: Tensor) => x.reshape(x.dims);
const noise = (seed: number, ...dims: number[]) => {
  const sizes = Object.fromEntries(dims.map((dim, i) => [`axis${i}`, dim]));
  return fromData("float32", dims, drawn(seed, sizes).data());
};

describe.each([...ENGINES])("on the $name engine", (engine) => {
  const run = <A extends readonly unknown[], R>(f: (...args: A) => R, ...args: A) =>
    jit(f, { name: "f", engine })(...args);

  test.each([5, 20, 64])("a system of %i equations is solved", async (n) => {
    const a = noise(n, 2, n, n);
    const b = noise(n + 1, 2, n, 3);
    const [x, again] = await run(
      (m: Tensor, r: Tensor) => {
        const y = linalg.solve(m, r);
        return [y, product(m, y)] as const;
      },
      a,
      b,
    );
    const size = Math.max(...numbers(x).map(Math.abs));
    expectNear(again, b, 2e-6 * n * size); // rounding of single precision, by the size of what is summed
  });

  test.each([4, 33])("a matrix of %i rows has its Cholesky factor", async (n) => {
    const half = noise(n, 2, n, n);
    const [l, again, x] = await run((h: Tensor) => {
      const eye = linalg.identityLike(h);
      const a = product(h, linalg.matrixTranspose(h)).add(eye);
      const factor = linalg.cholesky(a);
      const inverse = linalg.choleskySolve(factor, eye);
      return [
        factor,
        product(factor, linalg.matrixTranspose(factor)).sub(a),
        product(a, inverse).sub(eye),
      ] as const;
    }, half);
    const flat = numbers(l);
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) expect(flat[i * n + j]).toBe(0);
    expectNear(again, Array(2 * n * n).fill(0), 1e-5 * n);
    expectNear(x, Array(2 * n * n).fill(0), 1e-4 * n); // times the condition of A
  });

  test("an inverse times its matrix is the identity, and the names change sides", async () => {
    const a = drawn(3, { batch: 2, row: 6, mid: 6 });
    const [inverse, eye] = await run((m: Tensor) => {
      const x = linalg.inverse(m);
      return [x, product(bare(m), bare(x)).sub(linalg.identityLike(bare(m)))] as const;
    }, a);
    expect(inverse.names).toEqual(["batch", "mid", "row"]);
    expectNear(eye, Array(72).fill(0), 2e-5);
  });

  test("triangles are solved from either side", async () => {
    const a = tensor([
      [2, 9],
      [1, 4],
    ]);
    const b = tensor([
      [2, 3],
      [4, 8],
    ]);
    const results = await run(() => [
      linalg.triangularSolve(a, b),
      linalg.triangularSolve(a, b, { lower: false, unitDiagonal: true }),
      linalg.triangularSolve(a, b, { side: "right" }),
      linalg.triangularSolve(a, tensor([2, 4])),
    ]);
    expectNear(results[0]!, [1, 1.5, 0.75, 1.625], 1e-6); // [[2, 0], [1, 4]] X = B
    expectNear(results[1]!, [-34, -69, 4, 8], 1e-5); // [[1, 9], [0, 1]] X = B
    expectNear(results[2]!, [0.625, 0.75, 1, 2], 1e-6); // X [[2, 0], [1, 4]] = B
    expectNear(results[3]!, [1, 0.75], 1e-6);
  });

  test("determinants are those of the formula, with their sign, out of range as well", async () => {
    const three = tensor([
      [2, 0, 1],
      [1, 3, -1],
      [0, 5, 4],
    ]);
    const five = tensor([
      [0, 2, 0, 0, 0],
      [1, 0, 0, 0, 0],
      [0, 0, 3, 1, 0],
      [0, 0, 1, 1, 0],
      [0, 0, 0, 0, 5],
    ]);
    const results = await run(() => {
      const { sign, log } = linalg.slogdet(five.mul(1e20));
      return [linalg.det(three), linalg.det(five), sign, log, linalg.trace(three)];
    });
    expectNear(results[0]!, [39], 1e-5); // 2 (12 + 5) + 1 (5 − 0)
    expectNear(results[1]!, [-20], 1e-4);
    expectNear(results[2]!, [-1], 0);
    expectNear(results[3]!, [Math.log(20) + 100 * Math.log(10)], 1e-4);
    expectNear(results[4]!, [9], 0);
  });
});

describe("gradients", () => {
  test("of log |det A| are A⁻ᵀ", async () => {
    const a = tensor([
      [3, 1, 0, 1],
      [0, 2, 1, 0],
      [1, 0, 4, 1],
      [0, 1, 0, 2],
    ]);
    const [slope, inverse] = await double((m: Tensor) => [
      grad((x: Tensor) => linalg.slogdet(x).log)(m),
      linalg.matrixTranspose(linalg.inverse(m)),
    ])(a);
    expectNear(slope!, inverse!, 1e-12);
  });

  test("of det exist where A is singular, up to 3 × 3", async () => {
    const a = tensor([
      [1, 2, 3],
      [2, 4, 6],
      [1, 0, 1],
    ]);
    const slope = await double((m: Tensor) => grad(linalg.det)(m))(a);
    expectNear(slope, [4, 4, -4, -2, -2, 2, 0, 0, 0], 1e-12); // the cofactors
  });

  test("of a Cholesky factor are symmetric", async () => {
    const a = tensor([
      [4, 1, 0],
      [1, 3, -1],
      [0, -1, 2],
    ]);
    const slope = await double((m: Tensor) =>
      grad((x: Tensor) => linalg.cholesky(x).square().mul(linalg.cholesky(x)).sum())(m),
    )(a);
    const s = numbers(slope);
    for (const [i, j] of [
      [1, 3],
      [2, 6],
      [5, 7],
    ] as const)
      expect(s[i]).toBeCloseTo(s[j]!, 12);
  });
});

test("a system too large to be written out is refused by the engine that would", async () => {
  const a = drawn(1, { row: 129, mid: 129 });
  const f = jit((m: Tensor) => linalg.solve(m, m), { name: "f", engine: onnx });
  await expect(f(a)).rejects.toThrow(
    "solve: 129 columns are more than the 128 that this engine writes out one by one.",
  );
});
