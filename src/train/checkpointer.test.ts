import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiskError } from "../core/errors.ts";
import { type FileHasher, onThisThread } from "../files/hashed.ts";
import { listCheckpoints, loadCheckpoint } from "./checkpoint.ts";
import { type Checkpointer, createCheckpointer } from "./checkpointer.ts";
import { markBest, readBest } from "./retention.ts";
import type { NamedTensor } from "./safetensors.ts";

let run = "";
let notices: string[] = [];
let opened: Checkpointer[] = [];
beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), "meshloom-checkpointer-"));
  notices = [];
  opened = [];
});
afterEach(async () => {
  for (const checkpointer of opened) await checkpointer.close();
  await rm(run, { recursive: true, force: true });
});

function open(hasher?: FileHasher): Checkpointer {
  const checkpointer = createCheckpointer({
    runFolder: run,
    retention: { last: 2 },
    onNotice: (line) => notices.push(line.replaceAll(run, "$")),
    ...(hasher === undefined ? {} : { hasher: { ...hasher, close: async () => {} } }),
  });
  opened.push(checkpointer);
  return checkpointer;
}

function tensorsOf(data: Float32Array): NamedTensor[] {
  return [{ name: "w", dtype: "float32", dims: [data.length], data }];
}

describe("writes behind a loop", () => {
  it("what the tensors were when it was asked, though their memory changes at once", async () => {
    const checkpointer = open();
    const data = new Float32Array(300_000);
    for (let step = 1; step <= 5; step++) {
      data.fill(step);
      await checkpointer.save(step, tensorsOf(data), step === 2 ? { bestLoss: 0.5 } : {});
      data.fill(-1);
    }
    await checkpointer.flush();
    expect(await listCheckpoints(run)).toEqual([2, 4, 5]);
    expect(await readBest(run)).toEqual({ step: 2, loss: 0.5 });
    for (const step of [2, 4, 5]) {
      const [tensor] = (await loadCheckpoint(run, step)).tensors;
      expect(tensor?.data).toEqual(new Float32Array(300_000).fill(step));
    }
    expect(notices).toEqual([]);
  });

  it("one at a time; a second save waits for the first", async () => {
    const order: string[] = [];
    const slow: FileHasher = {
      ...onThisThread,
      write: async (path, chunks) => {
        order.push("begin");
        await new Promise((done) => setTimeout(done, 20));
        const facts = await onThisThread.write(path, chunks);
        order.push("end");
        return facts;
      },
    };
    const checkpointer = open(slow);
    const first = await checkpointer.save(1, tensorsOf(new Float32Array(8)));
    order.push("saved 1");
    const second = await checkpointer.save(2, tensorsOf(new Float32Array(8)));
    order.push("saved 2");
    await checkpointer.flush();
    expect(order.filter((word) => word !== "begin")).toEqual(["saved 1", "end", "saved 2", "end"]);
    expect(second).toBeGreaterThan(first);
  });
});

describe("a disk that refuses", () => {
  /** Fails the writes whose turn is in `turns`, half way. */
  function failing(turns: readonly number[]): FileHasher {
    let turn = 0;
    return {
      ...onThisThread,
      write: async (path, chunks) => {
        const facts = await onThisThread.write(path, chunks);
        if (!turns.includes(++turn)) return facts;
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), {
          code: "ENOSPC",
        });
      },
    };
  }

  it("once is said, and the next save tries again", async () => {
    const checkpointer = open(failing([2]));
    for (let step = 1; step <= 3; step++) {
      await checkpointer.save(step, tensorsOf(new Float32Array(4).fill(step)));
    }
    await checkpointer.flush();
    expect(await listCheckpoints(run)).toEqual([1, 3]);
    expect(await readdir(join(run, "checkpoints"))).toEqual(["00000001", "00000003"]);
    expect(notices).toEqual([
      "step 2 is not saved: checkpoint: cannot write $/checkpoints/00000002: the disk is full.",
    ]);
  });

  it("twice in a row ends the run, with the earlier checkpoint whole", async () => {
    const checkpointer = open(failing([2, 3]));
    for (let step = 1; step <= 3; step++) {
      await checkpointer.save(step, tensorsOf(new Float32Array(4).fill(step)));
    }
    const error = checkpointer.save(4, tensorsOf(new Float32Array(4)));
    await expect(error).rejects.toThrow(DiskError);
    await expect(error).rejects.toThrow(/00000003: the disk is full\.\n(.*\n)* {2}needs +\d+ B\n/);
    await expect(checkpointer.flush()).rejects.toThrow(DiskError);
    expect(await readdir(join(run, "checkpoints"))).toEqual(["00000001"]);
    expect((await loadCheckpoint(run, "latest")).step).toBe(1);
  });

  it("to delete old checkpoints is a notice, no failure", async () => {
    const blind: FileHasher = {
      ...onThisThread,
      hash: () => Promise.reject(Object.assign(new Error("EIO: read"), { code: "EIO" })),
    };
    const checkpointer = open(blind);
    for (let step = 1; step <= 3; step++) {
      await checkpointer.save(step, tensorsOf(new Float32Array(4)));
    }
    await checkpointer.flush();
    expect(await listCheckpoints(run)).toEqual([1, 2, 3]);
    expect(notices).toEqual([
      "step 3 is saved, but older checkpoints stay: checkpoint: $/checkpoints/00000003/state.safetensors cannot be read.",
    ]);
  });
});

it("a mark of the best is replaced as a whole, and removed", async () => {
  const checkpointer = open();
  await checkpointer.save(1, tensorsOf(new Float32Array(2)), { bestLoss: 2 });
  await checkpointer.save(2, tensorsOf(new Float32Array(2)), { bestLoss: 1 });
  await checkpointer.flush();
  expect(await readFile(join(run, "checkpoints", "best.json"), "utf8")).toBe(
    '{"step":2,"loss":1}\n',
  );
  await markBest(run, undefined);
  await markBest(join(run, "none"), undefined);
  expect(await readBest(run)).toBeUndefined();
});
