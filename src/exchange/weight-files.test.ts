/** @file A tensor is read by its range of bytes, however large the file around it. */

import { mkdtempSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bytesIn, headerOf } from "../train/safetensors.ts";
import { openWeightFiles } from "./weight-files.ts";

const folder = mkdtempSync(join(tmpdir(), "meshloom-weights-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the end of a file of 20 GB is read without the rest", async () => {
  const forms = [
    { name: "large", dtype: "bfloat16", dims: [100_000, 100_000] },
    { name: "small", dtype: "bfloat16", dims: [2, 3] },
  ] as const;
  const path = join(folder, "model.safetensors");
  const header = headerOf(forms, forms, {});
  const before = header.length + bytesIn(forms[0]);
  const file = openSync(path, "w");
  writeSync(file, header);
  // What is between is a hole: the file takes no room on the disk.
  truncateSync(path, before);
  const numbers = Float32Array.of(1, -2, 3, -4, 0.5, 0);
  const halves = Uint16Array.from(new Uint32Array(numbers.buffer), (bits) => bits >>> 16);
  writeSync(file, new Uint8Array(halves.buffer), 0, halves.byteLength, before);

  const files = await openWeightFiles(folder);
  expect(files.bytes).toBe(20e9 + 12);
  expect(files.tensors).toEqual(forms);
  const memory = process.memoryUsage().arrayBuffers;
  expect(await files.read("small")).toEqual(numbers);
  expect(process.memoryUsage().arrayBuffers - memory).toBeLessThan(1e6);
  await expect(files.read("other")).rejects.toThrow(/no tensor "other"/);
  await files.close();
});
