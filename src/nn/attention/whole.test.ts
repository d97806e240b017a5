/** @file Laws of attention on whole sequences: who sees whom, bit for bit; and what dropout leaves. */

import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../../core/tensor.ts";
import { namedLeaves } from "../../core/tree.ts";
import { jit } from "../../engines/jit.ts";
import { createOnnxEngine } from "../../engines/onnx/onnx.ts";
import { referenceEngine } from "../../engines/reference/reference.ts";
import { random } from "../../numpy/index.ts";
import { double } from "../../testing/double.ts";
import {
  differs,
  drawn,
  drawnTree,
  filled,
  indices,
  inSingle,
  numbers,
  read,
} from "../../testing/tensors.ts";
import { grad } from "../../transforms/vjp.ts";
import { abstractParams } from "../param.ts";
import { type Attention, type AttentionConfig, attentionParams } from "./config.ts";
import { rotate } from "./rotary.ts";
import {
  type AttentionCall,
  attentionMemory,
  bidirectionalAttention,
  causalAttention,
  crossAttention,
} from "./whole.ts";

const CLOSE = { rtol: 1e-10, atol: 1e-11 };
const [BATCH, LENGTH, EMBED] = [2, 8, 6];
const BASE = { embed: EMBED, head: 2, dim: 4 } as const;
const x = drawn(3, { batch: BATCH, pos: LENGTH, embed: EMBED });
const engines = { reference: referenceEngine, onnx: await createOnnxEngine() };

const paramsOf = (config: AttentionConfig) =>
  inSingle(drawnTree(abstractParams(attentionParams(config)) as Attention<Tensor>, () => 0));

/** x with other numbers at the places where `changed` says so. */
const withChanges = (changed: (b: number, t: number) => boolean) => {
  const [fresh, old] = [numbers(drawn(9, { n: BATCH * LENGTH * EMBED }, 3)), numbers(x)];
  return filled({ batch: BATCH, pos: LENGTH, embed: EMBED }, (i) =>
    changed(Math.floor(i / (LENGTH * EMBED)), Math.floor(i / EMBED) % LENGTH) ? fresh[i]! : old[i]!,
  );
};

const KINDS: Readonly<Record<string, AttentionConfig>> = {
  plain: BASE,
  "relative bias": { ...BASE, positions: "relative-bias" },
  alibi: { ...BASE, positions: "alibi", extraLogit: true },
  rotary: { ...BASE, kvHead: 1, positions: { kind: "rotary" } },
  window: { ...BASE, window: 3 },
};

/** First row: documents of 3, 4 and a padding of 1; second row: one of 2 and one of 6. */
const SEGMENTS = fromData(
  "int32",
  [BATCH, LENGTH],
  Int32Array.of(0, 0, 0, 1, 1, 1, 1, -1, 0, 0, 1, 1, 1, 1, 1, 1),
  "batch pos",
);
const POSITIONS = fromData(
  "int32",
  [BATCH, LENGTH],
  Int32Array.of(0, 1, 2, 0, 1, 2, 3, 0, 0, 1, 0, 1, 2, 3, 4, 5),
  "batch pos",
);

