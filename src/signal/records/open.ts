/** @file Records from the disk: packed or not, with the checksum of the file. */

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { DataError } from "../../core/errors.ts";
import { errnoOf } from "../../files/disk.ts";
import { type ParseOptions, parseRecord } from "./parse.ts";
import type { TimeRecord } from "./record.ts";

/** A record of daily values for a thousand years is smaller. */
const LARGEST = 2 ** 29;

/**
 * Reads a file in any of the formats; gzip is told by its first bytes, whatever the name.
 *
 * @throws DataError for a file that is not there or damaged, and as `parseRecord`
 */
export async function openRecord(path: string, options: ParseOptions = {}): Promise<TimeRecord> {
  const bytes = await bytesOf(path);
  const text = new TextDecoder().decode(unpacked(bytes, path));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { ...parseRecord(text, path, options), sha256 };
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    // A pipe would be waited on for ever.
    if (!found.isFile()) throw refused(path, "no plain file", "give the path of a file");
    if (found.size > LARGEST) throw refused(path, `${found.size} bytes are too many`, "cut it");
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const code = errnoOf(cause);
    if (code === "ENOENT" || code === "ENOTDIR")
      throw refused(
        path,
        "no such file",
        "check the path; `meshloom data fetch iers` gets the IERS files",
      );
    throw refused(
      path,
      `cannot be read (${code ?? String(cause)})`,
      "check the file's permissions",
    );
  }
}

function unpacked(bytes: Uint8Array, path: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: LARGEST });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw refused(path, `damaged gzip (${why})`, "copy or fetch it again");
  }
}

function refused(path: string, what: string, fix: string): DataError {
  return new DataError("DATA-01", `${path}: ${what}.`, [["fix", fix]]);
}
