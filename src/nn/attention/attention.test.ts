/** @file Attention against plain loops, and sampling with a cache against attention on the whole sequence. */

import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../../core/tensor.ts";
import { jit } from "../../engines/jit.ts";
import { createOnnxEngine } from "../../engines/onnx/onnx.ts";
import { random } from "../../numpy/index.ts";
import { doubleEngine } from "../../testing/double.ts";
import { differs, drawn, filled, indices, inSingle, numbers, read } from "../../testing/tensors.ts";
import { grad } from "../../transforms/vjp.ts";
import { initialise } from "../param.ts";
import { type AttentionCache, cachedAttention } from "./cache.ts";
import { type Attention, type AttentionConfig, attentionParams } from "./config.ts";
import { bucketOf } from "./position-bias.ts";
import { causalAttention } from "./whole.ts";

const BASE = { embed: 6, head: 2, dim: 4 } as const;
const DOUBLE = { rtol: 1e-11, atol: 1e-12 };
const SINGLE = { rtol: 1e-4, atol: 1e-5 };

const engine = await createOnnxEngine();

const CONFIGS: readonly AttentionConfig[] = [
  { ...BASE, extraLogit: false, positions: "none", logitScale: 0.5 },
  { ...BASE, extraLogit: true, positions: "none", logitScale: 1 },
  { ...BASE, extraLogit: false, positions: "relative-bias", logitScale: 1 },
  { ...BASE, extraLogit: true, positions: "relative-bias", logitScale: 2 },
];

const params = (config: AttentionConfig) =>
  jit((key: Tensor) => initialise(attentionParams(config), key), { engine: doubleEngine })(
    random.key(7),
  ) as Promise<Attention<Tensor>>;

/** `[batch, pos, embed]` by loops over batch, head, query and key. */
function oracle(p: Attention<Tensor>, x: Tensor, config: AttentionConfig): number[] {
  const [batch, pos, embed] = x.dims as [number, number, number];
  const at = read(x);
  const [query, key, value, output] = [read(p.query), read(p.key), read(p.value), read(p.output)];
  const bias = p.bias === undefined ? () => 0 : read(p.bias);
  const places = indices(batch, pos, config.head, config.dim) as [number, number, number, number][];
  const project = (w: typeof query) => {
    const list = places.map(([b, i, h, d]) => {
      let sum = 0;
      for (let e = 0; e < embed; e++) sum += at(b, i, e) * w(e, h, d);
      return sum;
    });
    return (b: number, i: number, h: number, d: number) =>
      list[((b * pos + i) * config.head + h) * config.dim + d]!;
  };
  const [q, k, v] = [project(query), project(key), project(value)];
  const out: number[] = [];
  for (const [b, i] of indices(batch, pos) as [number, number][]) {
    const row = new Array<number>(embed).fill(0);
    for (let h = 0; h < config.head; h++) {
      const logits = Array.from({ length: i + 1 }, (_, j) => {
        let dot = 0;
        for (let d = 0; d < config.dim; d++) dot += q(b, i, h, d) * k(b, j, h, d);
        return dot * (config.logitScale ?? 1) + bias(h, bucketOf(i - j));
      });
      // p_j = exp s_j / (exp 0 + Σ exp s)
      const total =
        logits.reduce((sum, s) => sum + Math.exp(s), 0) + (config.extraLogit ? Math.exp(0) : 0);
      for (let d = 0; d < config.dim; d++) {
        let mixed = 0;
        logits.forEach((s, j) => {
          mixed += (Math.exp(s) / total) * v(b, j, h, d);
        });
        for (let e = 0; e < embed; e++) row[e]! += mixed * output(h, d, e);
      }
    }
    out.push(...row);
  }
  return out;
}

