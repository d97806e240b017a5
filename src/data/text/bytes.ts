/** @file A file as a stream of bytes: read piece by piece, `.gz` unpacked on the way. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { DataError } from "../../core/errors.ts";
import { errnoOf } from "../../files/disk.ts";

/** Large enough that a chunk costs much more than asking for it. */
const CHUNK_BYTES = 2 ** 18;

/**
 * The bytes of a file in pieces; nothing is held but the piece.
 *
 * @param onRead - told how many bytes of the file itself, packed or not, came in since it was last told
 * @throws DataError when the file cannot be read, or its gzip data is damaged or ends too early
 */
export async function* fileBytes(
  path: string,
  onRead: (bytes: number) => void = () => {},
): AsyncGenerator<Uint8Array> {
  const packed = isPacked(path);
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  // An error of the file destroys the unpacker too, and reaches whoever reads from that.
  const bytes = packed ? pipeline(file, createGunzip({ chunkSize: CHUNK_BYTES }), () => {}) : file;
  try {
    let told = 0;
    for await (const chunk of bytes) {
      onRead(file.bytesRead - told);
      told = file.bytesRead;
      yield chunk as Uint8Array;
    }
  } catch (cause) {
    throw packed && isDamage(cause) ? damaged(path, cause) : unreadable(path, cause);
  } finally {
    file.destroy();
  }
  // zlib takes no bytes at all for an empty archive.
  if (packed && file.bytesRead === 0) throw damaged(path, new Error("the file is empty"));
}

/** Bytes of a file, as they are after unpacking. */
export async function unpackedSize(path: string): Promise<number> {
  if (!isPacked(path)) return (await statOf(path)).size;
  let size = 0;
  for await (const chunk of fileBytes(path)) size += chunk.length;
  return size;
}

/** @throws DataError when the file cannot be read */
export async function statOf(path: string): Promise<{ size: number; mtimeMs: number }> {
  const { size, mtimeMs } = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  return { size, mtimeMs };
}

/** A name without `.gz`: what is inside. */
export function unpackedName(path: string): string {
  return path.replace(/\.gz$/i, "");
}

export function unreadable(path: string, cause: unknown): DataError {
  return new DataError("DATA-01", `corpus: cannot read ${path}.`, [
    ["cause", errnoOf(cause) ?? String(cause)],
    ["fix", "check the path and its permissions"],
  ]);
}

function isPacked(path: string): boolean {
  return /\.gz$/i.test(path);
}

/** zlib's codes begin with `Z_`. */
function isDamage(cause: unknown): boolean {
  return /^Z_/.test(errnoOf(cause) ?? "");
}

function damaged(path: string, cause: unknown): DataError {
  return new DataError("DATA-01", `corpus: ${path} is a damaged gzip file.`, [
    ["cause", cause instanceof Error ? cause.message : String(cause)],
    ["fix", "copy or download the file again"],
  ]);
}
