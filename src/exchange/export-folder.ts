/**
 * @file A folder that is there whole or not at all: filled under another name beside its place, then renamed.
 */

import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DiskError } from "../core/errors.ts";
import { isOrphan, isTemporary, syncFolder, temporaryName } from "../files/atomic.ts";
import { diskError, ifPresent } from "../files/disk.ts";

export interface FolderOptions {
  /** Whether an export that is there may be replaced. */
  readonly force: boolean;
}

/** The old folder while the new one takes its place. */
const ASIDE = ".old-";

/** Files by which a folder is known as an export; `force` deletes nothing else. */
const MARKS = ["config.json", "README.md"];

/**
 * Fills a folder by `fill`, which gets the path of an empty folder, and puts it at `path`.
 *
 * What unfinished exports to the same place left behind is swept first.
 *
 * @throws DiskError when something is at `path` already and `force` is not set, when what is there is no
 *   export, or when the disk refuses; what was there is then as it was
 */
export async function writeFolder<T>(
  path: string,
  { force }: FolderOptions,
  fill: (folder: string) => Promise<T>,
): Promise<T> {
  const place = resolve(path);
  await checkPlace(path, force);
  await sweep(place);
  const temporary = join(dirname(place), temporaryName(basename(place)));
  try {
    await mkdir(temporary, { recursive: true });
    const result = await fill(temporary);
    await syncFolder(temporary);
    await putInPlace(temporary, place);
    await syncFolder(dirname(place));
    return result;
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    if (cause instanceof Error && "syscall" in cause) throw diskError("export", path, cause);
    throw cause;
  }
}

/** @throws DiskError as `writeFolder`, before any work */
export async function checkPlace(path: string, force: boolean): Promise<void> {
  const found = await ifPresent(stat(path)).catch((cause: unknown) => {
    throw diskError("export", path, cause);
  });
  if (found === undefined) return;
  const refuse = (what: string, fix: string) =>
    new DiskError("DISK-01", `export: ${path} ${what}.`, [["fix", fix]]);
  if (!found.isDirectory()) throw refuse("is a file", "choose another folder with --out");
  const names = await readdir(path);
  if (names.length === 0) return;
  if (!MARKS.every((name) => names.includes(name))) {
    throw refuse(
      "is a folder of something else",
      "choose another folder with --out; --force replaces exports only",
    );
  }
  if (!force) {
    throw refuse("has an export already", "--force replaces it; or choose another with --out");
  }
}

/** Removes what dead processes left, and gives back an old export whose replacement was cut short. */
async function sweep(place: string): Promise<void> {
  const [parent, name] = [dirname(place), basename(place)];
  const names = (await ifPresent(readdir(parent))) ?? [];
  for (const found of names) {
    const unfinished = isTemporary(found) && found.startsWith(`.tmp-${name}-`);
    const aside = found.startsWith(`${ASIDE}${name}-`);
    if (!(unfinished || aside) || !isOrphan(found)) continue;
    if (aside && (await ifPresent(stat(place))) === undefined) {
      await rename(join(parent, found), place);
    } else {
      await rm(join(parent, found), { recursive: true, force: true });
    }
  }
}

/** Folders cannot replace one another in one call, so an old one steps aside first. */
async function putInPlace(temporary: string, place: string): Promise<void> {
  const aside = join(dirname(place), temporaryName(basename(place)).replace(".tmp-", ASIDE));
  const had = await ifPresent(rename(place, aside).then(() => true));
  try {
    await rename(temporary, place);
  } catch (cause) {
    if (had === true) await rename(aside, place);
    throw cause;
  }
  // What cannot be removed now is swept by the next export.
  if (had === true) await rm(aside, { recursive: true, force: true }).catch(() => {});
}
