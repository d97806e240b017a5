/** @file Recurrent cells, unrolled over a short sequence, against plain loops. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { leaves } from "../core/tree.ts";
import { jit } from "../engines/jit.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { random, scalar } from "../numpy/index.ts";
import { double, doubleEngine } from "../testing/double.ts";
import { derivativesDiffer } from "../testing/slopes.ts";
import { differs, drawn, inSingle, numbers, read } from "../testing/tensors.ts";
import { grad } from "../transforms/vjp.ts";
import { initialise } from "./param.ts";
import {
  type GruCell,
  gru,
  gruCell,
  gruCellParams,
  type LstmCell,
  lstm,
  lstmCell,
  lstmCellParams,
} from "./recurrent.ts";

const [BATCH, POS, EMBED, HIDDEN] = [2, 4, 3, 2];
const DOUBLE = { rtol: 1e-11, atol: 1e-12 };
const SINGLE = { rtol: 1e-4, atol: 1e-5 };
const engine = await createOnnxEngine();
const x = drawn(1, { batch: BATCH, pos: POS, embed: EMBED });
const start = drawn(2, { batch: BATCH, hidden: HIDDEN });
const steps = Array.from({ length: POS }, (_, i) => i);
const at = (y: Tensor, i: number) =>
  y.slice("pos", i, i + 1).reshape([BATCH, EMBED], "batch embed");
const sigma = (v: number) => 1 / (1 + Math.exp(-v));

/** Biases are drawn as well, so that none stays 0. */
const params = <T extends object>(specs: T, biases: Partial<Record<keyof T, Tensor>>) =>
  jit((key: Tensor) => ({ ...initialise(specs, key), ...biases }) as object, {
    engine: doubleEngine,
  })(random.key(3)) as Promise<{ readonly [K in keyof T]: Tensor }>;

describe("lstmCell", () => {
  const own = params(lstmCellParams(EMBED, HIDDEN), {
    bias: drawn(4, { gate: 4, hidden: HIDDEN }),
  });
  const unrolled = (p: LstmCell<Tensor>, y: Tensor) =>
    steps.reduce((state, i) => lstmCell(p, at(y, i), state), { hidden: start, cell: start });

  test("unrolled, it is what the loops compute", async () => {
    const p = await own;
    const [weight, bias] = [read(p.weight), read(p.bias)];
    const rows = (f: (b: number) => number[]) => Array.from({ length: BATCH }, (_, b) => f(b));
    let hidden = rows((b) => [read(start)(b, 0), read(start)(b, 1)]);
    let cell = hidden;
    for (const i of steps) {
      const inner = hidden.map((h, b) => {
        const joint = [...[0, 1, 2].map((e) => read(x)(b, i, e)), ...h];
        return (gate: number, j: number) =>
          joint.reduce((sum, v, k) => sum + v * weight(k, gate, j), bias(gate, j));
      });
      cell = cell.map((c, b) =>
        c.map(
          (v, j) =>
            sigma(inner[b]!(1, j)) * v + sigma(inner[b]!(0, j)) * Math.tanh(inner[b]!(2, j)),
        ),
      );
      hidden = cell.map((c, b) => c.map((v, j) => sigma(inner[b]!(3, j)) * Math.tanh(v)));
    }
    const y = await double(unrolled)(p, x);
    expect(y.hidden.names).toEqual(["batch", "hidden"]);
    expect(differs(y.hidden, hidden.flat(), DOUBLE)).toBeUndefined();
    expect(differs(y.cell, cell.flat(), DOUBLE)).toBeUndefined();
    const single = await jit(unrolled, { engine })(inSingle(p), x);
    expect(differs(single.hidden, hidden.flat(), SINGLE)).toBeUndefined();
  });

  test("its derivatives through time are slopes", async () => {
    const loss = (p: LstmCell<Tensor>) => unrolled(p, x).hidden.square().sum();
    expect(await derivativesDiffer(loss, await own)).toBeUndefined();
  });
});