describe.each(Object.entries(KINDS))("%s: packed documents", (_name, config) => {
  const p = paramsOf(config);
  const call = { segments: SEGMENTS, positions: POSITIONS };

  test.each(Object.entries(engines))(
    "see nothing of each other, bit for bit: %s",
    async (_e, engine) => {
      for (const attend of [causalAttention, bidirectionalAttention]) {
        const f = jit((q: Attention<Tensor>, y: Tensor) => attend(q, y, config, call), { engine });
        const [first, second] = [
          read(await f(p, x)),
          read(
            await f(
              p,
              withChanges((b, t) => read(SEGMENTS)(b, t) !== 1),
            ),
          ),
        ];
        for (const [b, t, e] of indices(BATCH, LENGTH, EMBED) as [number, number, number][]) {
          if (read(SEGMENTS)(b, t) === 1) expect(second(b, t, e)).toBe(first(b, t, e));
          else if (e === 0) expect(second(b, t, e)).not.toBe(first(b, t, e));
        }
      }
    },
  );

  test("are as if each stood alone", async () => {
    for (const attend of [causalAttention, bidirectionalAttention]) {
      const packed = await double((q: Attention<Tensor>, y: Tensor) => attend(q, y, config, call))(
        p,
        x,
      );
      const alone = await double((q: Attention<Tensor>, y: Tensor) =>
        attend(q, y.slice("pos", 2, 8), config),
      )(p, x);
      const [all, own] = [read(packed), read(alone)];
      const mine = filled({ n: 6 * EMBED }, (i) => all(1, 2 + Math.floor(i / EMBED), i % EMBED));
      const wanted = indices(6, EMBED).map(([t, e]) => own(1, t!, e!));
      expect(differs(mine, wanted, { rtol: 1e-6, atol: 1e-6 })).toBeUndefined(); // angles, and `filled`, are of single precision
    }
  });
});

test("a query sees the keys fewer than a window away, and no other", async () => {
  const p = paramsOf(BASE);
  const config = { ...BASE, window: 3 };
  for (const [attend, reach] of [
    [causalAttention, [0, 2]],
    [bidirectionalAttention, [-2, 2]],
  ] as const) {
    const f = jit((q: Attention<Tensor>, y: Tensor) => attend(q, y, config), {
      engine: referenceEngine,
    });
    const first = read(await f(p, x));
    for (let changed = 0; changed < LENGTH; changed++) {
      const second = read(
        await f(
          p,
          withChanges((_b, t) => t === changed),
        ),
      );
      for (let t = 0; t < LENGTH; t++) {
        const sees = t - changed >= reach[0] && t - changed <= reach[1];
        expect(second(0, t, 0) !== first(0, t, 0), `${t} sees ${changed}`).toBe(sees);
      }
    }
  }
});

test("masked keys count nothing, in both directions and across", async () => {
  const p = paramsOf(BASE);
  const there = [1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0];
  const mask = fromData("bool", [BATCH, LENGTH], Uint8Array.from(there), "batch mem");
  const padding = (b: number, t: number) => there[b * LENGTH + t] === 0;
  const across = double((q: Attention<Tensor>, y: Tensor, m: Tensor) =>
    crossAttention(q, y, m, BASE, { mask }),
  );
  const first = await across(p, x, x);
  expect(numbers(await across(p, x, withChanges(padding)))).toEqual(numbers(first));
  // A sequence on itself is one on another that is the same, and so are its keys and values made before.
  const self = await double((q: Attention<Tensor>, y: Tensor) =>
    bidirectionalAttention(q, y, BASE, { mask }),
  )(p, x);
  expect(differs(self, numbers(first), CLOSE)).toBeUndefined();
  const kept = await double((q: Attention<Tensor>, y: Tensor, m: Tensor) =>
    crossAttention(q, y, attentionMemory(q, m, BASE), BASE, { mask }),
  )(p, x, x);
  expect(numbers(kept)).toEqual(numbers(first));
});

test("an example that sees no key gives the output's bias, and no gradient that is not a number", async () => {
  const config: AttentionConfig = { ...BASE, biases: "all" };
  const p = paramsOf(config);
  const mask = fromData(
    "bool",
    [BATCH, LENGTH],
    Uint8Array.from({ length: 16 }, (_, i) => Number(i < 8)),
    "batch mem",
  );
  const y = await double((q: Attention<Tensor>, a: Tensor) =>
    crossAttention(q, a, a, config, { mask }),
  )(p, x);
  for (const [t, e] of indices(LENGTH, EMBED) as [number, number][])
    expect(read(y)(1, t, e)).toBeCloseTo(numbers(p.outputBias!)[e]!, 12);
});

