import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { listCheckpoints, loadCheckpoint } from "./checkpoint.ts";
import { sweepLeftovers } from "./retention.ts";

/** Saves steps 1, 1, 2, 2, … without end, each twice so that replacing is hit too, and prunes. */
const WRITER = `
import { saveCheckpoint } from ${JSON.stringify(new URL("./checkpoint.ts", import.meta.url))};
import { pruneCheckpoints } from ${JSON.stringify(new URL("./retention.ts", import.meta.url))};
const run = process.argv[1];
for (let i = 2; ; i++) {
  const step = i >> 1;
  const data = new Float32Array(20_000).fill(step);
  await saveCheckpoint(run, step, [{ name: "w", dtype: "float32", dims: [20_000], data }], { step });
  await pruneCheckpoints(run, { last: 2 });
  process.stdout.write(".");
}`;

it("a kill at any moment leaves a good checkpoint and nothing that stays", async () => {
  const run = await mkdtemp(join(tmpdir(), "meshloom-kill-"));
  for (let round = 0; round < 5; round++) {
    const args = ["--import", "tsx", "--input-type=module", "-e", WRITER, run];
    const writer = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const gone = new Promise((done) => writer.on("exit", done));
    await new Promise((done) => writer.stdout.once("data", done));
    await setTimeout(60 + round * 7);
    writer.kill("SIGKILL");
    await gone;

    await sweepLeftovers(run);
    const loaded = await loadCheckpoint(run, "latest");
    expect(loaded.warnings).toEqual([]);
    expect(loaded.info).toEqual({ step: loaded.step });
    expect(loaded.tensors[0]?.data[19_999]).toBe(loaded.step);
    const names = await readdir(join(run, "checkpoints"));
    expect(names.length).toBe((await listCheckpoints(run)).length);
  }
  await rm(run, { recursive: true });
});