describe("gruCell", () => {
  const own = params(gruCellParams(EMBED, HIDDEN), {
    inputBias: drawn(5, { gate: 3, hidden: HIDDEN }),
    stateBias: drawn(6, { gate: 3, hidden: HIDDEN }),
  });
  const unrolled = (p: GruCell<Tensor>, y: Tensor) =>
    steps.reduce((hidden, i) => gruCell(p, at(y, i), hidden), start);

  test("unrolled, it is what the loops compute", async () => {
    const p = await own;
    let hidden = Array.from({ length: BATCH }, (_, b) => [read(start)(b, 0), read(start)(b, 1)]);
    for (const i of steps) {
      hidden = hidden.map((h, b) =>
        h.map((v, j) => {
          const input = (gate: number) =>
            [0, 1, 2].reduce(
              (sum, e) => sum + read(x)(b, i, e) * read(p.input)(e, gate, j),
              read(p.inputBias)(gate, j),
            );
          const state = (gate: number) =>
            h.reduce(
              (sum, u, k) => sum + u * read(p.state)(k, gate, j),
              read(p.stateBias)(gate, j),
            );
          const reset = sigma(input(0) + state(0));
          const update = sigma(input(1) + state(1));
          return update * v + (1 - update) * Math.tanh(input(2) + reset * state(2));
        }),
      );
    }
    const y = await double(unrolled)(p, x);
    expect(y.names).toEqual(["batch", "hidden"]);
    expect(differs(y, hidden.flat(), DOUBLE)).toBeUndefined();
    expect(
      differs(await jit(unrolled, { engine })(inSingle(p), x), hidden.flat(), SINGLE),
    ).toBeUndefined();
  });

  test("its derivatives through time are slopes", async () => {
    const loss = (p: GruCell<Tensor>) => unrolled(p, x).square().sum();
    expect(await derivativesDiffer(loss, await own)).toBeUndefined();
  });
});

describe("lstm and gru over a sequence", () => {
  const lstmOwn = params(lstmCellParams(EMBED, HIDDEN), {
    bias: drawn(4, { gate: 4, hidden: HIDDEN }),
  });
  const gruOwn = params(gruCellParams(EMBED, HIDDEN), {
    inputBias: drawn(5, { gate: 3, hidden: HIDDEN }),
    stateBias: drawn(6, { gate: 3, hidden: HIDDEN }),
  });
  const timeFirst = (y: Tensor) => y.order("pos batch embed");
  const reversed = (list: readonly number[], reverse: boolean) =>
    reverse ? [...list].reverse() : list;

  test.each([false, true])("are the cells unrolled, from the end: %s", async (reverse) => {
    const order = reversed(steps, reverse);
    const zero = { hidden: start, cell: start };
    const looped = (p: LstmCell<Tensor>, q: GruCell<Tensor>, y: Tensor) => {
      const [hidden, last] = lstm(p, timeFirst(y), zero, { reverse });
      const [states, end] = gru(q, timeFirst(y), start, { reverse });
      return [hidden.sum("time"), last.cell, states.sum("time"), end] as const;
    };
    const unrolled = (p: LstmCell<Tensor>, q: GruCell<Tensor>, y: Tensor) => {
      let state = zero;
      let hidden = start;
      const sums = [start.mul(0), start.mul(0)] as [Tensor, Tensor];
      for (const i of order) {
        state = lstmCell(p, at(y, i), state);
        hidden = gruCell(q, at(y, i), hidden);
        sums[0] = sums[0].add(state.hidden);
        sums[1] = sums[1].add(hidden);
      }
      return [sums[0], state.cell, sums[1], hidden] as const;
    };
    const gradient = (f: typeof looped) => (p: LstmCell<Tensor>, q: GruCell<Tensor>, y: Tensor) => {
      const total = (tree: readonly [LstmCell<Tensor>, GruCell<Tensor>, Tensor]) =>
        f(...tree).reduce((sum, z) => sum.add(z.square().sum()), scalar(0));
      return grad(total)([p, q, y] as const);
    };
    const args = [await lstmOwn, await gruOwn, x] as const;
    for (const wrap of [<T>(f: T) => f, gradient] as const) {
      const [ours, plain] = await Promise.all(
        [looped, unrolled].map(async (f) =>
          leaves(await double(wrap(f) as typeof looped)(...args)),
        ),
      );
      ours?.forEach((y, i) => {
        expect(differs(y, numbers(plain?.[i] as Tensor), DOUBLE)).toBeUndefined();
      });
    }
  });
});
