/**
 * @file Checkpoints that survive a kill at any moment.
 *
 * A checkpoint is written into a temporary sibling folder and takes its name by a rename, so a
 * folder `checkpoints/<step>` is whole or damaged by something else, which its checksums tell.
 * Which of them are kept is decided in `retention.ts`; writing behind a training loop in
 * `checkpointer.ts`.
 */

import { createHash } from "node:crypto";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../core/errors.ts";
import { formatBytes } from "../core/text.ts";
import { syncFolder, temporaryName, writeDurably } from "../files/atomic.ts";
import { diskError, errnoOf, ifPresent, isFull } from "../files/disk.ts";
import { checkSpace, makeFolder } from "../files/folder.ts";
import { type FileFacts, type FileHasher, onThisThread, readBlocks } from "../files/hashed.ts";
import { readSmall } from "../files/read.ts";
import {
  checkpointError,
  formatManifest,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
} from "./manifest.ts";
import { decodeSafetensors, type NamedTensor } from "./safetensors.ts";
import { refuseDoubled, type Shard, shardsOf } from "./shards.ts";

export interface LoadedCheckpoint {
  readonly step: number;
  readonly tensors: readonly NamedTensor[];
  readonly info: Readonly<Record<string, unknown>>;
  /** One line for each newer checkpoint that was passed over; show them to the user. */
  readonly warnings: readonly string[];
}

/** Bytes; a manifest of a thousand files has 0.2 MB. */
const LARGEST_MANIFEST = 2 ** 24;

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
  await writeCheckpoint(runFolder, step, stateShards(step, tensors), info, onThisThread);
}

/** The files of a checkpoint. @throws CheckpointError when the tensors cannot be written faithfully */
export function stateShards(step: number, tensors: readonly NamedTensor[]): readonly Shard[] {
  return shardsOf(tensors, { format: "meshloom", step: String(step) });
}

/** As `saveCheckpoint`, from its files. @param hasher - writes the large files */
export async function writeCheckpoint(
  runFolder: string,
  step: number,
  shards: readonly Shard[],
  info: Readonly<Record<string, unknown>>,
  hasher: FileHasher,
): Promise<void> {
  const parent = checkpointsFolder(runFolder);
  const path = join(parent, folderName(step));
  const bytes = shards.reduce((total, shard) => total + shard.bytes, 0);
  const temporary = join(parent, temporaryName(folderName(step)));
  // Before the long write: what cannot be said in JSON is the caller's mistake.
  formatManifest({ step, info, files: {} });
  try {
    await makeFolder(parent);
    await checkSpace("checkpoint", path, parent, bytes);
    await makeFolder(temporary);
    const files: Record<string, FileFacts> = {};
    for (const { file, chunks } of shards) {
      files[file] = await hasher.write(join(temporary, file), chunks);
    }
    const manifest = formatManifest({ step, info, files });
    await writeDurably(join(temporary, MANIFEST_FILE), [new TextEncoder().encode(manifest)]);
    await syncFolder(temporary);
    await putInPlace(temporary, path);
    await syncFolder(parent);
    // The first checkpoint also makes the folder `checkpoints` itself.
    await syncFolder(runFolder);
  } catch (cause) {
    await removeQuietly(temporary);
    const error = diskError("checkpoint", path, cause);
    throw isFull(cause) ? error.tell("needs", formatBytes(bytes)) : error;
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
    throw checkpointError(`${checkpointsFolder(runFolder)} has no step ${step}.`, [
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
  const folder = checkpointsFolder(runFolder);
  if (warnings.length === 0) throw checkpointError(`${folder} has no checkpoint.`);
  throw checkpointError(
    `no checkpoint in ${folder} verifies.`,
    warnings.map((line) => ["tried", line]),
  );
}

/** Steps with a checkpoint folder, rising; they need not verify. */
export async function listCheckpoints(runFolder: string): Promise<number[]> {
  const names = (await ifPresent(readdir(checkpointsFolder(runFolder)))) ?? [];
  const steps = names.filter((name) => /^\d+$/.test(name)).map(Number);
  return steps.filter((step) => names.includes(folderName(step))).sort((a, b) => a - b);
}

/**
 * Checks lengths and checksums without keeping the tensors in memory.
 *
 * @throws CheckpointError naming the file that is missing or damaged
 */
export async function verifyCheckpoint(
  runFolder: string,
  step: number,
  hasher: FileHasher = onThisThread,
): Promise<void> {
  const folder = join(checkpointsFolder(runFolder), folderName(step));
  const { files } = await readManifest(folder, step);
  for (const [name, expected] of Object.entries(files)) {
    const path = join(folder, name);
    const found = await hasher.hash(path).catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
    checkFacts(path, found, expected);
  }
}

export function checkpointsFolder(runFolder: string): string {
  return join(runFolder, "checkpoints");
}

/** Eight digits or more, so that names sort as their steps do. */
export function folderName(step: number): string {
  return String(step).padStart(8, "0");
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
  const folder = join(checkpointsFolder(runFolder), folderName(step));
  const { info, files } = await readManifest(folder, step);
  const tensors: NamedTensor[] = [];
  for (const [name, expected] of Object.entries(files)) {
    const path = join(folder, name);
    tensors.push(...decodeSafetensors(await readChecked(path, expected), path).tensors);
  }
  refuseDoubled(tensors.map(({ name }) => name));
  return { step, info, tensors };
}

async function readManifest(folder: string, step: number): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  const text = await readSmall(path, LARGEST_MANIFEST).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const manifest = parseManifest(text, path);
  if (manifest.step !== step) {
    throw checkpointError(
      `${path} is of step ${manifest.step}, but lies in the folder of ${step}.`,
    );
  }
  if (Object.keys(manifest.files).length === 0) throw checkpointError(`${path} lists no files.`);
  return manifest;
}

/** The bytes of a file, which are those that were written. */
async function readChecked(path: string, expected: FileFacts): Promise<Uint8Array> {
  const hash = createHash("sha256");
  let length = 0;
  try {
    // Before the memory is taken: the manifest's number may be anything.
    const { size } = await stat(path);
    if (size !== expected.bytes) checkFacts(path, { bytes: size, sha256: "" }, expected);
    const bytes = new Uint8Array(expected.bytes);
    await readBlocks(path, (block) => {
      hash.update(block);
      if (length + block.length <= bytes.length) bytes.set(block, length);
      length += block.length;
    });
    checkFacts(path, { bytes: length, sha256: hash.digest("hex") }, expected);
    return bytes;
  } catch (cause) {
    throw unreadable(path, cause);
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

function unreadable(path: string, cause: unknown): CheckpointError {
  if (cause instanceof CheckpointError) return cause;
  const what = errnoOf(cause) === "ENOENT" ? `${path} is missing.` : `${path} cannot be read.`;
  return checkpointError(what, [["cause", cause instanceof Error ? cause.message : String(cause)]]);
}

async function removeQuietly(path: string): Promise<void> {
  // What cannot be removed now is swept when the run starts again.
  await rm(path, { recursive: true, force: true }).catch(() => {});
}
