/**
 * @file The manifest of a checkpoint: which files belong to it, with their lengths and checksums.
 *
 * It is written last and has a checksum of its own, so a folder with a manifest that verifies is
 * whole.
 */

import { createHash } from "node:crypto";
import { z } from "zod";
import { CheckpointError, type Fact } from "../core/errors.ts";
import type { FileFacts } from "../files/hashed.ts";

export const MANIFEST_FILE = "manifest.json";
const FORMAT = "meshloom-checkpoint";
const VERSION = 1;

export interface Manifest {
  readonly step: number;
  /** What the trainer keeps besides tensors, for example the data position. JSON. */
  readonly info: Readonly<Record<string, unknown>>;
  /** By file name within the checkpoint's folder. */
  readonly files: Readonly<Record<string, FileFacts>>;
}

const schema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  step: z.int().nonnegative(),
  info: z.record(z.string(), z.unknown()),
  files: z.record(
    // A plain name: the manifest must not lead out of its folder.
    z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
    z.object({ bytes: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
});

/** @throws CheckpointError when `info` holds what JSON would change, such as NaN */
export function formatManifest(manifest: Manifest): string {
  const body = JSON.parse(
    JSON.stringify({ format: FORMAT, version: VERSION, ...manifest }, refuseLossy),
  );
  return `${JSON.stringify({ ...body, checksum: checksumOf(body) }, null, 2)}\n`;
}

/**
 * @param where - path of the manifest, for errors
 * @throws CheckpointError when the text is no manifest of this version, or was changed
 */
export function parseManifest(text: string, where: string): Manifest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw checkpointError(`${where} is not JSON.`, [["cause", (cause as Error).message]]);
  }
  const { checksum, ...body } = (typeof parsed === "object" ? (parsed ?? {}) : {}) as {
    checksum?: unknown;
    version?: unknown;
  };
  if (checksum !== checksumOf(body)) {
    throw checkpointError(`${where} does not match its own checksum.`);
  }
  const checked = schema.safeParse(body);
  if (checked.success) return checked.data;
  throw checkpointError(`${where} is of another version or form.`, [
    ["found", `version ${String(body.version)}`],
    ["reads", `version ${VERSION}`],
  ]);
}

/** The checksum that `formatManifest` puts into a manifest with this body. */
export function checksumOf(body: object): string {
  return createHash("sha256").update(JSON.stringify(body)).digest("hex");
}

/** A complaint about a checkpoint on disk. */
export function checkpointError(what: string, facts: readonly Fact[] = []): CheckpointError {
  return new CheckpointError("CHECKPOINT-01", `checkpoint: ${what}`, [
    ...facts,
    ["fix", "go on from another checkpoint of this run, or start again with another --out"],
  ]);
}

/** JSON would turn NaN into null and drop functions; a resumed run would then differ silently. */
function refuseLossy(key: string, value: unknown): unknown {
  const lossy =
    (typeof value === "number" && !Number.isFinite(value)) ||
    typeof value === "bigint" ||
    typeof value === "function";
  if (!lossy) return value;
  throw new CheckpointError("CHECKPOINT-01", `checkpoint: info "${key}" is ${String(value)}.`, [
    ["fix", "keep only finite numbers, strings, booleans, lists and records in info"],
  ]);
}
