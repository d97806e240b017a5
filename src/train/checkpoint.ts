/**
 * @file Checkpoints that survive a kill at any moment.
 *
 * A checkpoint is written into a temporary sibling folder and takes its name by a rename, so a
 * folder `checkpoints/<step>` is whole or damaged by something else, which its checksums tell.
 */

import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../core/errors.ts";
import { isTemporary, syncFolder, temporaryName, writeDurably } from "../files/atomic.ts";
import { diskError, errnoOf, ifPresent } from "../files/disk.ts";
import {
  checkpointError,
  type FileFacts,
  formatManifest,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
} from "./manifest.ts";
import { decodeSafetensors, type NamedTensor, safetensorsChunks } from "./safetensors.ts";

export interface LoadedCheckpoint {
  readonly step: number;
  readonly tensors: readonly NamedTensor[];
  readonly info: Readonly<Record<string, unknown>>;
  /** One line for each newer checkpoint that was passed over; show them to the user. */
  readonly warnings: readonly string[];
}

const STATE_FILE = "state.safetensors";
/** A checkpoint that a newer one of the same step replaces, or one being deleted. */
const REPLACED = /^\.old-(\d{8,})-/;
const READ_BYTES = 2 ** 28;

/**
 * Writes `checkpoints/<step>/` so that it is there whole or not at all.
 *
 * @param tensors - their memory must not change until the promise resolves
 * @param info - JSON kept beside the tensors; finite numbers only
 * @throws DiskError when the disk refuses; earlier checkpoints are then untouched
 * @throws CheckpointError when tensors or info cannot be written faithfully
 */
export async function saveCheckpoint(
  runFolder: string,
  step: number,
  tensors: readonly NamedTensor[],
  info: Readonly<Record<string, unknown>>,
): Promise<void> {
  const parent = parentOf(runFolder);
  const path = join(parent, folderName(step));
  const chunks = safetensorsChunks(tensors, { format: "meshloom", step: String(step) });
  const manifest = formatManifest({ step, info, files: { [STATE_FILE]: factsOf(chunks) } });
  const temporary = join(parent, temporaryName(folderName(step)));
  try {
    await mkdir(temporary, { recursive: true });
    await writeDurably(join(temporary, STATE_FILE), chunks);
    await writeDurably(join(temporary, MANIFEST_FILE), [new TextEncoder().encode(manifest)]);
    await syncFolder(temporary);
    await putInPlace(temporary, path);
    await syncFolder(parent);
    // The first checkpoint also makes the folder `checkpoints` itself.
    await syncFolder(runFolder);
  } catch (cause) {
    await removeQuietly(temporary);
    throw diskError("checkpoint", path, cause);
  }
}

/**
 * The checkpoint of a step, or the newest that verifies.
 *
 * @throws CheckpointError when there is none, or none that verifies
 */
export async function loadCheckpoint(
  runFolder: string,
  step: number | "latest",
): Promise<LoadedCheckpoint> {
  const steps = await listCheckpoints(runFolder);
  if (step !== "latest") {
    if (steps.includes(step)) return { ...(await read(runFolder, step)), warnings: [] };
    throw checkpointError(`${parentOf(runFolder)} has no step ${step}.`, [
      ["steps there", steps.join(", ") || "none"],
    ]);
  }
  const warnings: string[] = [];
  for (const candidate of steps.toReversed()) {
    try {
      return { ...(await read(runFolder, candidate)), warnings };
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      warnings.push(`passed over step ${candidate}: ${error.headline}`);
    }
  }
  if (warnings.length === 0) throw checkpointError(`${parentOf(runFolder)} has no checkpoint.`);
  throw checkpointError(
    `no checkpoint in ${parentOf(runFolder)} verifies.`,
    warnings.map((line) => ["tried", line]),
  );
}

/** Steps with a checkpoint folder, rising; they need not verify. */
export async function listCheckpoints(runFolder: string): Promise<number[]> {
  const names = (await ifPresent(readdir(parentOf(runFolder)))) ?? [];
  const steps = names.filter((name) => /^\d{8,}$/.test(name)).map(Number);
  return steps.sort((a, b) => a - b);
}

/**
 * Checks lengths and checksums without keeping the tensors in memory.
 *
 * @throws CheckpointError naming the file that is missing or damaged
 */
export async function verifyCheckpoint(runFolder: string, step: number): Promise<void> {
  const folder = join(parentOf(runFolder), folderName(step));
  const { files } = await readManifest(folder, step);
  for (const [name, expected] of Object.entries(files)) {
    const hash = createHash("sha256");
    const path = join(folder, name);
    let bytes = 0;
    await readPieces(path, (piece) => {
      hash.update(piece);
      bytes += piece.length;
    });
    checkFacts(path, { bytes, sha256: hash.digest("hex") }, expected);
  }
}

