/** @file Reductions over several axes and running values, against plain loops; their gradients, against slopes. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { double } from "../testing/double.ts";
import {
  differs,
  doubles,
  drawn,
  filled,
  indices,
  nudged,
  numbers,
  read,
} from "../testing/tensors.ts";
import { grad } from "../transforms/vjp.ts";
import * as np from "./index.ts";

const CLOSE = { rtol: 1e-10, atol: 1e-12 };
const SIZES = { batch: 2, pos: 3, embed: 4 } as const;
const WORDS = ["batch", "pos", "embed"] as const;

/** Elements of x along `axes`, for each index of the other axes. */
function groups(x: Tensor, axes: readonly string[]): number[][] {
  const at = read(x);
  const rest = WORDS.filter((word) => !axes.includes(word));
  return indices(...rest.map((word) => SIZES[word])).map((outer) =>
    indices(...axes.map((word) => x.size(word))).map((inner) =>
      at(...WORDS.map((word) => outer[rest.indexOf(word)] ?? inner[axes.indexOf(word)] ?? 0)),
    ),
  );
}

const total = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0);
const middle = (xs: readonly number[]) => total(xs) / xs.length;
const spreadOf = (xs: readonly number[], ddof: number) =>
  total(xs.map((x) => (x - middle(xs)) ** 2)) / (xs.length - ddof);

const REDUCTIONS: readonly [
  string,
  (x: Tensor, axes: np.Axes, keep?: np.Keep) => Tensor,
  (xs: readonly number[]) => number,
][] = [
  ["sum", np.sum, total],
  ["prod", np.prod, (xs) => xs.reduce((a, b) => a * b, 1)],
  ["max", np.max, (xs) => Math.max(...xs)],
  ["min", np.min, (xs) => Math.min(...xs)],
  ["mean", np.mean, middle],
  ["variance", np.variance, (xs) => spreadOf(xs, 0)],
  [
    "std",
    (x, axes, keep) => np.std(x, axes, { ddof: 1, ...keep }),
    (xs) => Math.sqrt(spreadOf(xs, 1)),
  ],
  ["logSumExp", np.logSumExp, (xs) => Math.log(total(xs.map(Math.exp)))],
  [
    "countNonzero",
    (x, axes, keep) => np.countNonzero(np.greater(x, 0), axes, keep),
    (xs) => xs.filter((x) => x > 0).length,
  ],
  [
    "any",
    (x, axes, keep) => np.any(np.greater(x, 0.8), axes, keep),
    (xs) => Number(xs.some((x) => x > 0.8)),
  ],
  [
    "all",
    (x, axes, keep) => np.all(np.less(x, 0.8), axes, keep),
    (xs) => Number(xs.every((x) => x < 0.8)),
  ],
];

/** Numbers as float32 has them, with doubles behind. */
const exact = (seed: number) => {
  const x = drawn(seed, SIZES);
  return nudged(x, 0, 0);
};

