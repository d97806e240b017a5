import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { onThisThread } from "./hashed.ts";
import { createOffThreadHasher, type OffThreadHasher } from "./off-thread.ts";

let folder = "";
let hasher: OffThreadHasher;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "meshloom-off-thread-"));
  hasher = createOffThreadHasher();
});
afterAll(async () => {
  await hasher.close();
  await rm(folder, { recursive: true });
});

/** Bytes that differ everywhere, in shared memory, over the edges of blocks. */
function chunks(...lengths: readonly number[]): Uint8Array[] {
  return lengths.map((length) => {
    const bytes = new Uint8Array(new SharedArrayBuffer(length));
    for (let i = 0; i < length; i++) bytes[i] = (i * 31) ^ (i >> 8) ^ length;
    return bytes;
  });
}

it.each(["this thread", "another thread"])("writes and hashes in one pass on %s", async (where) => {
  const used = where === "this thread" ? onThisThread : hasher;
  for (const [i, lengths] of [[0], [], [1, 0, 7], [2 ** 22, 1], [2 ** 22 + 5, 2 ** 23]].entries()) {
    const given = chunks(...lengths);
    const whole = Buffer.concat(given);
    const path = join(folder, `${where} ${i}`);
    const facts = { bytes: whole.length, sha256: sha256(whole) };
    expect(await used.write(path, given)).toEqual(facts);
    expect((await readFile(path)).equals(whole)).toBe(true);
    expect(await used.hash(path)).toEqual(facts);
  }
});

it("leaves this thread free while it works, takes turns, and keeps the codes of errors", async () => {
  const big = chunks(2 ** 25);
  const writes = ["a", "b", "a"].map((name) => hasher.write(join(folder, name), big));
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  expect(await Promise.all(writes.slice(0, 2))).toHaveLength(2);
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(3);
  await expect(writes[2]).rejects.toMatchObject({ code: "EEXIST" });
  await expect(hasher.hash(join(folder, "none"))).rejects.toMatchObject({ code: "ENOENT" });
  await expect(hasher.hash(folder)).rejects.toMatchObject({ code: "ENOTFILE" });
  await writeFile(join(folder, "after"), "x");
  expect((await hasher.hash(join(folder, "after"))).bytes).toBe(1);
});

it("fails what is asked after it was closed", async () => {
  const closed = createOffThreadHasher();
  await closed.close();
  await expect(closed.hash(folder)).rejects.toThrow("the writing thread ended");
});

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
