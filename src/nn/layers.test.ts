/** @file Embedding, norm and dense feed-forward against plain loops. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { random } from "../numpy/index.ts";
import { double, doubleEngine } from "../testing/double.ts";
import { differs, drawn, filled, indices, numbers, read } from "../testing/tensors.ts";
import { grad } from "../transforms/vjp.ts";
import { ACTIVATIONS, type ActivationName } from "./activations.ts";
import { dropout } from "./dropout.ts";
import {
  addPositions,
  embed,
  positionEmbeddingParam,
  sinusoidalPositions,
  unembed,
} from "./embedding.ts";
import {
  feedForward,
  feedForwardParams,
  gatedFeedForward,
  gatedFeedForwardParams,
} from "./feed-forward.ts";
import { linear, linearParams } from "./linear.ts";
import { batchNorm, batchNormInference, batchNormState, rmsNorm } from "./norm.ts";
import { initialise, listParams } from "./param.ts";

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

describe("activations by name", () => {
  /** At −1, 0 and 2; gelu of both kinds to as many digits as the approximation has. */
  const known: Readonly<Record<ActivationName, readonly number[]>> = {
    gelu: [-0.158_808_01, 0, 1.954_597_69],
    "gelu-erf": [-0.158_655_25, 0, 1.954_499_74],
    silu: [-0.268_941_42, 0, 1.761_594_16],
    relu: [0, 0, 2],
    "relu-squared": [0, 0, 4],
    sigmoid: [0.268_941_42, 0.5, 0.880_797_08],
    tanh: [-0.761_594_16, 0, 0.964_027_58],
    identity: [-1, 0, 2],
  };

  test.each(Object.entries(ACTIVATIONS))("%s", async (name, f) => {
    const y = await double((z: Tensor) => f(z))(filled({ pos: 3 }, (i) => [-1, 0, 2][i]!));
    const close = { rtol: 1e-7, atol: 1e-8 }; // the table has eight digits
    expect(differs(y, known[name as ActivationName], close)).toBeUndefined();
  });

  test("stand in feed-forward layers, with biases where they are declared", async () => {
    expect(Object.keys(feedForwardParams(5, 6, { biases: true }))).toEqual([
      "wi",
      "wo",
      "wiBias",
      "woBias",
    ]);
    expect(listParams(gatedFeedForwardParams(5, 6, { biases: true })).length).toBe(6);
    const p = {
      wi: drawn(5, { embed: 5, mlp: 6 }),
      wo: drawn(6, { mlp: 6, embed: 5 }),
      wiBias: drawn(7, { mlp: 6 }),
      woBias: drawn(8, { embed: 5 }),
    };
    const expected = rows.flatMap((v) => {
      const hidden = times(v, p.wi).map((h, m) => Math.max(0, h + numbers(p.wiBias)[m]!));
      return times(hidden, p.wo).map((o, e) => o + numbers(p.woBias)[e]!);
    });
    const plain = await double((z: Tensor) => feedForward(p, z, "relu"))(x);
    expect(differs(plain, expected, CLOSE)).toBeUndefined();
  });
});

describe("linear layers", () => {
  test("go between any axes, by name", async () => {
    const p = linearParams({ embed: 5 }, { head: 2, dim: 3 });
    expect([p.kernel.axes, p.bias?.axes]).toEqual(["embed head dim", "head dim"]);
    expect(linearParams({ head: 2, dim: 3 }, { embed: 5 }, { bias: false }).bias).toBeUndefined();
    const kernel = drawn(2, { embed: 5, head: 2, dim: 3 });
    const bias = drawn(3, { head: 2, dim: 3 });
    const y = await double((k: Tensor, b: Tensor, z: Tensor) => linear({ kernel: k, bias: b }, z))(
      kernel,
      bias,
      x,
    );
    expect(y.names).toEqual(["batch", "pos", "head", "dim"]);
    const expected = rows.flatMap((v) =>
      indices(2, 3).map(([h, d]) =>
        v.reduce((sum, a, e) => sum + a * read(kernel)(e, h!, d!), read(bias)(h!, d!)),
      ),
    );
    expect(differs(y, expected, CLOSE)).toBeUndefined();
    const wrong = drawn(4, { mlp: 5, embed2: 2 });
    await expect(double((k: Tensor) => linear({ kernel: k }, x))(wrong)).rejects.toThrow(
      "linear: x and the kernel share no axis.",
    );
  });
});