test("rotary products depend on distances alone", async () => {
  const [q, k] = [
    drawn(1, { batch: 1, head: 1, pos: 1, dim: 6 }),
    drawn(2, { batch: 1, head: 1, pos: 1, dim: 6 }),
  ];
  const at = (place: number) => fromData("int32", [1, 1], Int32Array.of(place), "batch pos");
  const product = double((a: Tensor, b: Tensor, i: Tensor, j: Tensor) =>
    rotate(a, { kind: "rotary" }, i)
      .mul(rotate(b, { kind: "rotary" }, j))
      .sum(),
  );
  const near = (await product(q, k, at(7), at(4))).item();
  for (const shift of [1, 5, 93])
    expect((await product(q, k, at(7 + shift), at(4 + shift))).item()).toBeCloseTo(near, 4); // angles are of single precision
  expect(Math.abs((await product(q, k, at(7), at(5))).item() - near)).toBeGreaterThan(1e-3);
});

describe("dropout of the weights", () => {
  const p = paramsOf(BASE);
  const f = jit(
    (q: Attention<Tensor>, y: Tensor, key: Tensor) =>
      causalAttention(q, y, BASE, { dropout: { rate: 0.3, key } }),
    { engine: engines.onnx },
  );

  test("is drawn from the key, and gives the whole on average", async () => {
    const plain = read(
      await double((q: Attention<Tensor>, y: Tensor) => causalAttention(q, y, BASE))(p, x),
    );
    const [one, again, other] = [
      await f(p, x, random.key(1)),
      await f(p, x, random.key(1)),
      await f(p, x, random.key(2)),
    ];
    expect(numbers(one)).toEqual(numbers(again));
    expect(numbers(one)).not.toEqual(numbers(other));
    const many = 400;
    let sum = 0;
    let square = 0;
    for (let seed = 0; seed < many; seed++) {
      const value = read(await f(p, x, random.key(seed)))(1, 5, 2);
      sum += value;
      square += value ** 2;
    }
    const mean = sum / many;
    const spread = Math.sqrt((square / many - mean ** 2) / many);
    expect(Math.abs(mean - plain(1, 5, 2))).toBeLessThan(4 * spread);
  });

  test("of rate 0 is none", async () => {
    const call: AttentionCall = { dropout: { rate: 0, key: random.key(1) } };
    const run = (c: AttentionCall) =>
      double((q: Attention<Tensor>, y: Tensor) => causalAttention(q, y, BASE, c))(p, x);
    expect(numbers(await run(call))).toEqual(numbers(await run({})));
  });
});

test.each(Object.entries(KINDS))(
  "%s: weights that are computed again give the same slopes as kept ones",
  async (_name, config) => {
    const loss = (recompute: boolean) => (p: Attention<Tensor>, y: Tensor) =>
      causalAttention(p, y, config, { segments: SEGMENTS, recompute }).square().sum();
    const p = paramsOf(config);
    const [kept, again] = await Promise.all(
      [false, true].map((recompute) =>
        jit(grad(loss(recompute)), { engine: referenceEngine })(p, x),
      ),
    );
    const other = namedLeaves(again);
    namedLeaves(kept).forEach(({ path, leaf }, i) => {
      const found = other[i]?.leaf ?? leaf;
      expect(differs(found, numbers(leaf), { rtol: 1e-5, atol: 1e-6 }), path).toBeUndefined();
    });
  },
);

test("sizes that do not fit are named", () => {
  expect(() => attentionParams({ ...BASE, head: 6, kvHead: 4 })).toThrow(
    /kvHead 4 does not divide head 6/,
  );
  expect(() => attentionParams({ ...BASE, window: 0 })).toThrow(/window 0 is out of range/);
  expect(() => attentionParams({ ...BASE, dim: 5, positions: { kind: "rotary" } })).toThrow(
    /fraction 1 of dim 5 is 5; choose an even number/,
  );
});
