/** @file Adafactor against its formulas in plain loops. */

import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { referenceEngine } from "../engines/reference/reference.ts";
import { scalar } from "../numpy/index.ts";
import { doubleEngine } from "../testing/double.ts";
import { differs, drawn, numbers, read } from "../testing/tensors.ts";
import { type AdafactorState, adafactor } from "./adafactor.ts";

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
    const init = jit((p: Tensor) => ({ ...optimizer.init(p, "w") }), { engine: doubleEngine });
    const update = jit(
      (p: Tensor, g: Tensor, s: AdafactorState, step: Tensor, rate: Tensor) =>
        optimizer.update(p, g, s, { path: "w", step, rate }),
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
    const init = jit((p: Tensor) => ({ ...optimizer.init(p, "w") }), { engine: doubleEngine });
    const state = (await init(start)) as AdafactorState;
    expect([`${state.row}`, `${state.column}`].sort()).toEqual([
      "float32[expert 2, embed 4]",
      "float32[expert 2, mlp 6]",
    ]);
    const gradient = gradientAt(sizes, 3);
    const update = jit(
      (p: Tensor, g: Tensor, s: AdafactorState) =>
        optimizer.update(p, g, s, { path: "w", step: scalar(0), rate: scalar(1) }).param,
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
      const at = { path: "w", step: scalar(0), rate: scalar(0.01) };
      return optimizer.update(p, zero, optimizer.init(p, "w"), at).param;
    };
    const start = drawn(1, { embed: 3, mlp: 4 });
    expect(numbers(await jit(f, { engine: referenceEngine })(start))).toEqual(numbers(start));
  });
});
