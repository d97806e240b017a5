/** @file A file larger than memory, read by position: a few pages are kept, each checked when it comes in. */

import { closeSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { DataError } from "../../core/errors.ts";

/** Bytes; a multiple of every element's size. */
export const PAGE_BYTES: number = 2 ** 16;

/** Pages that are kept, over all files of a store: the least recently used go. */
export class PageCache {
  readonly #pages = new Map<string, Uint8Array>();
  readonly #limit: number;
  /** Pages read from disk so far. */
  misses = 0;

  /** @param limitBytes - of pages; at least one is kept */
  constructor(limitBytes: number) {
    this.#limit = Math.max(1, Math.floor(limitBytes / PAGE_BYTES));
  }

  /** Pages kept now. */
  get size(): number {
    return this.#pages.size;
  }

  get(key: string, load: () => Uint8Array): Uint8Array {
    const kept = this.#pages.get(key);
    if (kept !== undefined) {
      // To the end of the map's order: the first is always the least recently used.
      this.#pages.delete(key);
      this.#pages.set(key, kept);
      return kept;
    }
    const page = load();
    this.misses++;
    this.#pages.set(key, page);
    if (this.#pages.size > this.#limit) {
      const [oldest = ""] = this.#pages.keys();
      this.#pages.delete(oldest);
    }
    return page;
  }
}

export interface PagedFile {
  readonly bytes: number;
  /** Bytes `[start, end)`, copied into `into` from its place `at`. */
  copy(start: number, end: number, into: Uint8Array, at: number): void;
  /** Reads and checks every page once. */
  verify(): void;
  close(): void;
}

/**
 * @param checksums - CRC-32 of each page of `PAGE_BYTES`
 * @throws DataError later, by `copy`, when a page is not what was written
 */
export function openPagedFile(
  path: string,
  bytes: number,
  checksums: Uint32Array,
  cache: PageCache,
): PagedFile {
  const file = openSync(path, "r");
  const load = (index: number): Uint8Array => {
    const start = index * PAGE_BYTES;
    const page = new Uint8Array(Math.min(PAGE_BYTES, bytes - start));
    let at = 0;
    while (at < page.length) {
      const got = readSync(file, page, at, page.length - at, start + at);
      if (got === 0) break;
      at += got;
    }
    if (at < page.length || crc32(page) !== checksums[index]) throw damaged(path, start);
    return page;
  };
  return {
    bytes,
    copy(start, end, into, at) {
      for (let from = start; from < end; ) {
        const index = Math.floor(from / PAGE_BYTES);
        const page = cache.get(`${path}:${index}`, () => load(index));
        const offset = from - index * PAGE_BYTES;
        const count = Math.min(end - from, page.length - offset);
        into.set(page.subarray(offset, offset + count), at + from - start);
        from += count;
      }
    },
    verify() {
      for (let index = 0; index * PAGE_BYTES < bytes; index++) load(index);
    },
    close: () => closeSync(file),
  };
}

/** CRC-32 of each page. */
export function checksumsOf(data: Uint8Array): Uint32Array {
  const pages = Math.ceil(data.length / PAGE_BYTES);
  return Uint32Array.from({ length: pages }, (_, i) =>
    crc32(data.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES)),
  );
}

function damaged(path: string, offset: number): DataError {
  return new DataError("DATA-01", `tokens: ${path} is damaged at byte ${offset}.`, [
    ["found", "a page that is not what was written"],
    ["fix", "start again: a damaged store is found when it is opened, and encoded anew"],
  ]);
}
