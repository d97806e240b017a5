/** @file Checkpoints that transformers wrote: what goes out again is what came in. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
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

describe.each(CASES)("%s", (name) => {
  const folder = join(RECORDED, name);

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
