import { execFileSync } from "node:child_process";
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CheckpointError, DiskError } from "../core/errors.ts";
import { onThisThread } from "../files/hashed.ts";
import {
  listCheckpoints,
  loadCheckpoint,
  saveCheckpoint,
  stateShards,
  verifyCheckpoint,
  writeCheckpoint,
} from "./checkpoint.ts";
import { bestStep, markBest, pruneCheckpoints, readBest, sweepLeftovers } from "./retention.ts";
import type { NamedTensor } from "./safetensors.ts";
import { shardsOf } from "./shards.ts";

let run = "";
beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), "meshloom-checkpoint-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(run, { recursive: true, force: true });
});

function state(value: number, length = 3): NamedTensor[] {
  const data = new Float32Array(length).fill(value);
  return [{ name: "wi", dtype: "float32", dims: [length], data }];
}

function file(step: number, name = "state.safetensors"): string {
  return join(run, "checkpoints", String(step).padStart(8, "0"), name);
}

async function flipByte(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[offset < 0 ? bytes.length + offset : offset]! ^= 1;
  await writeFile(path, bytes);
}

describe("save and load", () => {
  it("gives back tensors and info, newest first", async () => {
    await saveCheckpoint(run, 2, state(2), { position: 20 });
    await saveCheckpoint(run, 10, state(10), { position: 100, deep: { list: [1, -0.5] } });
    expect(await listCheckpoints(run)).toEqual([2, 10]);
    expect(await loadCheckpoint(run, "latest")).toEqual({
      step: 10,
      tensors: state(10),
      info: { position: 100, deep: { list: [1, -0.5] } },
      warnings: [],
    });
    expect((await loadCheckpoint(run, 2)).tensors).toEqual(state(2));
    expect(await readdir(join(run, "checkpoints"))).toEqual(["00000002", "00000010"]);
  });

  it("replaces a checkpoint of the same step", async () => {
    await saveCheckpoint(run, 5, state(1), {});
    await saveCheckpoint(run, 5, state(2), {});
    expect((await loadCheckpoint(run, 5)).tensors).toEqual(state(2));
    expect(await readdir(join(run, "checkpoints"))).toEqual(["00000005"]);
  });

  it("divides a large state into files, and reads them as one", async () => {
    const tensors = [5, 3, 1, 9, 2].map((length, i): NamedTensor => {
      const data = new Float32Array(length).fill(i);
      return { name: `t${i}`, dtype: "float32", dims: [length], data };
    });
    const shards = shardsOf(tensors, {}, 32);
    expect(shards.map(({ file }) => file)).toEqual([
      "state-00001-of-00004.safetensors",
      "state-00002-of-00004.safetensors",
      "state-00003-of-00004.safetensors",
      "state-00004-of-00004.safetensors",
    ]);
    await writeCheckpoint(run, 1, shards, { a: 1 }, onThisThread);
    expect((await loadCheckpoint(run, 1)).tensors).toEqual(tensors);
    await rm(file(1, "state-00002-of-00004.safetensors"));
    await expect(verifyCheckpoint(run, 1)).rejects.toThrow(/state-00002-of-00004.* is missing/);
    await expect(loadCheckpoint(run, 1)).rejects.toThrow(/state-00002-of-00004.* is missing/);
    expect(() => shardsOf([...state(1), ...state(2)], {}, 1)).toThrow('"wi" is there twice');
  });

  it("refuses info that JSON would change", async () => {
    await expect(saveCheckpoint(run, 1, state(1), { loss: NaN })).rejects.toThrow(
      'checkpoint: info "loss" is NaN.',
    );
    expect(await listCheckpoints(run)).toEqual([]);
  });
});

