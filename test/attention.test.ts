/** @file Attention against plain loops, with all its options, and its derivatives against slopes. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { type AttentionOptions, attention } from "../src/numpy/index.ts";
import { double } from "../src/testing/double.ts";
import { derivativesDiffer } from "../src/testing/slopes.ts";
import { differs, drawn, filled, indices, numbers, read } from "../src/testing/tensors.ts";
import { vmap } from "../src/transforms/vmap.ts";

const DOUBLE = { rtol: 1e-11, atol: 1e-12 };
const SINGLE = { rtol: 1e-4, atol: 1e-5 };
const engine = await createOnnxEngine();

interface Case {
  readonly name: string;
  readonly batch?: number;
  readonly head: number;
  readonly kvHead?: number;
  readonly query: number;
  readonly key: number;
  readonly dim?: number;
  readonly value?: number;
  readonly scale?: number;
  readonly causal?: boolean;
  readonly extraLogit?: boolean;
  /** Sizes over [batch, head, query, key], 1 where constant. */
  readonly mask?: readonly number[];
  readonly bias?: readonly number[];
  /** No key for this query of every head and batch. */
  readonly blind?: number;
}

const CASES: readonly Case[] = [
  { name: "plain", head: 2, query: 3, key: 4 },
  { name: "wider values, own scale", head: 1, query: 2, key: 3, dim: 2, value: 5, scale: 0.7 },
  { name: "causal", head: 2, query: 4, key: 4, causal: true },
  { name: "causal, few queries after many keys", head: 2, query: 2, key: 5, causal: true },
  { name: "causal, one query", head: 1, query: 1, key: 4, causal: true },
  { name: "causal, more queries than keys", head: 1, query: 5, key: 2, causal: true },
  { name: "grouped queries", head: 6, kvHead: 2, query: 3, key: 4, causal: true },
  { name: "one head of keys", head: 3, kvHead: 1, query: 2, key: 3, bias: [1, 3, 1, 3] },
  { name: "masked keys", head: 2, query: 3, key: 4, mask: [2, 1, 1, 4] },
  { name: "a mask of places", head: 2, query: 3, key: 4, mask: [1, 1, 3, 4], blind: 1 },
  { name: "a mask of rows", head: 1, query: 3, key: 2, mask: [1, 1, 3, 1], blind: 2 },
  { name: "biased", head: 2, query: 3, key: 4, bias: [1, 2, 3, 4] },
  { name: "biased by distance", head: 2, query: 3, key: 3, bias: [1, 1, 3, 3], causal: true },
  { name: "biased by head", head: 2, query: 3, key: 3, bias: [1, 2, 1, 3], causal: true },
  {
    name: "all at once",
    head: 4,
    kvHead: 2,
    query: 4,
    key: 5,
    causal: true,
    mask: [2, 1, 1, 5],
    bias: [1, 4, 4, 5],
  },
  {
    name: "a full bias and a full mask",
    head: 2,
    query: 2,
    key: 3,
    mask: [2, 2, 2, 3],
    bias: [2, 2, 2, 3],
  },
  { name: "an extra logit", head: 2, query: 3, key: 3, extraLogit: true, causal: true },
  {
    name: "an extra logit alone",
    head: 1,
    query: 2,
    key: 3,
    extraLogit: true,
    mask: [1, 1, 2, 1],
    blind: 0,
  },
];

interface Data {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly mask?: Tensor;
  readonly bias?: Tensor;
}

const AXES = ["batch", "head", "query", "key"] as const;
const sizes = (dims: readonly number[]) =>
  Object.fromEntries(AXES.map((axis, i) => [axis, dims[i] ?? 1]));
/** Without names, axes meet from the right and length 1 stretches. */
const unnamed = (x: Tensor) => x.reshape(x.dims);