/**
 * Deletes all but the newest `keep` checkpoints, after the newest has been read back and verified.
 *
 * @param keep - 1 or more
 * @param newest - the step just saved; later ones were passed over as damaged when the run resumed,
 *   and go too. The last one there is when absent.
 * @returns the deleted steps
 * @throws CheckpointError when the newest does not verify; nothing is deleted then
 */
export async function pruneCheckpoints(
  runFolder: string,
  keep: number,
  newest?: number,
): Promise<number[]> {
  const all = await listCheckpoints(runFolder);
  const last = newest ?? all.at(-1);
  if (last === undefined) return [];
  const kept = all.filter((step) => step <= last).slice(-Math.max(1, keep));
  const old = all.filter((step) => !kept.includes(step));
  if (old.length === 0) return [];
  await verifyCheckpoint(runFolder, last);
  const parent = parentOf(runFolder);
  for (const step of old) {
    // Under its own name, a half-deleted folder would look like a damaged checkpoint.
    const doomed = join(parent, temporaryName(folderName(step)));
    try {
      await rename(join(parent, folderName(step)), doomed);
      await rm(doomed, { recursive: true });
    } catch (cause) {
      throw diskError("checkpoint", join(parent, folderName(step)), cause);
    }
  }
  return old;
}

/**
 * Removes what a killed run left behind, and gives back a checkpoint whose replacement was cut short.
 *
 * Call it only under the run's lock: it takes every unfinished folder for an orphan.
 *
 * @returns the names removed or put back
 */
export async function sweepLeftovers(runFolder: string): Promise<string[]> {
  const parent = parentOf(runFolder);
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

/** Folders cannot replace one another in one call, so an old one of the same step steps aside first. */
async function putInPlace(temporary: string, path: string): Promise<void> {
  const aside = path.replace(/(\d+)$/, `.old-$1-${process.pid}`);
  await rm(aside, { recursive: true, force: true });
  const had = await ifPresent(rename(path, aside).then(() => true));
  try {
    await rename(temporary, path);
  } catch (cause) {
    if (had === true) await rename(aside, path);
    throw cause;
  }
  if (had === true) await removeQuietly(aside);
}

async function read(runFolder: string, step: number): Promise<Omit<LoadedCheckpoint, "warnings">> {
  const folder = join(parentOf(runFolder), folderName(step));
  const { info, files } = await readManifest(folder, step);
  const expected = files[STATE_FILE];
  const path = join(folder, STATE_FILE);
  if (expected === undefined) throw checkpointError(`${folder} lists no ${STATE_FILE}.`);
  const bytes = new Uint8Array(expected.bytes);
  let length = 0;
  await readPieces(path, (piece) => {
    if (length + piece.length <= bytes.length) bytes.set(piece, length);
    length += piece.length;
  });
  checkFacts(path, { ...factsOf([bytes]), bytes: length }, expected);
  return { step, info, tensors: decodeSafetensors(bytes, path).tensors };
}

async function readManifest(folder: string, step: number): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const manifest = parseManifest(text, path);
  if (manifest.step === step) return manifest;
  throw checkpointError(`${path} is of step ${manifest.step}, but lies in the folder of ${step}.`);
}

/** A file piece by piece; the piece is only good until the callback returns. */
async function readPieces(path: string, take: (piece: Uint8Array) => void): Promise<void> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    const { size } = await handle.stat();
    const buffer = new Uint8Array(Math.max(1, Math.min(size, READ_BYTES)));
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      take(buffer.subarray(0, bytesRead));
    }
  } catch (cause) {
    throw unreadable(path, cause);
  } finally {
    await handle.close();
  }
}

function checkFacts(path: string, found: FileFacts, expected: FileFacts): void {
  if (found.bytes !== expected.bytes) {
    throw checkpointError(`${path} has ${found.bytes} bytes; ${expected.bytes} were written.`);
  }
  if (found.sha256 !== expected.sha256) {
    throw checkpointError(`${path} has changed since it was written.`, [
      ["sha256 now", found.sha256],
      ["sha256 then", expected.sha256],
    ]);
  }
}

function factsOf(chunks: readonly Uint8Array[]): FileFacts {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return {
    bytes: chunks.reduce((total, chunk) => total + chunk.length, 0),
    sha256: hash.digest("hex"),
  };
}

function unreadable(path: string, cause: unknown): CheckpointError {
  if (cause instanceof CheckpointError) return cause;
  const what = errnoOf(cause) === "ENOENT" ? `${path} is missing.` : `${path} cannot be read.`;
  return checkpointError(what, [["cause", cause instanceof Error ? cause.message : String(cause)]]);
}

async function removeQuietly(path: string): Promise<void> {
  // What cannot be removed now is swept when the run starts again.
  await rm(path, { recursive: true, force: true }).catch(() => {});
}

function parentOf(runFolder: string): string {
  return join(runFolder, "checkpoints");
}

function folderName(step: number): string {
  return String(step).padStart(8, "0");
}
