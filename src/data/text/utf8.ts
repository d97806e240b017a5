/** @file Bytes to text, piece by piece: every byte is known to be UTF-8, or named with its place. */

import { isUtf8 } from "node:buffer";
import { DataError } from "../../core/errors.ts";
import { fileBytes } from "./bytes.ts";

/** What happens where a file is not UTF-8: the run stops, or the bytes become U+FFFD and are counted. */
export type OnInvalid = "stop" | "replace";

/** What was met on the way, added up over files. */
export interface TextCounts {
  /** U+FFFD put in the place of broken bytes. */
  replaced: number;
  /** Bytes read from files, before unpacking. */
  read: number;
}

/**
 * The text of a file in pieces that end between characters. A byte order mark at the start is dropped; line ends stay
 * as they are.
 *
 * @throws DataError at a zero byte, and unless `onInvalid` is `replace` at the first byte that is no UTF-8
 */
export async function* fileText(
  path: string,
  onInvalid: OnInvalid = "stop",
  counts: TextCounts = { replaced: 0, read: 0 },
): AsyncGenerator<string> {
  let open: Uint8Array = new Uint8Array();
  let offset = 0;
  const decode = (bytes: Uint8Array): string => {
    check(path, bytes, offset, onInvalid);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
    if (onInvalid === "replace") counts.replaced += marksIn(text) - encodedMarksIn(bytes);
    const marked = offset === 0 && text.startsWith("\ufeff");
    offset += bytes.length;
    return marked ? text.slice(1) : text;
  };
  for await (const chunk of fileBytes(path, (bytes) => {
    counts.read += bytes;
  })) {
    const bytes = open.length === 0 ? chunk : Buffer.concat([open, chunk]);
    const whole = bytes.length - openTail(bytes);
    open = bytes.slice(whole);
    const text = decode(bytes.subarray(0, whole));
    if (text !== "") yield text;
  }
  if (open.length > 0) yield decode(open);
}

/** How many bytes at the end begin a character that goes on: 0 to 3. */
function openTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needs > back ? back : 0;
  }
  return 0;
}

function check(path: string, bytes: Uint8Array, offset: number, onInvalid: OnInvalid): void {
  const zero = bytes.indexOf(0);
  if (zero >= 0) {
    throw new DataError("DATA-01", `corpus: ${path} is not text: byte ${offset + zero} is zero.`, [
      ["fix", "give a text file; if it is UTF-16, save it as UTF-8"],
    ]);
  }
  if (onInvalid === "replace" || isUtf8(bytes)) return;
  const at = firstInvalid(bytes);
  const found =
    at < bytes.length && openTail(bytes.subarray(at)) < bytes.length - at
      ? `0x${(bytes[at] ?? 0).toString(16).padStart(2, "0")}`
      : "the end of the file, inside a character";
  throw new DataError("DATA-01", `corpus: ${path} is not UTF-8 at byte ${offset + at}.`, [
    ["found", found],
    ["fix", "save the file as UTF-8, for example: iconv -f LATIN1 -t UTF-8"],
    ["or", "go on with --invalid replace, which puts U+FFFD in the place of such bytes"],
  ]);
}

/**
 * Where the first character that is no UTF-8 begins.
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
  let start = Math.min(good, bytes.length);
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

function marksIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\ufffd"); at >= 0; at = text.indexOf("\ufffd", at + 1)) count++;
  return count;
}

/** U+FFFD that the file itself holds. */
function encodedMarksIn(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let count = 0;
  for (let at = buffer.indexOf("\ufffd"); at >= 0; at = buffer.indexOf("\ufffd", at + 3)) count++;
  return count;
}