function dataOf(c: Case): Data {
  const { batch = 2, head, kvHead = head, query, key, dim = 3, value = dim } = c;
  const blind = (i: number) => {
    const [, , queries = 1, keys = 1] = c.mask ?? [];
    return c.blind !== undefined && Math.floor(i / keys) % queries === c.blind;
  };
  return {
    q: drawn(1, { batch, head, query, dim }, 2),
    k: drawn(2, { batch, head: kvHead, key, dim }, 2),
    v: drawn(3, { batch, head: kvHead, key, dim: value }),
    ...(c.mask === undefined
      ? {}
      : { mask: filled(sizes(c.mask), (i) => (blind(i) ? 0 : Number((i * 7) % 3 !== 1)), "bool") }),
    ...(c.bias === undefined ? {} : { bias: drawn(4, sizes(c.bias)) }),
  };
}

function call(c: Case, { mask, bias, ...qkv }: Data): Tensor {
  const { scale, causal, extraLogit } = c;
  const options: AttentionOptions = {
    ...(scale === undefined ? {} : { scale }),
    ...(causal === undefined ? {} : { causal }),
    ...(extraLogit === undefined ? {} : { extraLogit }),
    ...(mask === undefined ? {} : { mask: unnamed(mask) }),
    ...(bias === undefined ? {} : { bias: unnamed(bias) }),
  };
  return attention(unnamed(qkv.q), unnamed(qkv.k), unnamed(qkv.v), options);
}

/** By loops over batch, head, query, key and dim. */
function oracle(c: Case, { q, k, v, mask, bias }: Data): number[] {
  const [batch, head, query, dim] = q.dims as [number, number, number, number];
  const [key, value] = [k.dims[2]!, v.dims[3]!];
  const [qAt, kAt, vAt] = [read(q), read(k), read(v)];
  const spread = (x: Tensor | undefined) =>
    x === undefined
      ? undefined
      : (...index: number[]) => read(x)(...index.map((i, axis) => (x.dims[axis] === 1 ? 0 : i)));
  const [maskAt, biasAt] = [spread(mask), spread(bias)];
  return indices(batch, head, query).flatMap(([b, h, i]) => {
    const own = Math.floor(h! / (head / k.dims[1]!));
    const weights = Array.from({ length: key }, (_, j) => {
      const late = c.causal === true && j > i! + key - query;
      if (late || maskAt?.(b!, h!, i!, j) === 0) return 0;
      let dot = 0;
      for (let d = 0; d < dim; d++) dot += qAt(b!, h!, i!, d) * kAt(b!, own, j, d);
      return Math.exp(dot * (c.scale ?? dim ** -0.5) + (biasAt?.(b!, h!, i!, j) ?? 0));
    });
    const total = weights.reduce((a, w) => a + w, c.extraLogit === true ? 1 : 0);
    return Array.from({ length: value }, (_, d) =>
      total === 0 ? 0 : weights.reduce((a, w, j) => a + w * vAt(b!, own, j, d), 0) / total,
    );
  });
}

describe.each([...CASES])("$name", (c) => {
  const data = dataOf(c);
  const f = (x: Data) => call(c, x);

  test("is what the loops compute", async () => {
    expect(differs(await double(f)(data), oracle(c, data), DOUBLE)).toBeUndefined();
    expect(differs(await jit(f, { engine })(data), oracle(c, data), SINGLE)).toBeUndefined();
  });

  const floats = ({ q, k, v, bias }: Data) => ({
    q,
    k,
    v,
    ...(bias === undefined ? {} : { bias }),
  });
  const loss = (x: ReturnType<typeof floats>) => {
    const y = f({ ...data, ...x });
    return y.mul(y).add(y).sum();
  };

  test("its first and second derivative are slopes", async () => {
    expect(await derivativesDiffer(loss, floats(data))).toBeUndefined();
  });
});

