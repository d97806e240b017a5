/** @file Which checkpoints stay: the last ones, the best one, every k-th; and what a killed run left. */

import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isTemporary, temporaryName, writeAtomically } from "../files/atomic.ts";
import { diskError, errnoOf, ifPresent } from "../files/disk.ts";
import { type FileHasher, onThisThread } from "../files/hashed.ts";
import { readSmall } from "../files/read.ts";
import { checkpointsFolder, folderName, listCheckpoints, verifyCheckpoint } from "./checkpoint.ts";
import { checkpointError } from "./manifest.ts";

export interface Retention {
  /** The newest ones that stay; 1 or more. */
  readonly last: number;
  /** Checkpoints of steps that this divides stay for good; 0 for none. */
  readonly every?: number;
}

/** The step with the lowest loss on held-out text. */
export interface BestStep {
  readonly step: number;
  /** Nats per token. */
  readonly loss: number;
}

/** A checkpoint that a newer one of the same step replaces, or one being deleted. */
const REPLACED = /^\.old-(\d{8,})-/;
const BEST_FILE = "best.json";
const LARGEST_BEST = 2 ** 16;

const bestSchema = z.object({ step: z.int().nonnegative(), loss: z.number() });

/**
 * Deletes the checkpoints that `retention` does not keep, after the newest has been read back and
 * verified. The best one stays.
 *
 * @param newest - the step just saved; later ones were passed over as damaged when the run resumed,
 *   and go too. The last one there is when absent.
 * @returns the deleted steps
 * @throws CheckpointError when the newest does not verify; nothing is deleted then
 */
export async function pruneCheckpoints(
  runFolder: string,
  retention: Retention,
  newest?: number,
  hasher: FileHasher = onThisThread,
): Promise<number[]> {
  const all = await listCheckpoints(runFolder);
  const last = newest ?? all.at(-1);
  if (last === undefined) return [];
  const best = await readBest(runFolder);
  const { every = 0 } = retention;
  const known = all.filter((step) => step <= last);
  const kept = new Set(known.slice(-Math.max(1, retention.last)));
  for (const step of known) if (step === best?.step || step % every === 0) kept.add(step);
  const old = all.filter((step) => !kept.has(step));
  if (old.length === 0) return [];
  await verifyCheckpoint(runFolder, last, hasher);
  const parent = checkpointsFolder(runFolder);
  for (const step of old) {
    // Under its own name, a half-deleted folder would look like a damaged checkpoint.
    const doomed = join(parent, temporaryName(folderName(step)));
    try {
      await rename(join(parent, folderName(step)), doomed);
    } catch (cause) {
      throw diskError("checkpoint", join(parent, folderName(step)), cause);
    }
    // Network file systems may hold on to a file that someone reads; it is swept at the next start.
    await rm(doomed, { recursive: true, force: true }).catch(() => {});
  }
  return old;
}

/** Says which checkpoint is the best; undefined that none is. @throws DiskError */
export async function markBest(runFolder: string, best: BestStep | undefined): Promise<void> {
  const path = join(checkpointsFolder(runFolder), BEST_FILE);
  if (best !== undefined) return writeAtomically(path, `${JSON.stringify(best)}\n`);
  try {
    await rm(path, { force: true });
  } catch (cause) {
    // Where there is no folder of checkpoints, there is no mark.
    if (errnoOf(cause) !== "ENOTDIR") throw diskError("checkpoint", path, cause);
  }
}

/** What `markBest` said last; undefined when nothing, or when the file cannot be read. */
export async function readBest(runFolder: string): Promise<BestStep | undefined> {
  const path = join(checkpointsFolder(runFolder), BEST_FILE);
  try {
    return bestSchema.parse(JSON.parse(await readSmall(path, LARGEST_BEST)));
  } catch {
    return undefined;
  }
}

/** The step that is marked as the best. @throws CheckpointError when there is none */
export async function bestStep(runFolder: string): Promise<number> {
  const best = await readBest(runFolder);
  if (best !== undefined) return best.step;
  throw checkpointError(`${checkpointsFolder(runFolder)} marks no checkpoint as the best.`, [
    ["looked at", join(checkpointsFolder(runFolder), BEST_FILE)],
    ["steps there", (await listCheckpoints(runFolder)).join(", ") || "none"],
  ]);
}

/**
 * Removes what a killed run left behind, and gives back a checkpoint whose replacement was cut short.
 *
 * Call it only under the run's lock: it takes every unfinished folder for an orphan.
 *
 * @returns the names removed or put back
 */
export async function sweepLeftovers(runFolder: string): Promise<string[]> {
  const parent = checkpointsFolder(runFolder);
  const names = (await ifPresent(readdir(parent))) ?? [];
  const swept: string[] = [];
  try {
    for (const name of names) {
      const replaced = REPLACED.exec(name)?.[1];
      if (replaced !== undefined && !names.includes(replaced)) {
        await rename(join(parent, name), join(parent, replaced));
      } else if (replaced !== undefined || isTemporary(name)) {
        await rm(join(parent, name), { recursive: true });
      } else continue;
      swept.push(name);
    }
  } catch (cause) {
    throw diskError("checkpoint", parent, cause);
  }
  return swept;
}
