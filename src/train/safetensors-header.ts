/**
 * @file The header of a safetensors file, read strictly.
 *
 * Layout: 8 bytes little-endian header length, JSON, tensor bytes without holes or overlaps.
 * Everything is checked before a tensor is touched, so a damaged file never gives damaged numbers.
 *
 * @see https://github.com/huggingface/safetensors#format
 */

import { TextDecoder } from "node:util";
import { DTYPES, type DType, dtypeFacts } from "../core/dtype.ts";
import { CheckpointError, type Fact } from "../core/errors.ts";
import { doubledKey } from "./json-keys.ts";

/** Where one tensor lies; offsets count from the end of the header. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of the header. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Index of the first tensor byte in the file. */
  readonly dataStart: number;
}

export const METADATA_KEY = "__metadata__";
const LENGTH_BYTES = 8;
const LARGEST_HEADER = 100_000_000;

/** Bytes from the start of a file that `bytes` must hold, so that `readHeader` can read its header. */
export function bytesToHeaderEnd(bytes: Uint8Array, where: string, fileBytes: number): number {
  return LENGTH_BYTES + headerLength(bytes, where, fileBytes);
}

/**
 * @param bytes - the whole file, or its start up to the end of the header
 * @param where - its path, for errors
 * @param fileBytes - length of the whole file
 * @throws CheckpointError naming the file, and the tensor where there is one
 */
export function readHeader(
  bytes: Uint8Array,
  where: string,
  fileBytes: number = bytes.length,
): SafetensorsHeader {
  const length = headerLength(bytes, where, fileBytes);
  const dataStart = LENGTH_BYTES + length;
  const record = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart), where);
  const metadata = readMetadata(record[METADATA_KEY], where);
  const entries = Object.entries(record)
    .filter(([name]) => name !== METADATA_KEY)
    .map(([name, value]) => readEntry(name, value, where));
  checkCover(entries, fileBytes - dataStart, where);
  return { entries, metadata, dataStart };
}

/** Product of the sizes; 1 for a scalar. */
export function countOf(dims: readonly number[]): number {
  return dims.reduce((product, size) => product * size, 1);
}

/** A complaint about a safetensors file. */
export function damaged(where: string, what: string, facts: readonly Fact[] = []): CheckpointError {
  return new CheckpointError("CHECKPOINT-01", `safetensors: ${where}: ${what}`, [
    ...facts,
    ["fix", "the file is damaged or not safetensors: copy it again, or use an earlier checkpoint"],
  ]);
}

function headerLength(bytes: Uint8Array, where: string, fileBytes: number): number {
  if (bytes.length < LENGTH_BYTES) {
    throw damaged(where, `${bytes.length} bytes are too few for a header length.`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES);
  const length = view.getBigUint64(0, true);
  if (length > LARGEST_HEADER) {
    throw damaged(where, `its header claims ${length} bytes; the format allows 100 MB.`);
  }
  if (Number(length) > fileBytes - LENGTH_BYTES) {
    throw damaged(where, "it ends inside the header.", [
      ["header", `${length} bytes`],
      ["file", `${fileBytes} bytes`],
    ]);
  }
  return Number(length);
}

function parseHeader(header: Uint8Array, where: string): Record<string, unknown> {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(header);
    parsed = JSON.parse(text);
  } catch (cause) {
    throw damaged(where, "its header is not JSON.", [["cause", (cause as Error).message]]);
  }
  if (!isRecord(parsed) || !text.startsWith("{")) {
    throw damaged(where, "its header is not a JSON object.");
  }
  const doubled = doubledKey(text);
  if (doubled !== undefined) throw damaged(where, `its header has "${doubled}" twice.`);
  return parsed;
}

function readMetadata(value: unknown, where: string): Record<string, string> {
  if (value === undefined) return {};
  if (isRecord(value) && Object.values(value).every((text) => typeof text === "string")) {
    return value as Record<string, string>;
  }
  throw damaged(where, `${METADATA_KEY} is not a map from strings to strings.`);
}

function readEntry(name: string, value: unknown, where: string): TensorEntry {
  const fail = (what: string) => damaged(where, `tensor "${name}": ${what}`);
  if (!isRecord(value)) throw fail("its entry is not an object.");
  const unknown = Object.keys(value).find((key) => !ENTRY_KEYS.includes(key));
  if (unknown !== undefined) throw fail(`its entry has an unknown key "${unknown}".`);
  const [written, dims, offsets] = ENTRY_KEYS.map((key) => value[key]);
  const dtype = DTYPES.find((known) => dtypeFacts(known).safetensors === written);
  if (dtype === undefined) {
    const known = DTYPES.map((each) => dtypeFacts(each).safetensors).join(", ");
    throw fail(`dtype ${JSON.stringify(written)} is not supported; known are ${known}.`);
  }
  if (!isSizes(dims)) throw fail(`shape ${JSON.stringify(dims)} is not a list of sizes.`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw fail(`data_offsets ${JSON.stringify(offsets)} are not two offsets.`);
  }
  const [begin = 0, end = 0] = offsets;
  const needed = countOf(dims) * dtypeFacts(dtype).bytes;
  if (end - begin !== needed) {
    throw fail(
      `data_offsets [${begin}, ${end}] hold ${end - begin} bytes; ` +
        `${written}[${dims.join(", ")}] needs ${needed}.`,
    );
  }
  return { name, dtype, dims, begin, end };
}

const ENTRY_KEYS: readonly string[] = ["dtype", "shape", "data_offsets"];

/** Sorted by place, each tensor must begin where the one before ends, and the last at the file's end. */
function checkCover(entries: readonly TensorEntry[], size: number, where: string): void {
  let at = 0;
  for (const entry of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    const range = `data_offsets [${entry.begin}, ${entry.end}]`;
    const fail = (what: string) => damaged(where, `tensor "${entry.name}": ${range} ${what}`);
    if (entry.end > size) throw fail(`end outside the ${size} bytes of data.`);
    if (entry.begin < at) throw fail(`overlap the tensor before, which ends at ${at}.`);
    if (entry.begin > at) throw fail(`leave a hole after byte ${at}.`);
    at = entry.end;
  }
  if (at !== size)
    throw damaged(where, `${size - at} bytes behind the last tensor belong to none.`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
