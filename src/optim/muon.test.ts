/** @file Muon's orthogonal steps: by their singular values, in stacks, and for which parameters. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { einsum, scalar } from "../numpy/index.ts";
import { double } from "../testing/double.ts";
import { differs, doubles, drawn, numbers } from "../testing/tensors.ts";
import { muon, orthogonal } from "./muon.ts";
import { matrixForm } from "./parameters.ts";

describe("orthogonal", () => {
  test.each([
    ["wide", { embed: 4, mlp: 9 }],
    ["tall", { mlp: 9, embed: 4 }],
    ["square", { row: 6, column: 6 }],
  ] as const)("of a %s matrix: singular values near 1, whatever they were", async (_, sizes) => {
    const f = double((x: Tensor) => orthogonal(x, matrixForm(x), 5));
    const y = await f(drawn(3, sizes, 100));
    expect(y.names).toEqual(Object.keys(sizes));
    const [rows, columns] = Object.values(sizes) as [number, number];
    const short = Math.min(rows, columns);
    const at = (i: number, k: number) =>
      rows <= columns ? numbers(y)[i * columns + k]! : numbers(y)[k * columns + i]!;
    const gram = Array.from({ length: short }, (_row, i) =>
      Array.from({ length: short }, (_column, j) =>
        Array.from({ length: Math.max(rows, columns) }, (_k, k) => at(i, k) * at(j, k)).reduce(
          (a, b) => a + b,
        ),
      ),
    );
    // Gershgorin: squared singular values lie in circles around the diagonal.
    gram.forEach((row, i) => {
      const radius = row.reduce((sum, x, j) => sum + (i === j ? 0 : Math.abs(x)), 0);
      expect(row[i]! + radius).toBeLessThan(2.2);
      expect(row[i]!).toBeGreaterThan(0.35);
    });
  });

  test("keeps the direction of what is orthogonal already", async () => {
    const turn = doubles({ row: 2, column: 2 }, (i) => [0.6, -0.8, 0.8, 0.6][i] ?? 0);
    const y = numbers(await double((x: Tensor) => orthogonal(x, matrixForm(x), 5))(turn));
    const size = Math.hypot(y[0]!, y[1]!);
    expect(size).toBeGreaterThan(0.65);
    expect(size).toBeLessThan(1.25);
    y.forEach((v, i) => {
      expect(v / size).toBeCloseTo([0.6, -0.8, 0.8, 0.6][i]!, 10);
    });
  });
});

describe("muon", () => {
  const optimizer = muon({ weightDecay: 0.1 });
  const step = (path: string) =>
    double(
      (p: Tensor, g: Tensor) =>
        optimizer.update(p, g, optimizer.init(p, path), {
          path,
          step: scalar(0),
          rate: scalar(0.5),
        }).param,
    );

  test("treats each expert as a matrix of its own", async () => {
    const sizes = { expert: 3, embed: 4, mlp: 5 };
    const [p, g] = [drawn(1, sizes), drawn(2, sizes)];
    const together = numbers(await step("moe/wi")(p, g));
    for (let e = 0; e < 3; e++) {
      const one = (x: Tensor) =>
        doubles({ embed: 4, mlp: 5 }, (i) => numbers(x)[20 * e + i] ?? Number.NaN);
      const alone = await step("moe/wi")(one(p), one(g));
      const close = { rtol: 1e-12, atol: 1e-12 };
      expect(differs(alone, together.slice(20 * e, 20 * e + 20), close)).toBeUndefined();
    }
  });

  test("takes the heads of an attention's weights together", async () => {
    const [p, g] = [
      drawn(1, { head: 2, dim: 3, embed: 4 }),
      drawn(2, { head: 2, dim: 3, embed: 4 }),
    ];
    const flat = (x: Tensor) => doubles({ joint: 6, embed: 4 }, (i) => numbers(x)[i] ?? Number.NaN);
    const together = await step("attention/output")(p, g);
    expect(numbers(together)).toEqual(numbers(await step("w")(flat(p), flat(g))));
  });

  test("follows the loss down on a quadratic with curvatures from 1 to 1000", async () => {
    const scales = doubles({ embed: 4 }, (i) => 10 ** (i - 3));
    const loss = (w: Tensor) => einsum("embed mlp, embed -> mlp", w.square(), scales).sum();
    const run = double((p: Tensor, rate: Tensor) => {
      const g = p.mul(scales).mul(2);
      const at = { path: "w", step: scalar(0), rate };
      const plain = muon({ weightDecay: 0, nesterov: false, momentum: 0 });
      const next = plain.update(p, g, plain.init(p, "w"), at).param;
      return { next, before: loss(p), after: loss(next) };
    });
    let p = doubles({ embed: 4, mlp: 4 }, (i) => Math.sin(i + 1));
    for (let t = 0; t < 20; t++) {
      const out = await run(
        p,
        doubles({}, () => 0.05 * 0.9 ** t),
      );
      expect(out.after.item()).toBeLessThan(out.before.item());
      p = out.next;
    }
  });
});
