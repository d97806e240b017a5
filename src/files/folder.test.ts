import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkSpace, makeFolder } from "./folder.ts";
import { onThisThread } from "./hashed.ts";
import { readSmall } from "./read.ts";

let base = "";
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "meshloom-folder-"));
});
afterAll(() => rm(base, { recursive: true }));

describe("makeFolder", () => {
  it("makes all that is missing, also from several sides at once", async () => {
    const path = join(base, "a/b/c");
    await Promise.all([makeFolder(path), makeFolder(path), makeFolder(join(base, "a/b/d"))]);
    expect((await stat(path)).isDirectory()).toBe(true);
    await makeFolder(path);
  });

  it("says what is in the way", async () => {
    await writeFile(join(base, "file"), "");
    await expect(makeFolder(join(base, "file"))).rejects.toMatchObject({ code: "EEXIST" });
    await expect(makeFolder(join(base, "file/below"))).rejects.toMatchObject({ code: "ENOTDIR" });
  });

  it.runIf(existsSync("/proc/self"))("ends where folders cannot be made", async () => {
    await expect(makeFolder("/proc/meshloom/run")).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("readSmall", () => {
  it("reads a file, and no pipe, device, folder or flood", async () => {
    await writeFile(join(base, "text"), "größer");
    expect(await readSmall(join(base, "text"), 8)).toBe("größer");
    await expect(readSmall(join(base, "text"), 7)).rejects.toMatchObject({ code: "EFBIG" });
    await expect(readSmall(join(base, "none"), 7)).rejects.toMatchObject({ code: "ENOENT" });
    await symlink("/dev/zero", join(base, "zero"));
    execFileSync("mkfifo", [join(base, "pipe")]);
    for (const name of ["zero", "pipe", "."]) {
      await expect(readSmall(join(base, name), 7)).rejects.toMatchObject({ code: "ENOTFILE" });
      await expect(onThisThread.hash(join(base, name))).rejects.toMatchObject({ code: "ENOTFILE" });
    }
  });
});

it("checkSpace refuses what does not fit, with both numbers", async () => {
  await checkSpace("checkpoint", "x", base, 0);
  await expect(checkSpace("checkpoint", "runs/x", base, 2 ** 60)).rejects.toThrow(
    /^checkpoint: cannot write runs\/x: the disk has too little space\.\n {2}needs +1024\.0 PiB\n {2}free +\S+ \S+\n/,
  );
});
