/** @file Stacks: scanned as written out, no longer when deeper, and step by step as the whole. */

import { describe, expect, test } from "vitest";
import { isProgram, type Program } from "../../core/program.ts";
import { fromData, type Tensor } from "../../core/tensor.ts";
import { leaves, namedLeaves } from "../../core/tree.ts";
import { jit } from "../../engines/jit.ts";
import { createOnnxEngine } from "../../engines/onnx/onnx.ts";
import { random } from "../../numpy/index.ts";
import { double } from "../../testing/double.ts";
import type { Tolerance } from "../../testing/matchers.ts";
import {
  differs,
  drawn,
  drawnTree,
  filled,
  inSingle,
  numbers,
  read,
} from "../../testing/tensors.ts";
import { valueAndGrad } from "../../transforms/vjp.ts";
import { abstractParams, initialise, listParams } from "../param.ts";
import { decoderStackStep, stackCache } from "./decoding.ts";
import {
  type EncoderDecoder,
  type EncoderDecoderConfig,
  encoderDecoder,
  encoderDecoderParams,
  encoderDecoderStep,
  startEncoderDecoder,
} from "./encoder-decoder.ts";
import { layered } from "./layers.ts";
import { decoderStack, encoderStack, type Stack, type StackConfig, stackParams } from "./stack.ts";

const CLOSE = { rtol: 1e-9, atol: 1e-10 };
// Positions of rotary layers are angles in float32.
const ANGLES = { rtol: 1e-5, atol: 1e-6 };
const SINGLE = { rtol: 1e-3, atol: 1e-4 };
const [BATCH, LENGTH, EMBED] = [2, 6, 6];
const BASE: StackConfig = {
  layers: 3,
  attention: { embed: EMBED, head: 2, dim: 4, positions: "relative-bias" },
  mlp: 5,
};

const CONFIGS: Readonly<Record<string, StackConfig>> = {
  plain: BASE,
  "T5's, one bias for all": { ...BASE, sharedBias: true, activation: "gelu" },
  "GPT-2's": {
    ...BASE,
    attention: { embed: EMBED, head: 2, dim: 3, biases: "all" },
    feedForward: "plain",
    biases: true,
    norm: "layer",
    epsilon: 1e-5,
  },
  "Llama's, grouped": {
    ...BASE,
    attention: { embed: EMBED, head: 4, dim: 4, kvHead: 2, positions: { kind: "rotary" } },
    activation: "silu",
  },
  "the first transformer's": {
    ...BASE,
    attention: { embed: EMBED, head: 2, dim: 3, positions: "alibi" },
    feedForward: "plain",
    activation: "relu",
    norm: "layer",
    normPlace: "after",
  },
  "side by side": { ...BASE, parallel: true },
};

const paramsOf = (config: StackConfig) =>
  drawnTree(abstractParams(stackParams(config)) as Stack<Tensor>, (path) =>
    /[nN]orm\/scale/.test(path) ? 1 : 0,
  );
const x = drawn(1, { batch: BATCH, pos: LENGTH, embed: EMBED });
const toleranceOf = ({ attention }: StackConfig) =>
  typeof attention.positions === "object" ? ANGLES : CLOSE;

/** Equations, those of inner programs among them. */
function sizeOfProgram(program: Program): number {
  const inside = (value: unknown): number => {
    if (isProgram(value)) return sizeOfProgram(value);
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return 0;
    return Object.values(value).reduce((sum: number, child) => sum + inside(child), 0);
  };
  return program.equations.reduce((sum, { params }) => sum + 1 + inside(params), 0);
}

/** Names of leaves that are not alike. */
function unlike(a: unknown, b: unknown, tolerance: Tolerance): readonly string[] {
  const other = leaves(b);
  return namedLeaves(a).flatMap(({ path, leaf }, i) =>
    differs(leaf, numbers(other[i]!), tolerance) === undefined ? [] : [path],
  );
}