describe("damage", () => {
  const damages: readonly (readonly [string, () => Promise<unknown>, RegExp])[] = [
    ["a flipped bit", () => flipByte(file(2), -1), /state\.safetensors has changed since/],
    ["a longer file", () => appendFile(file(2), "x"), /has \d+ bytes; \d+ were written/],
    ["a missing file", () => rm(file(2)), /state\.safetensors is missing/],
    ["a missing manifest", () => rm(file(2, "manifest.json")), /manifest\.json is missing/],
    ["an empty manifest", () => writeFile(file(2, "manifest.json"), ""), /is not JSON/],
    ["a null manifest", () => writeFile(file(2, "manifest.json"), "null"), /own checksum/],
    [
      "a changed manifest",
      async () => {
        const text = await readFile(file(2, "manifest.json"), "utf8");
        await writeFile(file(2, "manifest.json"), text.replace('"seed": 7', '"seed": 8'));
      },
      /does not match its own checksum/,
    ],
    [
      "a moved folder",
      async () => {
        await rm(join(file(2), ".."), { recursive: true });
        await saveCheckpoint(run, 3, state(3), {});
        await rename(join(file(3), ".."), join(file(2), ".."));
      },
      /is of step 3, but lies in the folder of 2/,
    ],
  ];

  it.each(damages)("passes over %s with a warning", async (_, damage, text) => {
    await saveCheckpoint(run, 1, state(1), { seed: 7 });
    await saveCheckpoint(run, 2, state(2), { seed: 7 });
    await damage();
    const loaded = await loadCheckpoint(run, "latest");
    expect(loaded.step).toBe(1);
    expect(loaded.warnings).toHaveLength(1);
    expect(loaded.warnings[0]).toMatch(/^passed over step 2: checkpoint: /);
    expect(loaded.warnings[0]).toMatch(text);
    await expect(loadCheckpoint(run, 2)).rejects.toThrow(CheckpointError);
    await expect(verifyCheckpoint(run, 2)).rejects.toThrow(text);
  });

  it("says what it tried when nothing verifies, and what there is", async () => {
    await expect(loadCheckpoint(run, "latest")).rejects.toThrow("has no checkpoint.");
    await saveCheckpoint(run, 4, state(1), {});
    await expect(loadCheckpoint(run, 5)).rejects.toThrow(/has no step 5\.\n {2}steps there +4/);
    await flipByte(file(4), -1);
    const error = loadCheckpoint(run, "latest");
    await expect(error).rejects.toThrow(CheckpointError);
    await expect(error).rejects.toThrow(/no checkpoint in .* verifies\.\n {2}tried +passed over/);
  });
});

describe("prune and sweep", () => {
  it("keeps the newest, and all of them while the newest is damaged", async () => {
    for (const step of [1, 2, 3, 4]) await saveCheckpoint(run, step, state(step), {});
    await flipByte(file(4), -1);
    await expect(pruneCheckpoints(run, { last: 1 })).rejects.toThrow(CheckpointError);
    expect(await listCheckpoints(run)).toEqual([1, 2, 3, 4]);
    await saveCheckpoint(run, 4, state(4), {});
    expect(await pruneCheckpoints(run, { last: 2 })).toEqual([1, 2]);
    expect(await readdir(join(run, "checkpoints"))).toEqual(["00000003", "00000004"]);
    expect(await pruneCheckpoints(run, { last: 0 })).toEqual([3]);
  });

  it("takes away later ones that were passed over, once an earlier step is saved", async () => {
    for (const step of [1, 2, 9]) await saveCheckpoint(run, step, state(step), {});
    await flipByte(file(9), -1);
    await saveCheckpoint(run, 3, state(3), {});
    expect(await pruneCheckpoints(run, { last: 2 }, 3)).toEqual([1, 9]);
    expect(await listCheckpoints(run)).toEqual([2, 3]);
  });

  it("keeps the best one and every k-th for good", async () => {
    for (let step = 1; step <= 9; step++) {
      await saveCheckpoint(run, step, state(step), {});
      if (step === 2 || step === 5) await markBest(run, { step, loss: 1 / step });
      await pruneCheckpoints(run, { last: 1, every: 4 }, step);
    }
    expect(await listCheckpoints(run)).toEqual([4, 5, 8, 9]);
    expect(await readBest(run)).toEqual({ step: 5, loss: 0.2 });
    expect(await bestStep(run)).toBe(5);
    await markBest(run, undefined);
    expect(await pruneCheckpoints(run, { last: 1 })).toEqual([4, 5, 8]);
    await expect(bestStep(run)).rejects.toThrow(/marks no checkpoint as the best\.\n.*\n.* 9\n/);
    await writeFile(join(run, "checkpoints", "best.json"), '{"step":-1}');
    expect(await readBest(run)).toBeUndefined();
  });

  it("removes unfinished folders and puts back one that was stepping aside", async () => {
    await saveCheckpoint(run, 1, state(1), {});
    await saveCheckpoint(run, 2, state(2), {});
    const folder = join(run, "checkpoints");
    await mkdir(join(folder, ".tmp-00000003-1-ab"));
    await rename(join(folder, "00000002"), join(folder, ".old-00000002-1"));
    await mkdir(join(folder, ".old-00000001-1"));
    expect(await sweepLeftovers(run)).toHaveLength(3);
    expect(await readdir(folder)).toEqual(["00000001", "00000002"]);
    expect((await loadCheckpoint(run, "latest")).step).toBe(2);
    expect(await sweepLeftovers(join(run, "none"))).toEqual([]);
  });
});

