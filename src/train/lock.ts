/** @file One writer per run folder: a lock file that names its process, so that a dead one can be told. */

import { randomBytes } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { RunError } from "../core/errors.ts";
import { temporaryName } from "../files/atomic.ts";
import { diskError, errnoOf, ifPresent } from "../files/disk.ts";
import { readSmall } from "../files/read.ts";

export interface Lock {
  /** The dead process this lock was taken from, in words; undefined when the folder was free. */
  readonly takenFrom: string | undefined;
  /** Removes the lock file if it is still ours. Safe to call twice. */
  release(): Promise<void>;
}

export const LOCK_FILE = "run.lock";
/** A lock that is taken away by another starter at the same time is tried again, but not for ever. */
const ATTEMPTS = 5;
/** Bytes. */
const LARGEST_LOCK = 2 ** 16;

const ownerSchema = z.object({
  pid: z.int().positive(),
  host: z.string(),
  /** ISO 8601, UTC. */
  started: z.string(),
  /** When the system started the process, from /proc; "" where there is no /proc. */
  birth: z.string(),
  token: z.string(),
});
type Owner = z.infer<typeof ownerSchema>;

/** Locks of this process: after a container restart, an old lock can carry our own pid. */
const held = new Set<string>();

/**
 * @throws RunError when a live process, or one on another machine, has the lock
 * @throws DiskError when the lock file cannot be written
 */
export async function takeLock(folder: string): Promise<Lock> {
  const path = join(folder, LOCK_FILE);
  const mine: Owner = {
    pid: process.pid,
    host: hostname(),
    started: new Date().toISOString(),
    birth: await birthOf(process.pid),
    token: randomBytes(8).toString("hex"),
  };
  // Before the file is there: another start in this process must not see it as stale.
  held.add(mine.token);
  try {
    return await takeAs(mine, folder, path);
  } catch (error) {
    held.delete(mine.token);
    throw error;
  }
}

/** The live process that writes to a folder, in words; undefined when there is none. */
export async function writerOf(folder: string): Promise<string | undefined> {
  const found = await readLock(join(folder, LOCK_FILE));
  const owner = found === undefined ? undefined : parseOwner(found);
  return owner !== undefined && (await isAlive(owner)) ? describe(owner) : undefined;
}

async function takeAs(mine: Owner, folder: string, path: string): Promise<Lock> {
  let takenFrom: string | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await create(path, JSON.stringify(mine))) {
      return { takenFrom, release: () => release(path, mine) };
    }
    const found = await readLock(path);
    if (found === undefined) continue;
    const owner = parseOwner(found);
    if (owner !== undefined && (await isAlive(owner))) throw inUse(folder, path, owner);
    if (await removeStale(path, found)) takenFrom = describe(owner);
  }
  throw new RunError("RUN-01", `run: other processes keep taking ${path}.`, [
    ["fix", "start only one run in this folder"],
  ]);
}

/** The lock appears with its content at once; `wx` alone would show an empty file for a moment. */
async function create(path: string, content: string): Promise<boolean> {
  const temporary = join(path, "..", temporaryName(LOCK_FILE));
  try {
    await writeFile(temporary, content, { flag: "wx" });
    await link(temporary, path);
    return true;
  } catch (cause) {
    // A network file system can lose its answer, try again, and then find our own link in the way.
    if (errnoOf(cause) === "EEXIST") return (await readLock(path)) === content;
    // File systems without hard links, such as FAT.
    if (errnoOf(cause) === "EPERM" || errnoOf(cause) === "ENOTSUP")
      return createPlain(path, content);
    throw diskError("run", path, cause);
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

/** Text of the lock file; undefined when there is none. @throws DiskError when it is no plain file */
async function readLock(path: string): Promise<string | undefined> {
  try {
    return await ifPresent(readSmall(path, LARGEST_LOCK));
  } catch (cause) {
    throw diskError("run", path, cause);
  }
}

async function createPlain(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: "wx" });
    return true;
  } catch (cause) {
    if (errnoOf(cause) === "EEXIST") return false;
    throw diskError("run", path, cause);
  }
}

/** Two starters can see the same stale lock; who moves away a fresh one by that, puts it back. */
async function removeStale(path: string, stale: string): Promise<boolean> {
  const aside = join(path, "..", temporaryName(LOCK_FILE));
  try {
    const moved = await ifPresent(rename(path, aside).then(() => readFile(aside, "utf8")));
    if (moved !== undefined && moved !== stale) await link(aside, path);
    return moved === stale;
  } catch (cause) {
    throw diskError("run", path, cause);
  } finally {
    await rm(aside, { force: true }).catch(() => {});
  }
}

async function release(path: string, mine: Owner): Promise<void> {
  held.delete(mine.token);
  const found = await readFile(path, "utf8").catch(() => "");
  if (parseOwner(found)?.token === mine.token) await rm(path, { force: true }).catch(() => {});
}

/** Of another machine we cannot know, so its lock counts as alive. */
async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.host !== hostname()) return true;
  if (owner.pid === process.pid) return held.has(owner.token);
  try {
    process.kill(owner.pid, 0);
  } catch (cause) {
    if (errnoOf(cause) === "ESRCH") return false;
  }
  // The pid may have gone to another process since.
  const birth = await birthOf(owner.pid);
  return owner.birth === "" || birth === "" || owner.birth === birth;
}

/** Field 22 of /proc/pid/stat: ticks since boot at which the process started. */
async function birthOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the command in parentheses and may hold spaces.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

function parseOwner(text: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function describe(owner: Owner | undefined): string {
  if (owner === undefined) return "a damaged lock file";
  return `process ${owner.pid} on ${owner.host}, started ${owner.started}`;
}

function inUse(folder: string, path: string, owner: Owner): RunError {
  const here = owner.host === hostname();
  return new RunError("RUN-01", `run: ${folder} is in use by process ${owner.pid}.`, [
    ["host", owner.host],
    ["started", owner.started],
    [
      "fix",
      here
        ? `wait for process ${owner.pid} or stop it, or choose another folder with --out`
        : `make sure that no run goes on at ${owner.host}, then delete ${path}`,
    ],
  ]);
}
