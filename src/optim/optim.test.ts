/** @file Optimisers against their formulas in plain loops and against PyTorch; schedules and clipping by their laws. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { referenceEngine } from "../engines/reference/reference.ts";
import { einsum } from "../numpy/index.ts";
import { doubleEngine } from "../testing/double.ts";
import { differs, doubles, drawn, numbers, read } from "../testing/tensors.ts";
import { valueAndGrad } from "../transforms/vjp.ts";
import { type AdafactorState, adafactor } from "./adafactor.ts";
import { adamw } from "./adamw.ts";
import {
  applyUpdates,
  clipByGlobalNorm,
  globalNorm,
  initOptimizer,
  type Optimizer,
} from "./optimizer.ts";
import { cosine, inverseSquareRoot, type Schedule } from "./schedule.ts";
import { sgd } from "./sgd.ts";

const number = (x: number) => fromData("float32", [], Float64Array.of(x));

describe("Adafactor", () => {
  /** One tensor, by the spec's formulas, as rows of `columns` elements. */
  class Plain {
    readonly w: number[];
    readonly columns: number;
    readonly factored: boolean;
    row: number[];
    column: number[];
    full: number[];

    constructor(w: readonly number[], columns: number, factored: boolean) {
      this.w = [...w];
      this.columns = columns;
      this.factored = factored;
      this.row = new Array<number>(w.length / columns).fill(0);
      this.column = new Array<number>(columns).fill(0);
      this.full = w.map(() => 0);
    }

    step(g: readonly number[], t: number, rate: number): void {
      const beta2 = 1 - (t + 1) ** -0.8;
      const v = g.map((x) => x * x + 1e-30);
      const mix = (old: number, fresh: number) => beta2 * old + (1 - beta2) * fresh;
      const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
      const inRow = (r: number) => v.slice(r * this.columns, (r + 1) * this.columns);
      const inColumn = (c: number) => v.filter((_, i) => i % this.columns === c);
      this.row = this.row.map((old, r) => mix(old, mean(inRow(r))));
      this.column = this.column.map((old, c) => mix(old, mean(inColumn(c))));
      this.full = this.full.map((old, i) => mix(old, v[i]!));
      const rowMean = mean(this.row);
      const x = g.map((gi, i) =>
        this.factored
          ? gi /
            Math.sqrt(this.row[Math.floor(i / this.columns)]! / rowMean) /
            Math.sqrt(this.column[i % this.columns]!)
          : gi / Math.sqrt(this.full[i]!),
      );
      const rms = (list: readonly number[]) => Math.sqrt(mean(list.map((y) => y * y)));
      const shrink = Math.max(1, rms(x) / 1);
      const size = rate * Math.max(rms(this.w), 1e-3);
      x.forEach((xi, i) => {
        this.w[i]! -= (size * xi) / shrink;
      });
    }
  }

  const gradientAt = (sizes: Readonly<Record<string, number>>, t: number) =>
    drawn(40 + t, sizes, 0.3 + (t % 5));

  test.each([
    { name: "factored, tall", sizes: { embed: 6, mlp: 4 }, factorFrom: 4, factored: true },
    { name: "factored, wide", sizes: { embed: 3, mlp: 8 }, factorFrom: 2, factored: true },
    { name: "factored, square", sizes: { embed: 5, mlp: 5 }, factorFrom: 5, factored: true },
    { name: "one axis too short", sizes: { embed: 3, mlp: 8 }, factorFrom: 4, factored: false },
    { name: "a matrix below 128", sizes: { embed: 12, mlp: 20 }, factored: false },
    { name: "a vector", sizes: { embed: 7 }, factorFrom: 2, factored: false },
    { name: "tiny weights", sizes: { embed: 7 }, factored: false, range: 1e-6 },
  ])("$name: 20 steps as the formulas say", async ({ sizes, factored, ...rest }) => {
    const optimizer = adafactor("factorFrom" in rest ? { factorFrom: rest.factorFrom } : {});
    const start = drawn(1, sizes, "range" in rest ? rest.range : 0.5);
    const plain = new Plain(numbers(start), Object.values(sizes).at(-1)!, factored);
    const init = jit((p: Tensor) => ({ ...optimizer.init(p) }), { engine: doubleEngine });
    const update = jit(
      (p: Tensor, g: Tensor, s: AdafactorState, step: Tensor, rate: Tensor) =>
        optimizer.update(p, g, s, step, rate),
      { engine: doubleEngine },
    );
    let [param, state] = [start, (await init(start)) as AdafactorState];
    expect(Object.keys(state)).toEqual(factored ? ["row", "column"] : ["full"]);
    for (let t = 0; t < 20; t++) {
      const gradient = gradientAt(sizes, t);
      ({ param, state } = await update(param, gradient, state, number(t), number(0.05)));
      plain.step(numbers(gradient), t, 0.05);
      expect(differs(param, plain.w, { rtol: 1e-10, atol: 1e-16 }), `step ${t}`).toBeUndefined();
    }
    if (factored) {
      // Which of the two is called the row does not matter: the formula is symmetric.
      const [a, b] = [numbers(state.row!), numbers(state.column!)].sort(
        (x, y) => x.length - y.length,
      );
      const [c, d] = [plain.row, plain.column].sort((x, y) => x.length - y.length);
      expect(a!.length).toBe(c!.length);
      expect(b!.length).toBe(d!.length);
    }
  });

  test("with three axes, the two longest are factored for every place on the third", async () => {
    const optimizer = adafactor({ factorFrom: 4 });
    const sizes = { expert: 2, embed: 4, mlp: 6 } as const;
    const start = drawn(2, sizes, 0.5);
    const init = jit((p: Tensor) => ({ ...optimizer.init(p) }), { engine: doubleEngine });
    const state = (await init(start)) as AdafactorState;
    expect([`${state.row}`, `${state.column}`].sort()).toEqual([
      "float32[expert 2, embed 4]",
      "float32[expert 2, mlp 6]",
    ]);
    const gradient = gradientAt(sizes, 3);
    const update = jit(
      (p: Tensor, g: Tensor, s: AdafactorState) =>
        optimizer.update(p, g, s, p.sum().mul(0), p.sum().mul(0).add(1)).param,
      { engine: doubleEngine },
    );
    // At step 0 nothing is old: R, C are means of v = g², per expert.
    const g = read(gradient);
    const v = (e: number, r: number, c: number) => g(e, r, c) ** 2 + 1e-30;
    const scaled: number[] = [];
    for (let e = 0; e < 2; e++) {
      const row = [0, 1, 2, 3].map(
        (r) => [0, 1, 2, 3, 4, 5].reduce((s, c) => s + v(e, r, c), 0) / 6,
      );
      const column = [0, 1, 2, 3, 4, 5].map(
        (c) => [0, 1, 2, 3].reduce((s, r) => s + v(e, r, c), 0) / 4,
      );
      const mean = row.reduce((a, b) => a + b) / 4;
      for (let r = 0; r < 4; r++)
        for (let c = 0; c < 6; c++)
          scaled.push(g(e, r, c) / Math.sqrt((row[r]! / mean) * column[c]!));
    }
    const rms = (list: readonly number[]) =>
      Math.sqrt(list.reduce((a, b) => a + b * b, 0) / list.length);
    const size = rms(numbers(start)) / Math.max(1, rms(scaled));
    const expected = numbers(start).map((w, i) => w - size * scaled[i]!);
    const actual = await update(start, gradient, state);
    expect(differs(actual, expected, { rtol: 1e-10, atol: 1e-14 })).toBeUndefined();
  });

  test("an all-zero gradient moves nothing and makes no NaN", async () => {
    const optimizer = adafactor({ factorFrom: 2 });
    const f = (p: Tensor) => {
      const zero = p.mul(0);
      return optimizer.update(p, zero, optimizer.init(p), zero.sum(), zero.sum().add(0.01)).param;
    };
    const start = drawn(1, { embed: 3, mlp: 4 });
    expect(numbers(await jit(f, { engine: referenceEngine })(start))).toEqual(numbers(start));
  });
});

