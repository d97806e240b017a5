/** @file Training holds no more memory after 2,000 steps than after the first few hundred. */

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { jsonLines, ROOT } from "../command-line.ts";

const STEPS = 2000;
const WARM_UP = 300;
// 8 MiB: 0.8 were seen, of allocator noise; leaking 64 bytes for each of a step's 108 tensors makes 12.
const MOST_GROWTH = 8 * 2 ** 20;

test.each(["c-api", "binding"])("no growth over %s", async (transport) => {
  const out = await mkdtemp(join(tmpdir(), "meshloom-memory-"));
  const words = ["glam-pico", "--steps", `${STEPS}`, "--save-every", "100000", "--out", out];
  const script = join(ROOT, "test/slow/weighed-training.ts");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--expose-gc", "--import", "tsx", script, ...words],
    { cwd: ROOT, env: { ...process.env, MESHLOOM_ONNX_TRANSPORT: transport } },
  );
  await rm(out, { recursive: true });
  const rows = jsonLines(stdout) as unknown as readonly (readonly [step: number, bytes: number])[];
  expect(rows.map(([step]) => step)).toEqual(
    Array.from({ length: STEPS / 100 }, (_, i) => 100 * (i + 1)),
  );
  const start = rows.find(([step]) => step === WARM_UP)?.[1] ?? Number.NaN;
  const growth = rows.map(([step, bytes]) => (step > WARM_UP ? bytes - start : 0));
  expect(Math.max(...growth)).toBeLessThan(MOST_GROWTH);
});