describe.each(Object.entries(CONFIGS))("%s", (_name, config) => {
  const tolerance = toleranceOf(config);
  const lossOf = (how: Partial<StackConfig>, key?: Tensor) => (p: Stack<Tensor>, y: Tensor) =>
    decoderStack(p, y, { ...config, ...how }, key === undefined ? {} : { key })
      .square()
      .sum();
  const run = (how: Partial<StackConfig>, key?: Tensor) =>
    double((p: Stack<Tensor>, y: Tensor) => valueAndGrad(lossOf(how, key))(p, y))(
      paramsOf(config),
      x,
    );

  test("scanned, recomputed, or written out: the same values and gradients", async () => {
    const scanned = await run({});
    for (const how of [{ unroll: true }, { checkpoint: true }, { checkpoint: ["contract"] }])
      expect(unlike(await run(how), scanned, tolerance), JSON.stringify(how)).toEqual([]);
    const slopes = namedLeaves(scanned[1]);
    for (const { path, leaf } of slopes) {
      // A bias of keys moves all logits of a query alike.
      if (path.endsWith("keyBias")) continue;
      expect(Math.max(...numbers(leaf).map(Math.abs)), path).toBeGreaterThan(1e-9);
    }
  });

  test("with dropout as well, by the same key", async () => {
    const key = random.key(3);
    const scanned = await run({ dropout: 0.4 }, key);
    expect(unlike(await run({ dropout: 0.4, unroll: true }, key), scanned, tolerance)).toEqual([]);
    expect(unlike(await run({ dropout: 0.4, checkpoint: true }, key), scanned, tolerance)).toEqual(
      [],
    );
    expect(
      unlike(await run({ dropout: 0.4 }, random.key(4)), scanned, tolerance).length,
    ).toBeGreaterThan(0);
    // Without a key nothing is left out.
    expect(unlike(await run({ dropout: 0.4 }), await run({}), CLOSE)).toEqual([]);
  });

  test("the program is as long for 24 layers as for 2", () => {
    const size = (layers: number) => {
      const deep = { ...config, layers };
      const forms = abstractParams(stackParams(deep)) as Stack<Tensor>;
      const step = (p: Stack<Tensor>, y: Tensor) =>
        valueAndGrad((q: Stack<Tensor>) => decoderStack(q, y, deep).sum())(p);
      return sizeOfProgram(jit(step).lower(forms, x));
    };
    expect(size(24)).toBe(size(2));
  });

  test.each([[[6]], [[1, 1, 1, 1, 1, 1]], [[4, 2]]])(
    "in pieces of %j it is the whole",
    async (pieces) => {
      const p = paramsOf(config);
      const whole = read(
        await double((q: Stack<Tensor>, y: Tensor) => decoderStack(q, y, config))(p, x),
      );
      const all = (q: Stack<Tensor>, y: Tensor) => {
        let cache = stackCache(BATCH, 8, config);
        let from = 0;
        return pieces.map((length) => {
          const at = fromData("int32", [BATCH], Int32Array.of(from, from), "batch");
          const piece = y.slice("pos", from, from + length);
          const [answer, grown] = decoderStackStep(q, piece, cache, at, config);
          cache = grown;
          from += length;
          return answer;
        });
      };
      const answers = await double(all)(p, x);
      let from = 0;
      for (const answer of answers) {
        const first = from;
        const wanted = numbers(filled({ n: numbers(answer).length }, (i) => i)).map((i) => {
          const length = answer.size("pos");
          const [b, t] = [Math.floor(i / (length * EMBED)), Math.floor(i / EMBED) % length];
          return whole(b, first + t, i % EMBED);
        });
        expect(differs(answer, wanted, tolerance)).toBeUndefined();
        from += answer.size("pos");
      }
    },
  );

  test("an encoder's positions see later ones, a decoder's do not", async () => {
    const p = paramsOf(config);
    const later = filled({ batch: BATCH, pos: LENGTH, embed: EMBED }, (i) =>
      Math.floor(i / EMBED) % LENGTH === LENGTH - 1 ? 0.3 : numbers(x)[i]!,
    );
    for (const [stack, moves] of [
      [decoderStack, false],
      [encoderStack, true],
    ] as const) {
      const f = double((q: Stack<Tensor>, y: Tensor) => stack(q, y, config));
      const [before, after] = [read(await f(p, x)), read(await f(p, later))];
      expect(before(0, 0, 0) !== after(0, 0, 0)).toBe(moves);
    }
  });

  test("the onnx engine computes the same, gradients among it", async () => {
    const p = inSingle(paramsOf(config));
    const engine = await createOnnxEngine();
    const step = (q: Stack<Tensor>, y: Tensor) => valueAndGrad(lossOf({ checkpoint: true }))(q, y);
    const [exact, own] = [await double(step)(p, x), await jit(step, { engine })(p, x)];
    expect(unlike(own, exact, SINGLE)).toEqual([]);
  });
});