interface Recorded {
  readonly step: number;
  readonly loss: number;
  readonly w: readonly number[];
  readonly b: readonly number[];
}
const recorded = JSON.parse(
  readFileSync(new URL("../../test/peers/optimizers.json", import.meta.url), "utf8"),
) as { readonly runs: Readonly<Record<string, readonly Recorded[]>> };

/** The problem of `test/peers/record_optimizers.py`. */
const PROBLEM = {
  x: doubles({ batch: 4, embed: 3 }, (i) => Math.sin(1.3 * i + 0.2)),
  y: doubles({ batch: 4, mlp: 2 }, (i) => Math.cos(0.7 * i)),
  w: doubles({ embed: 3, mlp: 2 }, (i) => 0.5 * Math.sin(2.1 * i)),
  b: doubles({ mlp: 2 }, (i) => [0.3, -0.2][i]!),
};

const fit = ({ w, b }: { readonly w: Tensor; readonly b: Tensor }): Tensor =>
  einsum("batch embed, embed mlp -> batch mlp", PROBLEM.x, w)
    .add(b)
    .sub(PROBLEM.y)
    .square()
    .sum()
    .div(4)
    .add(w.square().square().sum().div(32));

describe("PyTorch's trajectory of 100 steps", () => {
  const runs: readonly { name: string; optimizer: Optimizer<never>; rate: number }[] = [
    { name: "sgd", optimizer: sgd as Optimizer<never>, rate: 0.05 },
    { name: "adamw", optimizer: adamw() as Optimizer<never>, rate: 0.02 },
    {
      name: "adamw without decay",
      optimizer: adamw({
        beta1: 0.8,
        beta2: 0.999,
        epsilon: 1e-6,
        weightDecay: 0,
      }) as Optimizer<never>,
      rate: 0.05,
    },
  ];

  test.each(runs)("of $name", async ({ name, optimizer, rate }) => {
    const { w, b } = PROBLEM;
    const start = jit((params: object) => [...initOptimizer(optimizer, params)], {
      engine: doubleEngine,
    });
    const step = jit(
      (params: { w: Tensor; b: Tensor }, states: readonly never[], t: Tensor, lr: Tensor) => {
        const [loss, slopes] = valueAndGrad(fit)(params);
        return { loss, ...applyUpdates(optimizer, params, slopes as typeof params, states, t, lr) };
      },
      { engine: doubleEngine },
    );
    let params = { w, b };
    let states = (await start(params)) as readonly never[];
    for (let t = 0; t < 100; t++) {
      const next = await step(params, states, number(t), number(rate));
      ({ params, states } = next);
      const torch = recorded.runs[name]!.find(({ step: at }) => at === t + 1);
      if (torch === undefined) continue;
      expect(next.loss.item()).toBeCloseTo(torch.loss, 12);
      expect(differs(params.w, torch.w, { rtol: 1e-10, atol: 1e-12 }), `w at ${t}`).toBeUndefined();
      expect(differs(params.b, torch.b, { rtol: 1e-10, atol: 1e-12 }), `b at ${t}`).toBeUndefined();
    }
  });
});

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