describe.each(REDUCTIONS)("%s", (_name, reduce, loop) => {
  test("over any axes is the loop over them", async () => {
    const axes = fc.shuffledSubarray([...WORDS], { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(axes, fc.nat(99), async (list, seed) => {
        const x = exact(seed);
        const y = await double((z: Tensor) => reduce(z, list))(x);
        expect(y.names).toEqual(WORDS.filter((word) => !list.includes(word)));
        expect(differs(y, groups(x, list).map(loop), CLOSE)).toBeUndefined();
      }),
      { seed: 1, numRuns: 12 },
    );
  });

  test("keeps axes of length 1 where asked", async () => {
    const x = exact(5);
    const y = await double((z: Tensor) => reduce(z, ["batch", "embed"], { keepDims: true }))(x);
    expect([y.dims, y.names]).toEqual([
      [1, 3, 1],
      [null, "pos", null],
    ]);
    expect(differs(y, groups(x, ["batch", "embed"]).map(loop), CLOSE)).toBeUndefined();
  });
});

describe("argmax and argmin", () => {
  test("over one axis, and over all", async () => {
    const x = exact(3);
    const rows = groups(x, ["embed"]);
    expect(numbers(await double((z: Tensor) => np.argmax(z, "embed"))(x))).toEqual(
      rows.map((row) => row.indexOf(Math.max(...row))),
    );
    const flat = numbers(x);
    const least = await double((z: Tensor) => np.argmin(z, undefined, { keepDims: true }))(x);
    expect([least.dims, numbers(least)]).toEqual([[1, 1, 1], [flat.indexOf(Math.min(...flat))]]);
  });
});

type Running = (x: Tensor, axis: string, run: np.Run) => Tensor;
const RUNS: readonly [string, Running, number, (a: number, b: number) => number][] = [
  ["cumsum", np.cumsum, 0, (a, b) => a + b],
  ["cumprod", np.cumprod, 1, (a, b) => a * b],
  ["cummax", np.cummax, -Infinity, Math.max],
  ["cummin", np.cummin, Infinity, Math.min],
  ["cumLogSumExp", np.cumLogSumExp, -Infinity, (a, b) => Math.log(Math.exp(a) + Math.exp(b))],
];

describe.each(RUNS)("%s", (_name, running, nothing, combine) => {
  const options = [false, true].flatMap((reverse) =>
    [false, true].map((exclusive) => ({ reverse, exclusive })),
  );

  test.each(options)("with %o is the loop", async (run) => {
    for (const length of [0, 1, 2, 5, 8]) {
      const x = doubles({ batch: 2, pos: length }, (i) => Math.sin(3 * i + 1));
      const y = await double((z: Tensor) => running(z, "pos", run))(x);
      const rows = [0, 1].flatMap((row) => {
        const line = numbers(x).slice(row * length, (row + 1) * length);
        if (run.reverse) line.reverse();
        let state = nothing;
        const out = line.map((value) => {
          const before = state;
          state = combine(state, value);
          return run.exclusive ? before : state;
        });
        return run.reverse ? out.reverse() : out;
      });
      expect(y.names).toEqual(["batch", "pos"]);
      expect(differs(y, rows, CLOSE)).toBeUndefined();
    }
  });

  test.each(options)("with %o has the slope for gradient", async (run) => {
    const x = doubles({ pos: 5 }, (i) => Math.sin(3 * i + 1));
    const weights = doubles({ pos: 5 }, (i) => 1 + i / 3);
    const finite = (y: Tensor) => np.where(np.isFiniteElement(y), y, 0);
    const loss = (z: Tensor, w: Tensor) =>
      finite(running(z, "pos", run))
        .mul(w)
        .sum();
    expect(await gradientError(loss, x, weights)).toBeLessThan(1e-7);
  });
});

/** The largest difference between the gradient and central differences. */
async function gradientError(
  loss: (x: Tensor, w: Tensor) => Tensor,
  x: Tensor,
  w: Tensor,
): Promise<number> {
  const slopes = numbers(await double(grad(loss))(x, w));
  const value = double(loss);
  const errors = await Promise.all(
    slopes.map(async (slope, i) => {
      const [up, down] = [await value(nudged(x, i, 1e-5), w), await value(nudged(x, i, -1e-5), w)];
      return Math.abs(slope - ((numbers(up)[0] ?? NaN) - (numbers(down)[0] ?? NaN)) / 2e-5);
    }),
  );
  return Math.max(...errors);
}

test("cumprod has the right gradient at zeros, one or two of them", async () => {
  for (const zeros of [[2], [1, 3]]) {
    const x = doubles({ pos: 5 }, (i) => (zeros.includes(i) ? 0 : i + 1));
    const w = doubles({ pos: 5 }, (i) => i - 1.5);
    const loss = (z: Tensor, v: Tensor) => np.cumprod(z, "pos").mul(v).sum();
    expect(await gradientError(loss, x, w)).toBeLessThan(1e-6);
  }
});

test("a run that starts with −∞ passes gradients on", async () => {
  const x = filled({ pos: 3 }, (i) => (i === 0 ? -Infinity : i));
  const slopes = await double(
    grad((z: Tensor) => np.cumLogSumExp(z, "pos").slice("pos", 2, 3).sum()),
  )(x);
  const share = 1 / (1 + Math.E);
  expect(differs(slopes, [0, share, 1 - share], CLOSE)).toBeUndefined();
});