describe("an encoder with a decoder", () => {
  const config: EncoderDecoderConfig = {
    encoder: { ...BASE, layers: 2, sharedBias: true },
    decoder: {
      ...BASE,
      attention: { ...BASE.attention, kvHead: 1, extraLogit: true },
      sharedBias: true,
    },
  };
  const p = drawnTree(
    abstractParams(encoderDecoderParams(config)) as EncoderDecoder<Tensor>,
    (path) => (path.endsWith("scale") ? 1 : 0),
  );
  const source = drawn(5, { batch: BATCH, pos: 4, embed: EMBED });
  const sourceMask = fromData(
    "bool",
    [BATCH, 4],
    Uint8Array.of(1, 1, 1, 1, 1, 1, 0, 0),
    "batch mem",
  );
  const whole = double((q: EncoderDecoder<Tensor>, from: Tensor, y: Tensor) =>
    encoderDecoder(q, from, y, config, { sourceMask }),
  );

  test("step by step, with the source's keys made once, is the whole", async () => {
    const steps = (q: EncoderDecoder<Tensor>, from: Tensor, y: Tensor) => {
      let state = startEncoderDecoder(q, from, 8, config, { sourceMask });
      return Array.from({ length: LENGTH }, (_, i) => {
        const at = fromData("int32", [BATCH], Int32Array.of(i, i), "batch");
        const piece = y.slice("pos", i, i + 1);
        const [answer, next] = encoderDecoderStep(q, piece, state, at, config, { sourceMask });
        state = next;
        return answer;
      });
    };
    const wanted = read(await whole(p, source, x));
    const answers = await double(steps)(p, source, x);
    answers.forEach((answer, t) => {
      const expected = [0, 1].flatMap((b) =>
        Array.from({ length: EMBED }, (_, e) => wanted(b, t, e)),
      );
      expect(differs(answer, expected, CLOSE), `at ${t}`).toBeUndefined();
    });
  });

  test("sees the source, all of it and nothing of its padding", async () => {
    const changed = (b: number, t: number) =>
      filled({ batch: BATCH, pos: 4, embed: EMBED }, (i) =>
        Math.floor(i / (4 * EMBED)) === b && Math.floor(i / EMBED) % 4 === t
          ? 7
          : numbers(source)[i]!,
      );
    const before = await whole(p, source, x);
    const padded = await whole(p, changed(1, 3), x);
    expect([...padded.data()]).toEqual([...before.data()]);
    const seen = read(await whole(p, changed(0, 3), x));
    expect(seen(0, 0, 0)).not.toBe(read(before)(0, 0, 0));
    expect(seen(1, 0, 0)).toBe(read(before)(1, 0, 0));
  });
});

test("stacked declarations draw each layer by a key of its own, whatever the depth", async () => {
  const draw = async (layers: number) => {
    const specs = layered(stackParams({ ...BASE, layers: 1 }).finalNorm!, 1);
    expect(listParams(specs).map(({ spec }) => spec.axes)).toEqual(["layer embed"]);
    const stack = stackParams({ ...BASE, layers });
    return jit((key: Tensor) => initialise(stack, key))(random.key(7));
  };
  const [two, five] = [await draw(2), await draw(5)];
  expect(five.layers.attention.query.aval).toEqual({
    dtype: "float32",
    dims: [5, EMBED, 2, 4],
    names: ["layer", "embed", "head", "dim"],
  });
  const [short, long] = [two, five].map((p) => numbers(p.layers.attention.query)) as [
    number[],
    number[],
  ];
  const size = short.length / 2;
  expect(long.slice(0, 2 * size)).toEqual(short);
  expect(short.slice(0, size)).not.toEqual(short.slice(size));
});
