import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fuzzJsonLines } from "./jsonl-fuzz.ts";

test("200 damaged JSONL files are refused with a place, or say what is read", async () => {
  const folder = await mkdtemp(join(tmpdir(), "meshloom-jsonl-"));
  const { refused, read } = await fuzzJsonLines(folder, 200);
  await rm(folder, { recursive: true });
  expect(refused).toBeGreaterThan(100);
  expect(read).toBeGreaterThan(10);
});
