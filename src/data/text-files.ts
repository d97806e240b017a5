/** @file Text files as bytes that are known to be UTF-8: read, unpacked, checked, joined. */

import { isUtf8 } from "node:buffer";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { DataError } from "../core/errors.ts";

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/**
 * The bytes of one text file, a leading byte order mark removed; `.gz` is unpacked.
 *
 * @throws DataError when the file cannot be read, is empty, or is no UTF-8 text
 */
export async function readText(path: string): Promise<Uint8Array> {
  const raw = await readFile(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const bytes = path.endsWith(".gz") ? await unpack(path, raw) : new Uint8Array(raw);
  if (bytes.length === 0) {
    throw new DataError("DATA-01", `corpus: ${path} is empty.`, [
      ["fix", "give a file that holds text"],
    ]);
  }
  checkText(path, bytes);
  const marked = BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte);
  return marked ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes;
}

/**
 * All text files below a folder, sorted by path; hidden files and folders are left out.
 *
 * @param endings - how the names end, for example `.txt`
 * @throws DataError when the folder cannot be read or has no such file
 */
export async function listTexts(folder: string, endings: readonly string[]): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (cause: unknown) => {
      throw unreadable(folder, cause);
    },
  );
  const paths = entries
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/[\\/]\./.test(path.slice(folder.length)))
    // By code unit, not by locale: the order must be the same on every machine.
    .sort((a, b) => (a < b ? -1 : 1));
  if (paths.length > 0) return paths;
  throw new DataError("DATA-01", `corpus: the folder ${folder} has no text file.`, [
    ["looked for", endings.join(", ")],
    ["fix", "put text files there, or give the path of one file"],
  ]);
}

/** Texts after one another with an empty line between. */
export function joinTexts(texts: readonly Uint8Array[]): Uint8Array {
  const pieces = texts.flatMap((text, i) => {
    if (i === texts.length - 1) return [text];
    return [text, Uint8Array.from(text.at(-1) === NEWLINE ? [NEWLINE] : [NEWLINE, NEWLINE])];
  });
  const joined = new Uint8Array(pieces.reduce((total, piece) => total + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

/** Whether a path is a file or a folder; undefined when nothing is there. */
export async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  const found = await stat(path).catch((cause: unknown) => {
    const code = errorCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw unreadable(path, cause);
  });
  if (found === undefined) return undefined;
  return found.isDirectory() ? "folder" : "file";
}

async function unpack(path: string, raw: Uint8Array): Promise<Uint8Array> {
  try {
    return new Uint8Array(await promisify(gunzip)(raw));
  } catch (cause) {
    throw new DataError("DATA-01", `corpus: ${path} is a damaged gzip file.`, [
      ["cause", (cause as Error).message],
      ["fix", "copy or download the file again"],
    ]);
  }
}

function checkText(path: string, bytes: Uint8Array): void {
  const zero = bytes.indexOf(0);
  if (zero >= 0) {
    throw new DataError("DATA-01", `corpus: ${path} is not text: byte ${zero} is zero.`, [
      ["fix", "give a text file; if it is UTF-16, save it as UTF-8"],
    ]);
  }
  if (isUtf8(bytes)) return;
  const offset = firstInvalid(bytes);
  const found =
    offset < bytes.length
      ? `0x${(bytes[offset] ?? 0).toString(16).padStart(2, "0")}`
      : "the end of the file, inside a character";
  throw new DataError("DATA-01", `corpus: ${path} is not UTF-8 at byte ${offset}.`, [
    ["found", found],
    ["fix", "save the file as UTF-8, for example: iconv -f LATIN1 -t UTF-8"],
  ]);
}

/**
 * Where the first character that is no UTF-8 begins; the length where the text ends inside one.
 *
 * A prefix breaks if a shorter one does, so the place can be halved in on.
 */
function firstInvalid(bytes: Uint8Array): number {
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (startsWell(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  if (good === bytes.length) return good;
  let start = good;
  while (!isUtf8(bytes.subarray(0, start))) start--;
  return start;
}

function startsWell(prefix: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(prefix, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function unreadable(path: string, cause: unknown): DataError {
  return new DataError("DATA-01", `corpus: cannot read ${path}.`, [
    ["cause", errorCode(cause) ?? String(cause)],
    ["fix", "check the path and its permissions"],
  ]);
}

function errorCode(cause: unknown): string | undefined {
  return cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
}
