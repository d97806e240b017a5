/** @file Batching over a real model on the onnx engine: what holds bit for bit, and texts in any mix. */

import { beforeAll, describe, expect, test } from "vitest";
import { stored, type Tensor } from "../../src/core/tensor.ts";
import { leaves, mapTree } from "../../src/core/tree.ts";
import { drawBelow } from "../../src/data/permutation.ts";
import { byteTokenizer } from "../../src/data/tokenizer.ts";
import { jit } from "../../src/engines/jit.ts";
import { type Answer, readAnswer } from "../../src/generate/answer.ts";
import { copyRow } from "../../src/generate/cache.ts";
import { type Decoder, decoderPrograms } from "../../src/generate/decoder.ts";
import { GenerationEngine } from "../../src/generate/engine.ts";
import type { GenerationRequest } from "../../src/generate/request.ts";
import { PLAIN } from "../../src/generate/sampling/options.ts";
import * as random from "../../src/numpy/random.ts";
import { openPreset } from "../../src/train/families.ts";

let decoder: Decoder;

beforeAll(async () => {
  const model = await openPreset("glam-pico");
  const { params, extra } = await jit((key: random.Key) => model.initial(key))(random.key(1));
  // Larger weights make texts lively, and thresholds send each token to other experts.
  const scaled = (tree: object, f: (x: number) => number) =>
    mapTree(tree, (leaf: Tensor) => stored(leaf.aval, Float32Array.from(leaf.numbers(), f)));
  decoder = decoderPrograms(model).with({
    params: scaled(params as object, (x) => 1.7 * x),
    extra: scaled(extra as object, () => 0.26),
  });
});

const PROMPT = Int32Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % 256);

/** The cache of a row after the prompt, and the logits after its last token. */
async function read(places: number, pieces: readonly number[]) {
  let cache = await decoder.start(1, places);
  let logits = new Float32Array(0);
  let at = 0;
  for (const size of pieces) {
    const result = await decoder.forward(cache, PROMPT.slice(at, at + size), Int32Array.of(at));
    cache = result.cache;
    logits = result.logits.slice(-decoder.vocab);
    at += size;
  }
  return { cache, logits };
}

/** Logits of one row of a batch whose other rows hold and say something else, over some steps. */
async function written(rows: number, places: number, row: number, others: number) {
  const { cache: from } = await read(places, [32, 8]);
  let cache = await decoder.start(rows, places);
  for (const leaf of leaves(cache.state)) {
    const data = leaf.data() as Float32Array;
    for (let i = 0; i < data.length; i++) data[i] = Math.sin(i * others);
  }
  copyRow(decoder.layout, { cache: from, row: 0 }, { cache, row }, PROMPT.length);
  const found: Float32Array[] = [];
  for (let step = 0; step < 6; step++) {
    const ids = Int32Array.from({ length: rows }, (_, r) =>
      r === row ? (step * 53 + 7) % 256 : drawBelow(256, others, r, step),
    );
    const at = Int32Array.from({ length: rows }, (_, r) =>
      r === row ? PROMPT.length + step : (r * 13 + step) % places,
    );
    const result = await decoder.forward(cache, ids, at);
    cache = result.cache;
    found.push(result.logits.slice(row * decoder.vocab, (row + 1) * decoder.vocab));
  }
  return found;
}

describe("a row's logits are the same, bit for bit,", () => {
  test("whatever the pieces of eight or more in which its prompt is read, and the length of its cache", async () => {
    const { logits } = await read(128, [32, 8]);
    for (const [places, pieces] of [
      [128, [40]],
      [128, [8, 8, 8, 8, 8]],
      [256, [32, 8]],
      [1024, [24, 16]],
    ] as const)
      expect((await read(places, pieces)).logits).toEqual(logits);
  });

  test("in any batch of two rows or more, at any place, beside anything", async () => {
    const alone = await written(2, 128, 0, 0);
    for (const [rows, places, row, others] of [
      [2, 128, 1, 3],
      [4, 128, 2, 5],
      [8, 256, 7, 2],
      [16, 128, 11, 9],
      [32, 512, 30, 4],
    ] as const)
      expect(await written(rows, places, row, others)).toEqual(alone);
  });
});

function drawn(seed: number): GenerationRequest {
  const draw = (below: number, what: number) => drawBelow(below, seed, what);
  const length = 1 + draw(draw(3, 0) === 0 ? 150 : 20, 1);
  return {
    prompt: Int32Array.from({ length }, (_, i) => draw(256, 100 + (draw(2, 2) === 0 ? i : i % 3))),
    maxTokens: 1 + draw(30, 3),
    sampling: { ...PLAIN, temperature: draw(3, 4) / 2, topK: draw(2, 5) * 20, seed: draw(99, 6) },
    stop: draw(3, 7) === 0 ? ["e", "\n"] : [],
    stopTokens: [],
    logProbabilities: undefined,
    promptLogProbabilities: false,
  };
}

test("any mix of requests gives each the text that it gets alone", async () => {
  const requests = Array.from({ length: 40 }, (_, i) => drawn(i));
  const alone: string[] = [];
  for (const request of requests) {
    const engine = new GenerationEngine(decoder, byteTokenizer, { slots: 1, prefixBytes: 0 });
    alone.push((await readAnswer(engine.submit(request))).text);
  }
  for (const slots of [3, 16]) {
    const engine = new GenerationEngine(decoder, byteTokenizer, { slots });
    const answers = requests.map((request) => engine.submit(request));
    const given = await Promise.all(
      answers.map((answer, i) => (i % 5 === 4 ? leave(answer) : readAnswer(answer))),
    );
    given.forEach((piece, i) => {
      if (i % 5 !== 4) expect(piece.text).toBe(alone[i]);
      else expect(alone[i]?.startsWith(piece.text)).toBe(true);
    });
    await engine.idle();
  }
});

test("the event loop goes on while a step is computed", async () => {
  const cache = await decoder.start(16, 128);
  const ids = new Int32Array(16 * 64);
  const warm = await decoder.forward(cache, ids, new Int32Array(16));
  let turns = 0;
  let done = false;
  const turn = (): void => {
    turns++;
    if (!done) setImmediate(turn);
  };
  setImmediate(turn);
  await decoder.forward(warm.cache, ids, new Int32Array(16));
  done = true;
  // A call that blocks would be over before the first turn.
  expect(turns).toBeGreaterThan(0);
});

/** Reads the first piece and goes. */
async function leave(answer: Answer) {
  for await (const piece of answer) return piece;
  return { text: "", tokens: [] };
}
