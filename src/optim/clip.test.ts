/** @file Clipping by its laws. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { double, doubleEngine } from "../testing/double.ts";
import { differs, doubles, drawn, numbers } from "../testing/tensors.ts";
import { type Clipping, clipByGlobalNorm, clipGradients, globalNorm } from "./clip.ts";

const number = (x: number) => fromData("float32", [], Float64Array.of(x));

describe("clipByGlobalNorm", () => {
  const clip = jit(
    (tree: { a: Tensor; b: Tensor }, limit: Tensor) => {
      const norm = globalNorm(tree);
      return { norm, limit, ...clipByGlobalNorm(tree, norm, 2.5) };
    },
    { engine: doubleEngine },
  );
  const length = (...xs: Tensor[]) => Math.hypot(...xs.flatMap(numbers));

  test("leaves short gradients alone, gives long ones the limit's length, and keeps the direction", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1000),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        async (seed, range) => {
          const tree = {
            a: drawn(seed, { embed: 4 }, range),
            b: drawn(seed + 1, { mlp: 3 }, range),
          };
          const out = await clip(tree, number(0));
          const norm = length(tree.a, tree.b);
          expect(out.norm.item()).toBeCloseTo(norm, 9);
          expect(length(out.a, out.b)).toBeCloseTo(Math.min(norm, 2.5), 9);
          const factor = Math.min(1, 2.5 / norm);
          const close = { rtol: 1e-12, atol: 0 };
          expect(
            differs(
              out.a,
              numbers(tree.a).map((x) => x * factor),
              close,
            ),
          ).toBeUndefined();
          expect(
            differs(
              out.b,
              numbers(tree.b).map((x) => x * factor),
              close,
            ),
          ).toBeUndefined();
          if (norm <= 2.5) expect(numbers(out.a)).toEqual(numbers(tree.a));
        },
      ),
      { seed: 4, numRuns: 50 },
    );
  });

  test("of a zero gradient is zero, not NaN", async () => {
    const zero = { a: drawn(1, { embed: 4 }, 0), b: drawn(1, { mlp: 3 }, 0) };
    expect(numbers((await clip(zero, number(0))).a).every((x) => x === 0)).toBe(true);
  });
});

describe("clipGradients", () => {
  const sizes = { a: { embed: 3, mlp: 4 }, b: { filter: 2, channel: 3, width: 2 }, c: { mlp: 5 } };
  const tree = (seed: number, range: number) => ({
    a: drawn(seed, sizes.a, range),
    b: drawn(seed + 1, sizes.b, range),
    c: drawn(seed + 2, sizes.c, range),
  });
  type Three = ReturnType<typeof tree>;
  const by = (rule: Clipping) =>
    double((g: Three, p: Three) => clipGradients(g, p, globalNorm(g), rule));
  const all = (t: Three) => [t.a, t.b, t.c];

  test("by value: no element beyond the limit, those within it as they were", async () => {
    const g = tree(1, 2);
    const out = await by({ by: "value", limit: 0.5 })(g, g);
    all(out).forEach((x, i) => {
      const cut = numbers(all(g)[i]!).map((v) => Math.max(-0.5, Math.min(0.5, v)));
      expect(numbers(x)).toEqual(cut);
    });
  });

  test("by the norm of each tensor", async () => {
    const g = { ...tree(1, 2), c: drawn(9, sizes.c, 0.01) };
    const out = await by({ by: "leaf-norm", limit: 0.5 })(g, g);
    all(out).forEach((x, i) => {
      const [before, after] = [Math.hypot(...numbers(all(g)[i]!)), Math.hypot(...numbers(x))];
      expect(after).toBeCloseTo(Math.min(0.5, before), 10);
    });
    expect(numbers(out.c)).toEqual(numbers(g.c));
  });

  test("by the weights: unit by unit, the gradient's norm over the weights' is held to the limit", async () => {
    const clip = by({ by: "adaptive", limit: 0.1 });
    for (const [seed, range] of [
      [1, 1],
      [5, 0.02],
    ] as const) {
      // Weights that are zero, and a gradient that is, in some units.
      const p = { ...tree(seed + 20, 1), a: drawn(3, sizes.a, 0) };
      const g = { ...tree(seed, range), b: doubles(sizes.b, (i) => (i < 6 ? 0 : 3 * i)) };
      const out = await clip(g, p);
      const unit = (units: readonly number[][], name: keyof Three) => {
        const [w, slope, cut] = [p, g, out].map((t) => numbers(t[name])) as [
          number[],
          number[],
          number[],
        ];
        for (const places of units) {
          const norm = (x: number[]) => Math.hypot(...places.map((i) => x[i]!));
          const most = 0.1 * Math.max(norm(w), 1e-3);
          const factor = norm(slope) > most ? most / norm(slope) : 1;
          for (const i of places) expect(cut[i]).toBeCloseTo(slope[i]! * factor, 12);
        }
      };
      const column = (j: number) => [0, 1, 2].map((i) => 4 * i + j);
      unit([0, 1, 2, 3].map(column), "a");
      unit([[0, 1, 2, 3, 4, 5].map((i) => i), [6, 7, 8, 9, 10, 11]], "b");
      unit([[0, 1, 2, 3, 4]], "c");
    }
  });
});
