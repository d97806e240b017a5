/** @file Losses against plain loops. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { double, doubleEngine } from "../testing/double.ts";
import { derivativesDiffer } from "../testing/slopes.ts";
import { differs, drawn, drawnIds, filled, indices, numbers, read } from "../testing/tensors.ts";
import { grad } from "../transforms/vjp.ts";
import { binaryCrossEntropy, crossEntropy, focalLoss, huber, smoothL1, tokenLoss } from "./loss.ts";

const SIZES = { batch: 3, pos: 4, vocab: 5 } as const;
const logits = drawn(1, SIZES, 4);
const targets = drawnIds(2, { batch: 3, pos: 4 }, 5);
const losses = jit((x: Tensor, y: Tensor) => ({ ...tokenLoss(x, y) }), { engine: doubleEngine });

function rowsOf(x: Tensor): readonly number[][] {
  const at = read(x);
  return indices(3, 4).map(([b, i]) => Array.from({ length: 5 }, (_, v) => at(b!, i!, v)));
}

const partition = (row: readonly number[]) =>
  Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0));
const ids = indices(3, 4).map(([b, i]) => read(targets)(b!, i!));

describe("tokenLoss", () => {
  test("is the mean of log-partition minus chosen logit, and of the squared log-partition", async () => {
    const rows = rowsOf(logits);
    const { crossEntropy, zSquare } = await losses(logits, targets);
    const nats = rows.reduce((sum, row, i) => sum + partition(row) - row[ids[i]!]!, 0) / 12;
    expect(crossEntropy.item()).toBeCloseTo(nats, 12);
    const squares = rows.reduce((sum, row) => sum + partition(row) ** 2, 0) / 12;
    expect(zSquare.item()).toBeCloseTo(squares, 11);
  });

  test("of equal logits is log vocab", async () => {
    const { crossEntropy } = await losses(
      filled(SIZES, () => 0),
      targets,
    );
    expect(crossEntropy.item()).toBeCloseTo(Math.log(5), 12);
  });

  test("stays finite for huge logits, and moves with none of them alone", async () => {
    const { crossEntropy } = await losses(
      filled(SIZES, () => 5e4),
      targets,
    );
    expect(crossEntropy.item()).toBeCloseTo(Math.log(5), 10);
  });

  test("has softmax minus target as gradient", async () => {
    const slope = jit(
      grad((x: Tensor, y: Tensor) => tokenLoss(x, y).crossEntropy),
      {
        engine: doubleEngine,
      },
    );
    const expected = rowsOf(logits).flatMap((row, i) =>
      row.map((v, j) => (Math.exp(v - partition(row)) - (j === ids[i] ? 1 : 0)) / 12),
    );
    const actual = await slope(logits, targets);
    // 1/12 was folded in single precision.
    expect(differs(actual, expected, { rtol: 0, atol: 1e-8 })).toBeUndefined();
  });
});

describe("crossEntropy", () => {
  const close = { rtol: 1e-7, atol: 1e-9 }; // factors were folded in single precision
  const nats = rowsOf(logits).map((row, i) => partition(row) - row[ids[i]!]!);
  const mask = filled({ batch: 3, pos: 4 }, (i) => Number(i % 3 !== 0), "bool");
  const kept = nats.filter((_, i) => i % 3 !== 0);
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);

  test("per example, summed and averaged", async () => {
    const none = await double((x: Tensor) => crossEntropy(x, targets, { reduction: "none" }))(
      logits,
    );
    expect(none.names).toEqual(["batch", "pos"]);
    expect(differs(none, nats, close)).toBeUndefined();
    const summed = await double((x: Tensor) => crossEntropy(x, targets, { reduction: "sum" }))(
      logits,
    );
    expect(summed.item()).toBeCloseTo(sum(nats), 10);
    const mean = await double((x: Tensor) => crossEntropy(x, targets))(logits);
    expect(mean.item()).toBeCloseTo(sum(nats) / 12, 7);
  });

  test("of what the mask keeps, whatever stands elsewhere", async () => {
    const strange = filled({ batch: 3, pos: 4 }, (i) => (i % 3 === 0 ? -100 : ids[i]!), "int32");
    const broken = filled(SIZES, (i) => (Math.floor(i / 5) % 3 === 0 ? NaN : numbers(logits)[i]!));
    const f = (x: Tensor) => crossEntropy(x, strange, { mask });
    expect((await double(f)(broken)).item()).toBeCloseTo(sum(kept) / kept.length, 10);
    const slope = numbers(await double(grad(f))(logits));
    expect(slope.filter((v, i) => Math.floor(i / 5) % 3 === 0 && v !== 0)).toEqual([]);
  });

  test("of nothing is 0", async () => {
    const nothing = filled({ batch: 3, pos: 4 }, () => 0, "bool");
    const f = (x: Tensor) => crossEntropy(x, targets, { mask: nothing });
    expect((await double(f)(logits)).item()).toBe(0);
    expect(new Set(numbers(await double(grad(f))(logits)))).toEqual(new Set([0]));
  });

  test("with smoothing and z-loss, along any axis", async () => {
    const options = { smoothing: 0.25, zLoss: 0.5, reduction: "none" } as const;
    const expected = rowsOf(logits).map((row, i) => {
      const share = row.map((_, v) => 0.05 + (v === ids[i] ? 0.75 : 0));
      const cross = share.reduce((a, p, v) => a - p * (row[v]! - partition(row)), 0);
      return cross + 0.5 * partition(row) ** 2;
    });
    const last = await double((x: Tensor) => crossEntropy(x, targets, options))(logits);
    expect(differs(last, expected, close)).toBeUndefined();
    const first = (x: Tensor) =>
      crossEntropy(x.order("batch vocab pos"), targets, { ...options, axis: "vocab" });
    expect(differs(await double(first)(logits), expected, close)).toBeUndefined();
    expect(await derivativesDiffer((x: Tensor) => first(x).square().sum(), logits)).toBeUndefined();
  });

  test("refuses labels of another form, and smoothing of everything", async () => {
    const wrong = () => crossEntropy(logits, drawnIds(1, { batch: 3 }, 5));
    await expect(double(wrong).compile()).rejects.toThrow(
      "crossEntropy: labels must be int32 of the logits' form without the class axis.",
    );
    const all = () => crossEntropy(logits, targets, { smoothing: 1 });
    await expect(double(all).compile()).rejects.toThrow(
      "crossEntropy: smoothing 1 is not in [0, 1)",
    );
  });
});

describe("losses element by element", () => {
  const x = drawn(5, { batch: 12 }, 3);
  const y = drawn(6, { batch: 12 }, 3);
  const yes = filled({ batch: 12 }, (i) => Number(i % 3 === 0));
  const sigma = (v: number) => 1 / (1 + Math.exp(-v));
  type Loss = (a: Tensor, b: Tensor, o: { readonly reduction: "none" }) => Tensor;
  const CASES: readonly [string, Loss, Tensor, (a: number, b: number) => number][] = [
    [
      "binaryCrossEntropy",
      binaryCrossEntropy,
      filled({ batch: 12 }, (i) => i / 11),
      (s, t) => -t * Math.log(sigma(s)) - (1 - t) * Math.log(1 - sigma(s)),
    ],
    ["huber", (a, b, o) => huber(a, b, { ...o, delta: 0.5 }), y, (a, b) => huberOf(a - b, 0.5)],
    [
      "smoothL1",
      (a, b, o) => smoothL1(a, b, { ...o, beta: 2 }),
      y,
      (a, b) => huberOf(a - b, 2) / 2,
    ],
    [
      "smoothL1 of beta 0",
      (a, b, o) => smoothL1(a, b, { ...o, beta: 0 }),
      y,
      (a, b) => Math.abs(a - b),
    ],
    [
      "focalLoss",
      focalLoss,
      yes,
      (s, t) => {
        const right = t === 1 ? sigma(s) : 1 - sigma(s);
        return -(t === 1 ? 0.25 : 0.75) * (1 - right) ** 2 * Math.log(right);
      },
    ],
  ];

  function huberOf(difference: number, delta: number): number {
    const d = Math.abs(difference);
    return d <= delta ? (d * d) / 2 : delta * (d - delta / 2);
  }

  test.each([...CASES])("%s", async (_name, loss, target, formula) => {
    const f = (a: Tensor) => loss(a, target, { reduction: "none" });
    const expected = numbers(x).map((a, i) => formula(a, numbers(target)[i]!));
    expect(differs(await double(f)(x), expected, { rtol: 1e-7, atol: 1e-9 })).toBeUndefined(); // factors in single
    expect(await derivativesDiffer((a: Tensor) => f(a).square().sum(), x)).toBeUndefined();
  });

  test("huber bends at a difference of 0 as well", async () => {
    const f = (a: Tensor) => huber(a, x, { reduction: "sum" });
    const second = await double(grad((a: Tensor) => grad(f)(a).sum()))(x);
    expect(new Set(numbers(second))).toEqual(new Set([1]));
  });

  test("those of log-odds stay finite far out", async () => {
    const far = filled({ batch: 4 }, (i) => [-1e4, 1e4, -1e4, 1e4][i]!);
    const target = filled({ batch: 4 }, (i) => [0, 1, 1, 0][i]!);
    for (const [f, expected] of [
      [binaryCrossEntropy, [0, 0, 1e4, 1e4]],
      [focalLoss, [0, 0, 2500, 7500]],
    ] as const) {
      const each = (a: Tensor) => f(a, target, { reduction: "none" });
      expect(numbers(await double(each)(far))).toEqual(expected);
      const slope = numbers(await double(grad((a: Tensor) => each(a).sum()))(far));
      expect(slope.every(Number.isFinite)).toBe(true);
    }
  });
});
