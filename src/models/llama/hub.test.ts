/** @file Checkpoints that transformers wrote: our logits, losses and balance are its own. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../../core/tensor.ts";
import { jit } from "../../engines/jit.ts";
import { openHub } from "../../exchange/read-hub.ts";
import type { DecoderState } from "../../generate/model.ts";
import type { LanguageModel, TokenBatch, Weights } from "../../train/model.ts";
import { decodeSafetensors } from "../../train/safetensors.ts";
import { llamaLoss } from "./loss.ts";
import type { Llama } from "./model.ts";
import { readModel } from "./schema.ts";

const RECORDED = fileURLToPath(new URL("../../../test/recorded/hub/", import.meta.url));
const CASES = ["llama-gqa", "llama3-tied", "mistral-window", "mixtral", "qwen2"] as const;

/** Measured: at most 4.2e-6 on logits up to 5; sums of some dozens of products in another order. */
const TOLERANCE = 1e-5;
const [BATCH, LENGTH] = [2, 12];

async function recorded(name: string) {
  const path = join(RECORDED, name, "expected.safetensors");
  const { tensors } = decodeSafetensors(await readFile(path), path);
  const data = (key: string) => tensors.find((tensor) => tensor.name === key)?.data;
  return {
    ids: Array.from(data("input_ids") as Int32Array),
    logits: data("logits") as Float32Array,
    auxLoss: data("aux_loss")?.[0],
  };
}

/** Columns `from` to `to` of ids `[batch, pos]`. */
function columns(ids: readonly number[], from: number, to: number): Tensor {
  const rows = Array.from({ length: BATCH }, (_, b) =>
    ids.slice(b * LENGTH + from, b * LENGTH + to),
  );
  return fromData("int32", [BATCH, to - from], Int32Array.from(rows.flat()), "batch pos");
}

/** Logits `[batch, pos, vocab]`, with the ids given in pieces of these lengths. */
async function decoded(
  model: LanguageModel,
  weights: Weights,
  ids: readonly number[],
  pieces: readonly number[],
): Promise<Float32Array> {
  const { vocab } = model;
  const out = new Float32Array(BATCH * LENGTH * vocab);
  const decode = jit((w: Weights, cache: DecoderState, x: Tensor, at: Tensor) =>
    model.decode(w, cache, x, at),
  );
  let cache = await jit(() => model.startDecoding(BATCH, LENGTH))();
  let from = 0;
  for (const pos of pieces) {
    const at = fromData("int32", [BATCH], new Int32Array(BATCH).fill(from), "batch");
    const [logits, next] = await decode(weights, cache, columns(ids, from, from + pos), at);
    const data = logits.data() as Float32Array;
    for (let b = 0; b < BATCH; b++) {
      const row = data.subarray(b * pos * vocab, (b + 1) * pos * vocab);
      out.set(row, (b * LENGTH + from) * vocab);
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

/** Ids one place on; the last place has no target. */
function batchOf(ids: readonly number[]): TokenBatch {
  const targets = ids.map((_, i) => (i % LENGTH === LENGTH - 1 ? -1 : (ids[i + 1] ?? -1)));
  return { tokens: columns(ids, 0, LENGTH), targets: columns(targets, 0, LENGTH) };
}

/** Cross-entropy in nats, summed over the places with a target. */
function natsOf(logits: Float32Array, ids: readonly number[], vocab: number): number {
  return ids.reduce((sum, _, i) => {
    if (i % LENGTH === LENGTH - 1) return sum;
    const row = logits.subarray(i * vocab, (i + 1) * vocab);
    const partition = Math.log(row.reduce((total, x) => total + Math.exp(x), 0));
    return sum + partition - (row[ids[i + 1] ?? 0] ?? Number.NaN);
  }, 0);
}

describe.each(CASES)("%s", (name) => {
  test("has the logits that transformers computed, whole, in pieces, and in training", async () => {
    const { model, ...folder } = await openHub(join(RECORDED, name));
    const weights = await folder.weights();
    const { ids, logits } = await recorded(name);
    expect(Math.max(...logits)).toBeGreaterThan(1);
    expect(largestError(await decoded(model, weights, ids, [12]), logits)).toBeLessThan(TOLERANCE);
    const pieces = await decoded(model, weights, ids, [5, 1, 1, 1, 1, 1, 1, 1]);
    expect(largestError(pieces, logits)).toBeLessThan(TOLERANCE);

    // Training takes whole sequences, another way through the attention and the experts.
    const evaluate = jit((w: Weights, b: TokenBatch) => model.evaluate(w, b));
    const { nats, count } = await evaluate(weights, batchOf(ids));
    expect(count.item()).toBe(BATCH * (LENGTH - 1));
    expect(nats.item()).toBeCloseTo(natsOf(logits, ids, model.vocab), 3);
  });
});

test("the balance loss of Mixtral is that of transformers, mean over layers", async () => {
  const { model, ...folder } = await openHub(join(RECORDED, "mixtral"));
  const { params } = await folder.weights();
  const { ids, auxLoss } = await recorded("mixtral");
  const config = readModel(model.model);
  // The last place counts in the balance there, so it needs a target here.
  const batch = { tokens: columns(ids, 0, LENGTH), targets: columns(ids, 0, LENGTH) };
  const { loss, report } = await jit((p: Llama<Tensor>) => llamaLoss(p, batch, config))(
    params as Llama<Tensor>,
  );
  expect(auxLoss).toBeGreaterThan(2);
  expect(report.auxLoss.item()).toBeCloseTo(Number(auxLoss), 5);
  const { crossEntropy } = report;
  expect(loss.item()).toBeCloseTo(crossEntropy.item() + 0.001 * Number(auxLoss), 5);
});
