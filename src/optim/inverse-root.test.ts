/** @file Inverse roots: by what they mean, on matrices whose eigenvalues are known. */

import { describe, expect, test } from "vitest";
import type { Engine } from "../engines/engine.ts";
import { jit } from "../engines/jit.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { einsum, type Tensor } from "../numpy/index.ts";
import { doubleEngine } from "../testing/double.ts";
import { differs, doubles, inSingle } from "../testing/tensors.ts";
import { inverseRoot } from "./inverse-root.ts";

/** `H D H` with a reflection H, so that the eigenvalues are D's; and the same for any function of it. */
function reflected(values: readonly number[]): number[] {
  const n = values.length;
  const v = values.map((_, i) => Math.sin(i + 1));
  const square = v.reduce((sum, x) => sum + x * x, 0);
  const h = (i: number, j: number) => (i === j ? 1 : 0) - (2 * (v[i] ?? 0) * (v[j] ?? 0)) / square;
  return Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return values.reduce((sum, value, k) => sum + h(i, k) * value * h(k, j), 0);
  });
}

const SPECTRA = [
  [1, 2, 3, 4, 5, 6, 7, 8],
  [1e3, 1, 1, 0.5, 0.1, 1e-2, 1e-3, 1e-4],
  [5e-9, 4e-9, 3e-9, 2e-9, 1e-9, 1e-9, 1e-9, 1e-9],
  [7, 0, 0, 0, 0, 0, 0, 0],
];

const EPSILON = 2 ** -20; // exact in single precision

describe.each([2, 4] as const)("A^(−1/%d)", (p) => {
  const roots = (a: Tensor) => inverseRoot(a, p, EPSILON);
  const wanted = SPECTRA.map((values) => {
    const damping = EPSILON * Math.hypot(...values);
    return reflected(values.map((x) => (x + damping) ** (-1 / p)));
  });
  const all = doubles({ stack: 4, row: 8, column: 8 }, (i) => {
    return SPECTRA.map(reflected)[Math.floor(i / 64)]?.[i % 64] ?? 0;
  });

  test("of a stack, whatever its sizes and condition", async () => {
    const got = await jit(roots, { engine: doubleEngine })(all);
    expect(got.names).toEqual(["stack", "row", "column"]);
    wanted.forEach((values, i) => {
      const size = Math.max(...values.map(Math.abs));
      const piece = doubles({ row: 8, column: 8 }, (j) => Number(got.data()[64 * i + j]));
      expect(differs(piece, values, { rtol: 0, atol: 1e-9 * size }), `${i}`).toBeUndefined();
    });
  });

  test("in single precision, as well as the condition of a million lets it", async () => {
    const engine: Engine = await createOnnxEngine();
    const got = await jit(roots, { engine, threads: 1 })(inSingle(all));
    wanted.forEach((values, i) => {
      const size = Math.max(...values.map(Math.abs));
      const piece = doubles({ row: 8, column: 8 }, (j) => Number(got.data()[64 * i + j]));
      // An error of 6e-8 in A is one of 6 % in its smallest eigenvalue, 1.5 to 3 % in that one's root.
      expect(differs(piece, values, { rtol: 0, atol: 0.03 * size }), `${i}`).toBeUndefined();
    });
  });

  test("of nothing is finite, so that nothing times it is nothing", async () => {
    const zero = doubles({ stack: 1, row: 3, column: 3 }, () => 0);
    const engine: Engine = await createOnnxEngine();
    const f = (a: Tensor) =>
      einsum(
        "stack row a, stack a column -> stack row column",
        roots(a).as("stack row a"),
        a.as("stack a column"),
      );
    expect((await jit(f, { engine, threads: 1 })(inSingle(zero))).numbers()).toEqual(
      Array(9).fill(0),
    );
  });
});
