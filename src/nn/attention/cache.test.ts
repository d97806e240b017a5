/** @file Decoding with a cache, in pieces of any size, is attention on the whole, for every kind of layer. */

import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../../core/tensor.ts";
import type { Engine } from "../../engines/engine.ts";
import { jit } from "../../engines/jit.ts";
import { createOnnxEngine } from "../../engines/onnx/onnx.ts";
import { double, doubleEngine } from "../../testing/double.ts";
import {
  differs,
  doubles,
  drawn,
  drawnTree,
  filled,
  inSingle,
  read,
} from "../../testing/tensors.ts";
import { abstractParams } from "../param.ts";
import { type AttentionCache, cachedAttention, emptyCache } from "./cache.ts";
import { type Attention, type AttentionConfig, attentionParams } from "./config.ts";
import { causalAttention } from "./whole.ts";

const DOUBLE = { rtol: 1e-10, atol: 1e-11 };
// Positions of rotary layers are angles in float32.
const ANGLES = { rtol: 1e-5, atol: 1e-6 };
const SINGLE = { rtol: 1e-4, atol: 1e-5 };
const [BATCH, LENGTH, EMBED] = [2, 7, 6];
const BASE = { embed: EMBED, head: 4, dim: 8 } as const;
const LLAMA3 = {
  kind: "llama3",
  factor: 8,
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalLength: 16,
} as const;

const CONFIGS: Readonly<Record<string, AttentionConfig>> = {
  plain: BASE,
  "relative bias": { ...BASE, positions: "relative-bias" },
  "relative bias, grouped, an extra logit": {
    ...BASE,
    positions: "relative-bias",
    kvHead: 2,
    extraLogit: true,
    logitScale: 1,
  },
  alibi: { ...BASE, positions: "alibi" },
  "alibi, one head of keys": { ...BASE, positions: "alibi", kvHead: 1, extraLogit: true },
  rotary: { ...BASE, positions: { kind: "rotary" } },
  "rotary, grouped, biases and norms": {
    ...BASE,
    kvHead: 2,
    biases: "all",
    norms: true,
    positions: { kind: "rotary", theta: 500, fraction: 0.5, scaling: LLAMA3 },
  },
  "a sliding window": { ...BASE, window: 3, positions: { kind: "rotary" } },
  "a window of one": { ...BASE, window: 1, positions: "relative-bias" },
};

const paramsOf = (config: AttentionConfig) =>
  drawnTree(abstractParams(attentionParams(config)) as Attention<Tensor>, () => 0);

/** What each call takes: the first place of each row, and how many positions. Rows may go over places again. */
const PIECES: Readonly<Record<string, readonly (readonly [readonly number[], number])[]>> = {
  "all at once": [[[0, 0], LENGTH]],
  "one by one": Array.from({ length: LENGTH }, (_, i) => [[i, i], 1] as const),
  "in unequal pieces": [
    [[0, 0], 3],
    [[3, 3], 1],
    [[4, 4], 3],
  ],
  // The last piece of the first row hangs over the end of the cache.
  "rows at places of their own": [
    [[0, 0], 3],
    [[3, 1], 3],
    [[6, 4], 3],
  ],
};

describe.each(Object.entries(CONFIGS))("%s", (_name, config) => {
  const x = drawn(3, { batch: BATCH, pos: LENGTH, embed: EMBED });
  const step = (p: Attention<Tensor>, now: Tensor, cache: AttentionCache<Tensor>, at: Tensor) =>
    cachedAttention(p, now, cache, at, config);
  const tolerance = typeof config.positions === "object" ? ANGLES : DOUBLE;

  test.each(Object.entries(PIECES))("%s", async (_pieces, pieces) => {
    const p = paramsOf(config);
    const whole = await double((q: Attention<Tensor>, y: Tensor) => causalAttention(q, y, config))(
      p,
      x,
    );
    const [wanted, all] = [read(whole), read(x)];
    const mem = 8;
    const engine = doubleEngine;
    let cache = await jit(() => emptyCache(BATCH, mem, config), { engine })();
    const one = jit(step, { engine });
    for (const [at, pos] of pieces) {
      const inside = (b: number, i: number) => at[b]! + i < LENGTH;
      const now = filled({ batch: BATCH, pos, embed: EMBED }, (flat) => {
        const [b, i, e] = [
          Math.floor(flat / (pos * EMBED)),
          Math.floor(flat / EMBED) % pos,
          flat % EMBED,
        ];
        return inside(b, i) ? all(b, at[b]! + i, e) : 9;
      });
      const places = fromData("int32", [BATCH], Int32Array.from(at), "batch");
      const [y, grown] = await one(p, now, cache, places);
      cache = grown;
      const own: number[] = [];
      const expected: number[] = [];
      for (let b = 0; b < BATCH; b++)
        for (let i = 0; i < pos; i++)
          for (let e = 0; e < EMBED; e++)
            if (inside(b, i)) {
              own.push(read(y)(b, i, e));
              expected.push(wanted(b, at[b]! + i, e));
            }
      const line = doubles({ pos: own.length }, (i) => own[i]!);
      expect(differs(line, expected, tolerance)).toBeUndefined();
    }
  });

  test("the onnx engine computes the same", async () => {
    const p = inSingle(paramsOf(config));
    const engine = await createOnnxEngine();
    const run = (e: Engine) =>
      jit(
        (q: Attention<Tensor>, y: Tensor, at: Tensor) => {
          const first = y.slice("pos", 0, 4);
          const [, cache] = step(q, first, emptyCache(BATCH, 9, config), at);
          return step(q, y.slice("pos", 4, 5), cache, at.add(4))[0];
        },
        { engine: e },
      )(p, x, fromData("int32", [BATCH], Int32Array.of(0, 2), "batch"));
    const exact = await run(doubleEngine);
    expect(differs(await run(engine), [...exact.data()].map(Number), SINGLE)).toBeUndefined();
  });
});
