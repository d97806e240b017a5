/** @file Embedding, norm and dense feed-forward against plain loops. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { doubleEngine } from "../testing/double.ts";
import { differs, drawn, filled, indices, numbers, read } from "../testing/tensors.ts";
import { embed, unembed } from "./embedding.ts";
import { feedForward, gatedFeedForward } from "./feed-forward.ts";
import { rmsNorm } from "./norm.ts";

const CLOSE = { rtol: 1e-11, atol: 1e-12 };
const x = drawn(1, { batch: 2, pos: 3, embed: 5 });
const row = (b: number, i: number) => [0, 1, 2, 3, 4].map((e) => read(x)(b, i, e));
const rows = indices(2, 3).map(([b, i]) => row(b!, i!));
const gelu = (v: number) =>
  0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));

/** A row times a matrix. */
const times = (v: readonly number[], m: Tensor) =>
  Array.from({ length: m.dims[1]! }, (_, j) => v.reduce((sum, a, i) => sum + a * read(m)(i, j), 0));

describe("the embedding table", () => {
  const table = drawn(2, { vocab: 7, embed: 5 });

  test("gives rows by id, the nearest one out of range", async () => {
    const ids = filled({ batch: 1, pos: 4 }, (i) => [6, 0, 9, -2][i]!, "int32");
    const y = await jit(embed, { engine: doubleEngine })(table, ids);
    const list = numbers(table);
    expect(numbers(y)).toEqual([6, 0, 6, 0].flatMap((id) => list.slice(5 * id, 5 * id + 5)));
  });

  test("gives logits scaled by embed^(−1/2)", async () => {
    const y = await jit(unembed, { engine: doubleEngine })(table, x);
    const expected = rows.flatMap((v) =>
      Array.from({ length: 7 }, (_, t) =>
        v.reduce((sum, a, e) => sum + (a / Math.sqrt(5)) * read(table)(t, e), 0),
      ),
    );
    expect(y.names).toEqual(["batch", "pos", "vocab"]);
    expect(differs(y, expected, CLOSE)).toBeUndefined();
  });
});

test("the norm divides by the root mean square", async () => {
  const scale = drawn(3, { embed: 5 });
  const tiny = filled({ batch: 2, pos: 3, embed: 5 }, (i) => 1e-3 * numbers(x)[i]!);
  for (const input of [x, tiny]) {
    const y = await jit((s: Tensor, z: Tensor) => rmsNorm(s, z), { engine: doubleEngine })(
      scale,
      input,
    );
    const list = numbers(input);
    const expected = list.map((v, i) => {
      const own = list.slice(i - (i % 5), i - (i % 5) + 5);
      const mean = own.reduce((sum, a) => sum + a * a, 0) / 5;
      return (v / Math.sqrt(mean + 1e-6)) * numbers(scale)[i % 5]!;
    });
    expect(differs(y, expected, CLOSE)).toBeUndefined();
  }
});

describe("feed-forward", () => {
  const gate = drawn(4, { embed: 5, mlp: 6 });
  const wi = drawn(5, { embed: 5, mlp: 6 });
  const wo = drawn(6, { mlp: 6, embed: 5 });

  test("gated: (gelu(x·gate) ⊙ x·wi) · wo", async () => {
    const y = await jit(gatedFeedForward, { engine: doubleEngine })({ gate, wi, wo }, x);
    const expected = rows.flatMap((v) => {
      const hidden = times(v, wi);
      return times(
        times(v, gate).map((g, m) => gelu(g) * hidden[m]!),
        wo,
      );
    });
    expect(differs(y, expected, CLOSE)).toBeUndefined();
  });

  test("plain: gelu(x·wi) · wo", async () => {
    const y = await jit(feedForward, { engine: doubleEngine })({ wi, wo }, x);
    const expected = rows.flatMap((v) => times(times(v, wi).map(gelu), wo));
    expect(differs(y, expected, CLOSE)).toBeUndefined();
  });
});