describe("schedules", () => {
  const compiled = (schedule: Schedule) => {
    const run = jit((t: Tensor) => schedule(t), { engine: referenceEngine });
    return async (t: number) => (await run(fromData("float32", [], Float32Array.of(t)))).item();
  };

  test("the inverse square root is GLaM's (§11.6)", async () => {
    const at = compiled(inverseSquareRoot(0.01, 10_000));
    for (const [t, rate] of [
      [0, 0.01],
      [1, 0.01],
      [5000, 0.01],
      [10_000, 0.01],
      [40_000, 0.005],
      [250_000, 0.002],
    ] as const) {
      expect(await at(t)).toBeCloseTo(rate, 8);
    }
    expect(await compiled(inverseSquareRoot(0.02, 0))(4)).toBeCloseTo(0.01, 8);
  });

  test("the cosine rises to its peak, ends at its floor, and never rises again", async () => {
    const at = compiled(cosine(0.03, 10, 110));
    expect(await at(0)).toBeCloseTo(0.003, 8);
    expect(await at(9)).toBeCloseTo(0.03, 8);
    expect(await at(10)).toBeCloseTo(0.03, 8);
    expect(await at(60)).toBeCloseTo(0.03 * 0.55, 7);
    expect(await at(110)).toBeCloseTo(0.003, 8);
    expect(await at(1000)).toBeCloseTo(0.003, 8);
    for (let t = 1; t < 120; t++) {
      const [before, now] = [await at(t - 1), await at(t)];
      if (t < 10) expect(now).toBeGreaterThan(before);
      if (t > 10) expect(now).toBeLessThanOrEqual(before);
      const wave = 0.03 * (0.55 + 0.45 * Math.cos((Math.PI * Math.min(t - 10, 100)) / 100));
      if (t >= 10) expect(now).toBeCloseTo(wave, 7);
    }
  });

  test("the cosine's floor and lack of a warm-up are options", async () => {
    const at = compiled(cosine(1, 0, 50, 0));
    expect(await at(0)).toBeCloseTo(1, 6);
    expect(await at(50)).toBeCloseTo(0, 6);
  });
});
