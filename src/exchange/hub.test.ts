/** @file Checkpoints that transformers wrote: our logits are its own, and what goes out again is what came in. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import type { DecoderState, LanguageModel, Weights } from "../train/model.ts";
import { decodeSafetensors, type NamedTensor } from "../train/safetensors.ts";
import { openModel } from "./open-model.ts";
import { openHub } from "./read-hub.ts";
import { weightForms } from "./weights.ts";
import { writeHub } from "./write-hub.ts";
import { writeWeights } from "./write-weights.ts";

const RECORDED = fileURLToPath(new URL("../../test/recorded/hub/", import.meta.url));
const CASES = ["llama-gqa", "llama3-tied", "mistral-window", "mixtral", "qwen2"] as const;
const scratch = mkdtempSync(join(tmpdir(), "meshloom-hub-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** All tensors of a folder's files, by name. */
async function tensorsIn(folder: string): Promise<ReadonlyMap<string, NamedTensor>> {
  const files = readdirSync(folder).filter((name) => /^model.*\.safetensors$/.test(name));
  const read = files.map(async (name) => {
    const path = join(folder, name);
    return decodeSafetensors(await readFile(path), path).tensors;
  });
  return new Map((await Promise.all(read)).flat().map((tensor) => [tensor.name, tensor]));
}

async function expected(name: string) {
  const path = join(RECORDED, name, "expected.safetensors");
  const { tensors } = decodeSafetensors(await readFile(path), path);
  const [ids, logits] = ["input_ids", "logits"].map((key) =>
    tensors.find((tensor) => tensor.name === key),
  );
  if (ids === undefined || logits === undefined) throw new Error(`${path} lacks a tensor`);
  return { ids, logits: logits.data as Float32Array };
}

/** Logits `[batch, pos, vocab]`, with the ids given in pieces of these lengths. */
async function logitsOf(
  model: LanguageModel,
  weights: Weights,
  ids: NamedTensor,
  pieces: readonly number[],
): Promise<Float32Array> {
  const [batch = 0, length = 0] = ids.dims;
  const { vocab } = model;
  const out = new Float32Array(batch * length * vocab);
  const decode = jit((w: Weights, cache: DecoderState, x: Tensor, at: Tensor) =>
    model.decode(w, cache, x, at),
  );
  let cache = await jit(() => model.startDecoding(batch, length))();
  let from = 0;
  for (const pos of pieces) {
    const rows = Array.from({ length: batch }, (_, b) =>
      Array.from(ids.data as Int32Array).slice(b * length + from, b * length + from + pos),
    );
    const piece = fromData("int32", [batch, pos], Int32Array.from(rows.flat()), "batch pos");
    const at = fromData("int32", [batch], new Int32Array(batch).fill(from), "batch");
    const [logits, next] = await decode(weights, cache, piece, at);
    const data = logits.data() as Float32Array;
    for (let b = 0; b < batch; b++) {
      const row = data.subarray(b * pos * vocab, (b + 1) * pos * vocab);
      out.set(row, (b * length + from) * vocab);
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
  const folder = join(RECORDED, name);

  test("has the logits that transformers computed, whole and with a cache", async () => {
    const { model, ...hub } = await openHub(folder);
    const weights = await hub.weights();
    const { ids, logits } = await expected(name);
    expect(Math.max(...logits)).toBeGreaterThan(1);
    // Measured: 1.5e-6 to 4.2e-6, on logits up to 5; sums of 16 products in another order.
    const whole = await logitsOf(model, weights, ids, [12]);
    expect(largestError(whole, logits)).toBeLessThan(1e-5);
    const pieces = await logitsOf(model, weights, ids, [5, 1, 1, 1, 1, 1, 1, 1]);
    expect(largestError(pieces, logits)).toBeLessThan(1e-5);
  });

  test("goes out as it came in: names, forms and bits, in one file or in shards", async () => {
    const { model, form, ...hub } = await openHub(folder);
    const weights = await hub.weights();
    const before = await tensorsIn(folder);
    const dtype = [...before.values()][0]?.dtype === "bfloat16" ? "bfloat16" : "float32";
    for (const shardBytes of [5e9, 4000]) {
      const out = mkdtempSync(join(scratch, `${name}-`));
      const tensors = form.tensors(model, weightForms(weights));
      const { files } = await writeWeights(out, tensors, weights, { dtype, shardBytes });
      expect(files.length > 1).toBe(shardBytes === 4000);
      const after = await tensorsIn(out);
      expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
      for (const [key, tensor] of before) expect(after.get(key), key).toEqual(tensor);
    }
  });

  test("says of itself what it said, when its configuration is written and read", async () => {
    const { model, form, config } = await openHub(folder);
    const written = form.write(model);
    expect(form.read(written, "written").model).toEqual(model.model);
    const said = Object.entries(written).filter(([key]) => key in config);
    expect(said.length).toBeGreaterThan(12);
    for (const [key, value] of said) {
      // head_dim is written out where the folder leaves it to be derived.
      if (config[key] !== null) expect(value, key).toEqual(config[key]);
    }
  });
});

test("a folder with its tokenizer and template goes out and comes back whole", async () => {
  const opened = await openModel(join(RECORDED, "mixtral"));
  expect(opened.tokenizer.vocab).toBe(64);
  expect(opened.generation).toEqual({ endTokens: [1], beginToken: 0 });
  const out = join(scratch, "again");
  await writeHub(opened, out, { force: false, shardBytes: 12_000, version: "test" });
  const again = await openModel(out);
  expect(again.model.model).toEqual(opened.model.model);
  expect(again.generation).toEqual(opened.generation);
  expect(again.tokenizer.fingerprint()).toBe(opened.tokenizer.fingerprint());
  expect(again.tokenizerFiles?.chatTemplate).toBe(opened.tokenizerFiles?.chatTemplate);
  expect(opened.tokenizerFiles?.chatTemplate).toContain("for m in messages");
  expect(again.config["torch_dtype"]).toBe("bfloat16");
  expect(await tensorsIn(out)).toEqual(await tensorsIn(join(RECORDED, "mixtral")));
});
