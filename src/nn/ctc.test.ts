import { describe, expect, test } from "vitest";
import { sampleStream } from "../core/samples.ts";
import { fromData, type Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { double } from "../testing/double.ts";
import { differs, doubles, drawn, nudged, numbers } from "../testing/tensors.ts";
import { grad } from "../transforms/vjp.ts";
import { ctcLoss } from "./ctc.ts";

const CLASSES = 3;
const FRAMES = 4;

/** The loss by listing every path. */
function byEnumeration(logits: readonly (readonly number[])[], labels: readonly number[]): number {
  const logP = logits.map((row) => {
    const partition = Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0));
    return row.map((v) => v - partition);
  });
  let total = 0;
  for (let code = 0; code < CLASSES ** logits.length; code++) {
    const path = logits.map((_, t) => Math.floor(code / CLASSES ** t) % CLASSES);
    const merged = path.filter((k, t) => k !== path[t - 1]).filter((k) => k !== 0);
    if (merged.join() !== labels.join()) continue;
    total += Math.exp(path.reduce((sum, k, t) => sum + (logP[t]?.[k] ?? 0), 0));
  }
  return -Math.log(total);
}

const cases = [
  { labels: [1, 2], frames: 4 },
  { labels: [1, 1], frames: 4 },
  { labels: [2], frames: 3 },
  { labels: [], frames: 2 },
  { labels: [2, 1, 2], frames: 4 },
  { labels: [], frames: 0 },
] as const;
const next = sampleStream(3);
const values = cases.map(() =>
  Array.from({ length: FRAMES }, () => Array.from({ length: CLASSES }, () => 4 * next() - 2)),
);
const int = (rows: readonly (readonly number[])[], dims: readonly number[]) =>
  fromData("int32", dims, Int32Array.from(rows.flat()));
const padded = int(
  cases.map(({ labels }) => [...labels, 9, 9, 9].slice(0, 3)),
  [cases.length, 3],
);
const options = {
  frames: int([cases.map(({ frames }) => frames)], [cases.length]),
  lengths: int([cases.map(({ labels }) => labels.length)], [cases.length]),
};
const loss = (logits: Tensor) => ctcLoss(logits, padded, options);
const logits = doubles(
  { batch: cases.length, time: FRAMES, vocab: CLASSES },
  (i) => values.flat(2)[i] ?? 0,
);

describe("ctcLoss", () => {
  test("is the sum over all paths, for examples of all lengths in one batch", async () => {
    const expected = cases.map(({ labels, frames }, i) =>
      byEnumeration((values[i] ?? []).slice(0, frames), labels),
    );
    expect(
      differs(await double(loss)(logits), expected, { rtol: 1e-9, atol: 1e-9 }),
    ).toBeUndefined();
  });

  test("has the slope of the loss as its gradient, and none where frames do not count", async () => {
    const total = (x: Tensor) => loss(x).sum();
    const slope = numbers(await double((x: Tensor) => grad(total)(x))(logits));
    const at = async (x: Tensor) => (await double(total)(x)).item();
    for (const i of [0, 5, 13, 20, 31, 35, 50, 71]) {
      const step = 1e-4;
      const central =
        ((await at(nudged(logits, i, step))) - (await at(nudged(logits, i, -step)))) / (2 * step);
      expect(slope[i]).toBeCloseTo(central, 6);
    }
    expect(slope.slice(-FRAMES * CLASSES)).toEqual(Array(FRAMES * CLASSES).fill(0));
  });

  test("labels that do not fit cost infinity and send no gradient", async () => {
    const one = drawn(5, { batch: 1, time: 2, vocab: CLASSES });
    const tooLong = int([[1, 1]], [1, 2]); // needs a blank between: three frames
    const f = (x: Tensor) => ctcLoss(x, tooLong);
    expect((await jit(f)(one)).numbers()).toEqual([Number.POSITIVE_INFINITY]);
    const gradient = await jit((x: Tensor) => grad((y: Tensor) => f(y).sum())(x))(one);
    expect(gradient.numbers()).toEqual(Array(6).fill(0));
  });

  test("a long utterance in float32 stays near its value in float64", async () => {
    const long = drawn(9, { batch: 2, time: 200, vocab: 30 }, 8);
    const words = int(
      [Array.from({ length: 40 }, (_, i) => 1 + ((7 * i) % 29)), Array(40).fill(3)],
      [2, 40],
    );
    const f = (x: Tensor) => ctcLoss(x, words);
    const exact = numbers(await double(f)(long));
    expect(differs(await jit(f)(long), exact, { rtol: 2e-6, atol: 0 })).toBeUndefined();
  });

  test("says what does not fit", () => {
    const wrong = () => ctcLoss(logits, int([[1]], [1, 1]));
    expect(wrong).toThrow("ctcLoss: logits, labels and lengths do not fit together.");
  });
});
