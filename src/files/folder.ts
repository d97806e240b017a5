/** @file Folders: making them, and how much space there is around them. */

import { DiskError } from "../core/errors.ts";
import { formatBytes } from "../core/text.ts";
import { errnoOf, ifPresent } from "./disk.ts";

const { mkdir, stat, statfs } = process.getBuiltinModule("node:fs/promises");
const { dirname, resolve } = process.getBuiltinModule("node:path");

/** Room for the small files and folders around a large one. */
const MARGIN = 2 ** 14;

/**
 * Makes a folder and those above it; does nothing when it is there.
 *
 * Not `mkdir` with `recursive`: in places such as `/proc`, where a folder refuses new ones with
 * ENOENT, Node's loop for that never ends (nodejs/node#31481).
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  let at = resolve(path);
  while ((await ifPresent(stat(at))) === undefined && dirname(at) !== at) {
    missing.push(at);
    at = dirname(at);
  }
  for (const folder of missing.reverse()) await makeOne(folder);
  if (!(await stat(path)).isDirectory()) await mkdir(path); // which says what is in the way
}

/** Another process may make the same folder at the same time. */
async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (cause) {
    if (errnoOf(cause) !== "EEXIST" || !(await stat(path)).isDirectory()) throw cause;
  }
}

/**
 * Checks that a file system has room, so that a long write does not fail at its end.
 *
 * @param operation - what is being done, for example `checkpoint`
 * @param path - what will be written, for the error
 * @param folder - an existing folder on the same file system
 * @throws DiskError with the bytes needed and the bytes free
 */
export async function checkSpace(
  operation: string,
  path: string,
  folder: string,
  bytes: number,
): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(folder);
  const free = bavail * bsize;
  // Some network and FUSE file systems do not say how large they are.
  if (blocks === 0 || free >= bytes + MARGIN) return;
  throw new DiskError(
    "DISK-01",
    `${operation}: cannot write ${path}: the disk has too little space.`,
    [
      ["needs", formatBytes(bytes + MARGIN)],
      ["free", formatBytes(free)],
      ["fix", "free some space or choose another folder with --out, then go on with --resume"],
    ],
  );
}
