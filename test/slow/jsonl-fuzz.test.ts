import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fuzzJsonLines } from "../jsonl-fuzz.ts";

test("2,500 damaged JSONL files are refused with a place, or say what is read", async () => {
  const folder = await mkdtemp(join(tmpdir(), "meshloom-jsonl-"));
  const { refused, read } = await fuzzJsonLines(folder, 2500);
  await rm(folder, { recursive: true });
  expect(refused).toBeGreaterThan(1250);
  expect(read).toBeGreaterThan(125);
});