describe("dropout", () => {
  const many = filled({ batch: 50, pos: 100 }, () => 1);
  const run = (rate: number, seed: number) =>
    jit((z: Tensor, key: Tensor) => dropout(z, { rate, key }))(many, random.key(seed));

  test("leaves a share of 1 − rate, larger by as much", async () => {
    const y = numbers(await run(0.2, 1));
    const kept = y.filter((v) => v !== 0);
    expect(new Set(kept)).toEqual(new Set([1 / 0.8]));
    // Four standard deviations of 5,000 draws.
    expect(Math.abs(kept.length / y.length - 0.8)).toBeLessThan(4 * Math.sqrt(0.16 / y.length));
    expect(numbers(await run(0.2, 1))).toEqual(y);
    expect(numbers(await run(0.2, 2))).not.toEqual(y);
  });

  test("is off without a key, and names a rate that is none", async () => {
    expect(dropout(many)).toBe(many);
    await expect(run(1, 1)).rejects.toThrow("dropout: rate 1 is not in [0, 1)");
  });

  test("lets gradients through where numbers stay, by the same factor", async () => {
    const slope = await jit((z: Tensor, key: Tensor) =>
      grad((a: Tensor) => dropout(a, { rate: 0.5, key }).sum())(z),
    )(many, random.key(3));
    const y = await run(0.5, 3);
    expect(numbers(slope)).toEqual(numbers(y));
  });
});

describe("positions that are added", () => {
  test("are rows of a table, the last one beyond it", async () => {
    expect(positionEmbeddingParam(4, 5).axes).toBe("pos embed");
    const table = drawn(2, { pos: 4, embed: 5 });
    const at = filled({ batch: 2, pos: 3 }, (i) => [0, 1, 2, 3, 9, 0][i]!, "int32");
    const given = await double((t: Tensor, z: Tensor, i: Tensor) => addPositions(t, z, i))(
      table,
      x,
      at,
    );
    const along = await double((t: Tensor, z: Tensor) => addPositions(t, z))(table, x);
    const sum = (place: (b: number, i: number) => number) =>
      indices(2, 3, 5).map(([b, i, e]) => read(x)(b!, i!, e!) + read(table)(place(b!, i!), e!));
    const rowsOf = [
      [0, 1, 2],
      [3, 3, 0],
    ];
    expect(
      differs(
        given,
        sum((b, i) => rowsOf[b]![i]!),
        CLOSE,
      ),
    ).toBeUndefined();
    expect(
      differs(
        along,
        sum((_b, i) => i),
        CLOSE,
      ),
    ).toBeUndefined();
  });

  test("or waves, a sine and a cosine of each length", async () => {
    const at = filled({ batch: 1, pos: 4 }, (i) => [0, 1, 7, 900][i]!, "int32");
    const y = await double((i: Tensor) => sinusoidalPositions(i, 6))(at);
    expect(y.names).toEqual(["batch", "pos", "embed"]);
    const expected = [0, 1, 7, 900].flatMap((place) =>
      [0, 1, 2].flatMap((k) => {
        const angle = place / 10_000 ** ((2 * k) / 6);
        return [Math.sin(angle), Math.cos(angle)];
      }),
    );
    // The speeds are constants of single precision, and the place is 900.
    expect(differs(y, expected, { rtol: 0, atol: 1e-4 })).toBeUndefined();
  });
});

test("batch norm learns what it then uses", async () => {
  const state = await jit(() => initialise(batchNormState(3), random.key(0)))();
  const p = { scale: filled({ channel: 3 }, () => 1), bias: filled({ channel: 3 }, () => 0) };
  // Channels of mean 1, 2, 3 and variance 4.
  const batch = (seed: number) => {
    const noise = numbers(drawn(seed, { n: 64 * 3 }, Math.sqrt(12)));
    return filled({ batch: 64, channel: 3 }, (i) => (i % 3) + 1 + noise[i]!);
  };
  const step = jit((z: Tensor, s: typeof state) => batchNorm(p, z, s));
  let now = state;
  for (let t = 0; t < 60; t++) now = (await step(batch(t + 10), now))[1];
  // Means of about ten batches of 64: a standard deviation of 0.1.
  [1, 2, 3].forEach((mean, c) => {
    expect(Math.abs(numbers(now.mean)[c]! - mean)).toBeLessThan(0.4);
    expect(Math.abs(numbers(now.variance)[c]! - 4)).toBeLessThan(1);
  });
  const used = await double((z: Tensor, s: typeof state) => batchNormInference(p, z, s))(
    batch(1),
    now,
  );
  const [first] = numbers(used);
  const [value] = numbers(batch(1));
  const scale = Math.sqrt(numbers(now.variance)[0]! + 1e-5);
  expect(first).toBeCloseTo((value! - numbers(now.mean)[0]!) / scale, 9);
});