describe.each(
  CONFIGS.map((config) => ({
    config,
    name: `extra logit ${config.extraLogit}, positions ${config.positions}, scale ${config.logitScale}`,
  })),
)("$name", ({ config }) => {
  const whole = jit((p: Attention<Tensor>, x: Tensor) => causalAttention(p, x, config), {
    engine: doubleEngine,
  });
  const x = drawn(3, { batch: 2, pos: 5, embed: BASE.embed });

  test("is what the loops compute", async () => {
    const p = await params(config);
    const y = await whole(p, x);
    expect(y.aval).toEqual(x.aval);
    expect(differs(y, oracle(p, x, config), DOUBLE)).toBeUndefined();
  });

  test("no answer moves when a later position changes", async () => {
    const p = await params(config);
    const first = read(await whole(p, x));
    for (let cut = 1; cut < 5; cut++) {
      const fresh = numbers(drawn(100 + cut, { batch: 2, pos: 5, embed: BASE.embed }));
      const old = numbers(x);
      const changed = filled({ batch: 2, pos: 5, embed: BASE.embed }, (i) =>
        Math.floor(i / BASE.embed) % 5 >= cut ? fresh[i]! : old[i]!,
      );
      const second = read(await whole(p, changed));
      for (const [b, i, e] of indices(2, 5, BASE.embed) as [number, number, number][]) {
        if (i < cut) expect(second(b, i, e)).toBe(first(b, i, e));
        else expect(second(b, i, e)).not.toBe(first(b, i, e));
      }
    }
  });

  const step = (p: Attention<Tensor>, now: Tensor, cache: AttentionCache<Tensor>, at: Tensor) =>
    cachedAttention(p, now, cache, at, config);

  test("step by step with a cache, longer than needed, it is the whole", async () => {
    const p = await params(config);
    const expected = read(await whole(p, x));
    const one = jit(step, { engine: doubleEngine });
    const zeros = () => filled({ batch: 2, head: 2, mem: 8, dim: 4 }, () => 0);
    let cache: AttentionCache<Tensor> = { key: zeros(), value: zeros() };
    for (let at = 0; at < 5; at++) {
      const now = filled({ batch: 2, pos: 1, embed: BASE.embed }, (i) =>
        read(x)(Math.floor(i / BASE.embed), at, i % BASE.embed),
      );
      const [y, grown] = await one(
        p,
        now,
        cache,
        fromData("int32", [2], Int32Array.of(at, at), "batch"),
      );
      cache = grown;
      const wanted = indices(2, BASE.embed).map(([b, e]) => expected(b!, at, e!));
      expect(differs(y, wanted, DOUBLE), `at ${at}`).toBeUndefined();
    }
  });

  test("every parameter gets a gradient", async () => {
    const p = await params(config);
    const loss = (q: Attention<Tensor>) => causalAttention(q, x, config).square().sum();
    const slopes = await jit(grad(loss), { engine: doubleEngine })(p);
    for (const [name, slope] of Object.entries(slopes)) {
      expect(Math.max(...numbers(slope).map(Math.abs)), name).toBeGreaterThan(1e-6);
    }
  });
});

// 128 and 192 are computed in blocks, 130 does not divide into any.
test.each([128, 130, 192])("a sequence of %i places is computed alike", async (pos) => {
  const config: AttentionConfig = { ...CONFIGS[3]!, embed: 3, head: 2, dim: 2 };
  const p = await params(config);
  const x = drawn(8, { batch: 1, pos, embed: 3 });
  const attend = jit((q: Attention<Tensor>, y: Tensor) => causalAttention(q, y, config), {
    engine,
  });
  expect(differs(await attend(inSingle(p), x), oracle(p, x, config), SINGLE)).toBeUndefined();
});

test("the onnx engine computes the same", async () => {
  const config = CONFIGS[3]!;
  const p = await params(config);
  const single = inSingle(p);
  const x = drawn(4, { batch: 2, pos: 9, embed: BASE.embed });
  const attend = jit((q: Attention<Tensor>, y: Tensor) => causalAttention(q, y, config), {
    engine,
  });
  expect(differs(await attend(single, x), oracle(single, x, config), SINGLE)).toBeUndefined();
});
