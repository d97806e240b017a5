/** @file A token store, opened: tokens and the ends of documents by position, a few pages in memory. */

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { factsSchema, INDEX_FILE, type StoreFacts, shardFile } from "./format.ts";
import { openPagedFile, PAGE_BYTES, PageCache, type PagedFile } from "./paged-file.ts";
import type { DocumentSource } from "./source.ts";

export interface TokenStore extends DocumentSource {
  readonly facts: StoreFacts;
  /** Lets go of its files; it must not be read afterwards. */
  close(): void;
}

export interface ReadStoreOptions {
  /** Bytes of pages kept in memory; 64 MiB when absent. */
  readonly cacheBytes?: number | undefined;
}

const CACHE_BYTES = 2 ** 26;
/** Whole stores up to this size are checked when they are opened; pages of larger ones when they are read. */
const CHECKED_BYTES = 2 ** 28;
const END_BYTES = 8;

/**
 * Opens a finished store.
 *
 * @throws when anything about it is not as it was written: the caller encodes anew
 */
export function readStore(
  folder: string,
  { cacheBytes = CACHE_BYTES }: ReadStoreOptions = {},
): TokenStore {
  const facts = factsSchema.parse(JSON.parse(readFileSync(join(folder, INDEX_FILE), "utf8")));
  const cache = new PageCache(cacheBytes);
  const opened: PagedFile[] = [];
  const close = () => {
    for (const file of opened) file.close();
  };
  const open = (index: number, kind: "tokens" | "ends", bytes: number): PagedFile => {
    const path = join(folder, shardFile(index, kind));
    if (statSync(path).size !== bytes) throw new Error(`${path} is not of ${bytes} bytes`);
    const file = openPagedFile(path, bytes, sumsOf(folder, index, kind, facts), cache);
    opened.push(file);
    return file;
  };
  try {
    const tokens = facts.shards.map((s, i) => open(i, "tokens", s.tokens * facts.tokenBytes));
    const ends = facts.shards.map((s, i) => open(i, "ends", s.documents * END_BYTES));
    const size = opened.reduce((total, { bytes }) => total + bytes, 0);
    if (size <= CHECKED_BYTES) for (const file of opened) file.verify();
    const tokenRow = joined(
      tokens,
      facts.shards.map((s) => s.tokens),
      facts.tokenBytes,
    );
    const endRow = joined(
      ends,
      facts.shards.map((s) => s.documents),
      END_BYTES,
    );
    return {
      facts,
      length: facts.tokens,
      documents: facts.documents,
      endOfText: facts.endOfText ?? undefined,
      read: (start, end) => {
        checkRange(start, end, facts.tokens);
        const bytes = tokenRow(start, end);
        return Int32Array.from(
          facts.tokenBytes === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer),
        );
      },
      ends: (first, last) => {
        checkRange(first, last, facts.documents);
        return new Float64Array(endRow(first, last).buffer);
      },
      close,
    };
  } catch (cause) {
    close();
    throw cause;
  }
}

/** Elements of several files as of one. */
function joined(
  files: readonly PagedFile[],
  counts: readonly number[],
  elementBytes: number,
): (start: number, end: number) => Uint8Array {
  const starts = [0];
  for (const count of counts) starts.push((starts.at(-1) ?? 0) + count);
  return (start, end) => {
    const bytes = new Uint8Array((end - start) * elementBytes);
    let file = lastAtMost(starts, start);
    for (let from = start; from < end; file++) {
      const [first = 0, after = 0] = [starts[file], starts[file + 1]];
      const until = Math.min(end, after);
      const [begin, stop] = [(from - first) * elementBytes, (until - first) * elementBytes];
      files[file]?.copy(begin, stop, bytes, (from - start) * elementBytes);
      from = until;
    }
    return bytes;
  };
}

/** The last index whose value is at most `value`, in a sorted list that begins with 0. */
export function lastAtMost(sorted: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle;
    else high = middle;
  }
  return low;
}

function sumsOf(
  folder: string,
  index: number,
  kind: "tokens" | "ends",
  facts: StoreFacts,
): Uint32Array {
  const shard = facts.shards[index];
  const pages = Math.ceil(((shard?.tokens ?? 0) * facts.tokenBytes) / PAGE_BYTES);
  const file = readFileSync(join(folder, shardFile(index, "crc")));
  const sums = new Uint32Array(Uint8Array.from(file).buffer);
  return kind === "tokens" ? sums.subarray(0, pages) : sums.subarray(pages);
}

/** @throws RangeError unless `[start, end)` lies in `[0, length]` */
export function checkRange(start: number, end: number, length: number): void {
  if (start >= 0 && start <= end && end <= length) return;
  throw new RangeError(`tokens: [${start}, ${end}) lies outside [0, ${length})`);
}