test("mapped over more examples, it is the loop", async () => {
  const c: Case = {
    name: "",
    head: 2,
    kvHead: 1,
    query: 3,
    key: 4,
    causal: true,
    mask: [2, 1, 1, 4],
  };
  const data = dataOf(c);
  const more = drawn(9, { more: 2, batch: 2, head: 2, query: 3, dim: 3 });
  const mapped = await double((q: Tensor) => vmap((x: Tensor) => call(c, { ...data, q: x }))(q))(
    more,
  );
  const half = numbers(more).length / 2;
  const rows = [0, 1].flatMap((i) => {
    const q = filled({ batch: 2, head: 2, query: 3, dim: 3 }, (j) => numbers(more)[i * half + j]!);
    return oracle(c, { ...data, q });
  });
  expect(differs(mapped, rows, DOUBLE)).toBeUndefined();
});

// 140 keys and 128 queries make blocks whose ends lie between their own queries and the last key.
test("in blocks it is the same as at once", async () => {
  const c: Case = {
    name: "",
    head: 2,
    kvHead: 1,
    batch: 1,
    query: 128,
    key: 140,
    dim: 2,
    causal: true,
    mask: [1, 1, 1, 140],
    bias: [1, 2, 128, 140],
  };
  const data = dataOf(c);
  const y = await jit((x: Data) => call(c, x), { engine })(data);
  expect(differs(y, oracle(c, data), SINGLE)).toBeUndefined();
});

describe("names", () => {
  const x = drawn(5, { batch: 2, head: 2, pos: 3, dim: 4 });
  const self = (y: Tensor) => attention(y, y, y, { causal: true });

  test("of a sequence on itself may be equal", async () => {
    const y = await double(self)(x);
    expect(y.aval).toEqual(x.aval);
    const c: Case = { name: "", head: 2, query: 3, key: 3, causal: true };
    const data = { q: x, k: x, v: x };
    expect(differs(y, oracle(c, data), DOUBLE)).toBeUndefined();
  });

  test("tell where a mask or bias belongs, in any order", async () => {
    const k = drawn(6, { batch: 2, head: 2, mem: 3, dim: 4 });
    const bias = drawn(7, { mem: 3, pos: 3 });
    const mask = filled({ mem: 3, batch: 2 }, (i) => Number(i !== 1), "bool");
    const y = await double((b: Tensor, m: Tensor) => attention(x, k, k, { bias: b, mask: m }))(
      bias,
      mask,
    );
    expect(y.names).toEqual(["batch", "head", "pos", "dim"]);
    const turned = {
      q: x,
      k,
      v: k,
      bias: filled({ batch: 1, head: 1, pos: 3, mem: 3 }, (i) =>
        read(bias)(i % 3, Math.floor(i / 3)),
      ),
      mask: filled(
        { batch: 2, head: 1, pos: 1, mem: 3 },
        (i) => read(mask)(i % 3, Math.floor(i / 3)),
        "bool",
      ),
    };
    expect(differs(y, oracle(CASES[0]!, turned), DOUBLE)).toBeUndefined();
  });
});

describe("refusals", () => {
  const q = drawn(1, { batch: 1, head: 3, query: 2, dim: 4 });
  const k = drawn(2, { batch: 1, head: 2, key: 5, dim: 4 });
  const refused = (f: () => Tensor) => jit(f, { engine }).compile();

  test("of heads that do not divide", async () => {
    await expect(refused(() => attention(q, k, k))).rejects.toThrow(
      "attention: queries, keys and values do not fit together.",
    );
  });

  test("of a mask that is no truth value, or does not fit", async () => {
    const own = drawn(3, { batch: 1, head: 1, key: 5, dim: 4 });
    const numbersNot = filled({ a: 2, b: 5 }, () => 1);
    await expect(refused(() => attention(q, own, own, { mask: numbersNot }))).rejects.toThrow(
      "attention: the mask must be bool, not float32[a 2, b 5]",
    );
    const wide = filled({ a: 4 }, () => 1, "bool");
    await expect(refused(() => attention(q, own, own, { mask: wide }))).rejects.toThrow(
      "attention: the mask does not broadcast to [batch…, head, query, key].",
    );
  });
});
