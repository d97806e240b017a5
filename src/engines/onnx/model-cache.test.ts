import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Tensor } from "../../core/tensor.ts";
import { tensor } from "../../core/tensor.ts";
import { add, mul } from "../../numpy/index.ts";
import { type CompileNote, onCompile, showCompileNote } from "../announce.ts";
import { jit } from "../jit.ts";
import { openModelCache } from "./model-cache.ts";
import { createOnnxEngine } from "./onnx.ts";

const root = mkdtempSync(join(tmpdir(), "meshloom-cache-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const fresh = () => join(root, `${folders++}`);
const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

test("gives back what was put, and nothing that was damaged", () => {
  const folder = fresh();
  const cache = openModelCache(folder);
  expect(cache.get("a")).toBeUndefined();
  cache.put("a", bytes(100, 7));
  expect(cache.get("a")).toEqual(Buffer.from(bytes(100, 7)));
  const path = join(folder, "a.model");
  const whole = readFileSync(path);
  for (const damaged of [
    whole.subarray(0, 50),
    Buffer.alloc(0),
    Buffer.from(whole).fill(1, 60, 61),
  ]) {
    writeFileSync(path, damaged);
    expect(cache.get("a")).toBeUndefined();
  }
});

test("drops the least recently used when it grows too large", () => {
  const folder = fresh();
  const cache = openModelCache(folder, 400);
  ["a", "b", "c"].forEach((key, i) => {
    cache.put(key, bytes(100, i));
    utimesSync(join(folder, `${key}.model`), i, i);
  });
  cache.get("a"); // makes it the last used
  cache.put("d", bytes(100, 3));
  expect(readdirSync(folder).sort()).toEqual(["a.model", "c.model", "d.model"]);
});

test("a folder that cannot be written keeps nothing and breaks nothing", () => {
  const file = join(root, "file");
  writeFileSync(file, "");
  const cache = openModelCache(join(file, "below"));
  cache.put("a", bytes(1, 1));
  expect(cache.get("a")).toBeUndefined();
});

test("keys differ with any part, and with where one part ends", () => {
  const keys = [["ab", "c"], ["a", "bc"], ["abc"], [Uint8Array.of(97), "bc"]].map(
    openModelCache(root).key,
  );
  expect(new Set(keys).size).toBe(3);
});

test("a second engine finds what the first lowered, and says so", async () => {
  const notes: CompileNote[] = [];
  const stop = onCompile((note) => notes.push(note));
  const cache = openModelCache(fresh());
  const engine = () => createOnnxEngine({ cache });
  const weights = tensor([1, 2]);
  const f = (w: Tensor) => (x: Tensor) => add(mul(x, w), 1);
  const call = async (w: Tensor, x: Tensor) =>
    (await jit(f(w), { name: "f", engine: await engine() })(x)).numbers();
  expect(await call(weights, tensor([3, 4]))).toEqual([4, 9]);
  expect(await call(weights, tensor([5, 6]))).toEqual([6, 13]);
  expect(await call(tensor([1, 3]), tensor([5, 6]))).toEqual([6, 19]); // another constant
  const both = jit(f(weights), { name: "f", engine: await engine() });
  await both(tensor([1, 1]));
  await both(tensor([[1, 1]]));
  stop();
  expect(notes.map(({ from, why }) => `${from}, ${why}`)).toEqual([
    "compiler, first call",
    "cache, first call",
    "compiler, first call",
    "cache, first call",
    "compiler, new forms: float32[1, 2]",
  ]);
  const [, found] = notes;
  expect(found && showCompileNote({ ...found, seconds: 0.5 })).toBe(
    "found f for onnx in the cache: 3 equations in 0.50 s (first call)",
  );
});
