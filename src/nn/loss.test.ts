/** @file The loss of a language model against plain loops. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { doubleEngine } from "../testing/double.ts";
import { differs, drawn, drawnIds, filled, indices, read } from "../testing/tensors.ts";
import { grad } from "../transforms/vjp.ts";
import { tokenLoss } from "./loss.ts";

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
