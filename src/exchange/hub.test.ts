/** @file Checkpoints that transformers wrote: our logits are its own, and what goes out again is what came in. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import type { DecoderState, LanguageModel, Weights } from "../train/model.ts";
import { decodeSafetensors } from "../train/safetensors.ts";
import { openHub } from "./read-hub.ts";

const RECORDED = fileURLToPath(new URL("../../test/recorded/hub/", import.meta.url));
const CASES = ["llama-gqa", "llama3-tied", "mistral-window", "qwen2"] as const;

async function expected(name: string) {
  const path = join(RECORDED, name, "expected.safetensors");
  const { tensors } = decodeSafetensors(await readFile(path), path);
  const of = (key: string) => tensors.find((tensor) => tensor.name === key);
  const [ids, logits] = [of("input_ids"), of("logits")];
  if (ids === undefined || logits === undefined) throw new Error(`${path} lacks a tensor`);
  return {
    ids: fromData("int32", ids.dims, ids.data as Int32Array, "batch pos"),
    logits: logits.data as Float32Array,
  };
}

/** Logits `[batch, pos, vocab]`, with the ids in pieces of these lengths. */
async function logitsOf(
  model: LanguageModel,
  weights: Weights,
  ids: Tensor,
  pieces: readonly number[],
): Promise<Float32Array> {
  const [batch = 0, length = 0] = ids.dims;
  const out = new Float32Array(batch * length * model.vocab);
  const decode = jit((w: Weights, cache: DecoderState, x: Tensor, at: Tensor) =>
    model.decode(w, cache, x, at),
  );
  let cache = await jit(() => model.startDecoding(batch, length))();
  let from = 0;
  for (const pos of pieces) {
    const piece = await jit((x: Tensor) => x.slice("pos", from, from + pos))(ids);
    const at = fromData("int32", [batch], new Int32Array(batch).fill(from), "batch");
    const [logits, next] = await decode(weights, cache, piece, at);
    const data = logits.data() as Float32Array;
    const row = pos * model.vocab;
    for (let b = 0; b < batch; b++) {
      out.set(data.subarray(b * row, (b + 1) * row), (b * length + from) * model.vocab);
    }
    cache = next;
    from += pos;
  }
  return out;
}

function largestError(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, x, i) => Math.max(worst, Math.abs(x - (b[i] ?? Number.NaN))), 0);
}

describe.each(CASES)("%s", (name) => {
  test("has the logits that transformers computed, whole and with a cache", async () => {
    const { model, ...folder } = await openHub(join(RECORDED, name));
    const weights = await folder.weights();
    const { ids, logits } = await expected(name);
    const whole = await logitsOf(model, weights, ids, [12]);

    expect(largestError(whole, logits)).toBeLessThan(1e-4);
    const one = await logitsOf(model, weights, ids, [5, ...new Array(7).fill(1)]);
  });
});
