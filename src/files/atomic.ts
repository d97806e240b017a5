/** @file Writing so that a kill or a power cut leaves the old content or the new, never a mixture. */

import type { FileHandle } from "node:fs/promises";
import { diskError, errnoOf } from "./disk.ts";

// asked for at run time: see core/host.ts
const { randomBytes } = process.getBuiltinModule("node:crypto");
const { open, rename, rm } = process.getBuiltinModule("node:fs/promises");
const { basename, dirname, join } = process.getBuiltinModule("node:path");

/** Node writes at most 2^31 − 1 bytes in one call. */
const LARGEST_WRITE = 2 ** 30;
const TEMPORARY = /^\.tmp-/;

/**
 * Replaces the file at `path` at once: temporary sibling, fsync, rename, fsync of the folder.
 *
 * @throws DiskError when the disk refuses; the old file is then as it was
 */
export function writeAtomically(path: string, data: string | Uint8Array): Promise<void> {
  return replaceAtomically(path, [
    typeof data === "string" ? new TextEncoder().encode(data) : data,
  ]);
}

/** As `writeAtomically`, for what comes in pieces. */
export async function replaceAtomically(path: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, temporaryName(basename(path)));
  try {
    await writeDurably(temporary, chunks);
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw diskError("write", path, cause);
  }
}

/**
 * A new file that is on the disk when the promise resolves.
 *
 * @param watch - gets each chunk while the system writes it, for a checksum that costs no time of its own
 */
export async function writeDurably(
  path: string,
  chunks: Iterable<Uint8Array>,
  watch: (chunk: Uint8Array) => void = () => {},
): Promise<void> {
  const handle = await open(path, "wx");
  try {
    for (const chunk of chunks) {
      const written = writeWhole(handle, chunk);
      watch(chunk);
      await written;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the names in a folder durable; without it, a rename can be lost in a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    // Windows opens no folders; there the rename itself is all there is.
    if (process.platform === "win32") return undefined;
    throw cause;
  });
  if (handle === undefined) return;
  try {
    await handle.sync();
  } catch (cause) {
    // Some network and FUSE file systems sync files only.
    if (errnoOf(cause) !== "EINVAL" && errnoOf(cause) !== "ENOTSUP") throw cause;
  } finally {
    await handle.close();
  }
}

/** A name for an unfinished file or folder; nobody else takes it, and a sweep knows it. */
export function temporaryName(finished: string): string {
  return `.tmp-${finished}-${process.pid}-${randomBytes(4).toString("hex")}`;
}

export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Whether the process that made a temporary name is gone; it must have been one of this machine. */
export function isOrphan(name: string): boolean {
  const pid = Number(/-(\d+)-[0-9a-f]+$/.exec(name)?.[1]);
  try {
    process.kill(pid, 0);
    return false;
  } catch (cause) {
    return errnoOf(cause) === "ESRCH";
  }
}

async function writeWhole(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let at = 0;
  while (at < chunk.length) {
    const length = Math.min(LARGEST_WRITE, chunk.length - at);
    const { bytesWritten } = await handle.write(chunk, at, length);
    at += bytesWritten;
  }
}