describe("a disk that refuses", () => {
  /** The nth write of a file handle fails as a full disk does. */
  async function failWrites(code: string, after: number): Promise<void> {
    const handle = await open(join(run, "probe"), "w");
    const prototype = Object.getPrototypeOf(handle) as typeof handle;
    await handle.close();
    const write = prototype.write as (...all: unknown[]) => unknown;
    let count = 0;
    vi.spyOn(prototype, "write").mockImplementation(function (this: unknown, ...all: unknown[]) {
      if (count++ < after) return write.apply(this, all) as never;
      return Promise.reject(Object.assign(new Error(`${code}: write`), { code })) as never;
    });
  }

  it.each([
    ["ENOSPC", 0, "the disk is full"],
    ["ENOSPC", 1, "the disk is full"],
    ["ENOSPC", 2, "the disk is full"],
    ["EDQUOT", 1, "the disk quota is used up"],
    ["EROFS", 0, "the file system is read-only"],
    ["EACCES", 0, "permission denied"],
  ])("%s at write %i leaves the earlier checkpoint", async (code, after, text) => {
    await saveCheckpoint(run, 1, state(1), {});
    await failWrites(code, after);
    const saved = saveCheckpoint(run, 1, state(2), {});
    await expect(saved).rejects.toThrow(DiskError);
    const place = join(run, "checkpoints", "00000001");
    await expect(saved).rejects.toThrow(`checkpoint: cannot write ${place}: ${text}.`);
    await expect(saved).rejects.toThrow(/\n {2}fix .*--out.*\[DISK-01\]/);
    vi.restoreAllMocks();
    expect(await readdir(join(run, "checkpoints"))).toEqual(["00000001"]);
    expect((await loadCheckpoint(run, "latest")).tensors).toEqual(state(1));
  });

  it("a full disk in earnest, where this user may mount one", async ({ skip }) => {
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", run], { stdio: "ignore" });
    } catch {
      skip("no permission to mount");
    }
    try {
      await saveCheckpoint(run, 1, state(1), {});
      const large = saveCheckpoint(run, 2, state(2, 50_000), {});
      await expect(large).rejects.toThrow(
        /\/00000002: the disk has too little space\.\n {2}needs +\S+ KiB\n {2}free +\S+ KiB\n {2}fix/,
      );
      // Somebody else takes the space after it was looked at.
      const late = writeCheckpoint(
        run,
        2,
        stateShards(2, state(2, 15_000)),
        {},
        {
          ...onThisThread,
          write: async (path, chunks) => {
            await writeFile(join(run, "other"), new Uint8Array(80_000));
            return onThisThread.write(path, chunks);
          },
        },
      );
      await expect(late).rejects.toThrow(/the disk is full\.\n(.*\n)* {2}needs +\S+ KiB\n {2}fix/);
      await rm(join(run, "other"));
      expect(await readdir(join(run, "checkpoints"))).toEqual(["00000001"]);
      await saveCheckpoint(run, 3, state(3), {});
      expect((await loadCheckpoint(run, "latest")).step).toBe(3);
    } finally {
      execFileSync("umount", [run]);
    }
  });
});
