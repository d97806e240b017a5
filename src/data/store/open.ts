/** @file A corpus as a token store: found in the user's cache, or encoded into it. */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { DataError, DiskError } from "../../core/errors.ts";
import { isOrphan, isTemporary, temporaryName } from "../../files/atomic.ts";
import { diskError } from "../../files/disk.ts";
import { statOf } from "../text/bytes.ts";
import { type EncodeInput, encodePieces, type Running, startRunning } from "./encode.ts";
import { FORMAT, fingerprint, INDEX_FILE, type StoreFacts } from "./format.ts";
import { checkRange, type ReadStoreOptions, readStore, type TokenStore } from "./read.ts";
import { factsOf, type WriteOptions, writeStore } from "./write.ts";

export interface OpenStoreOptions extends EncodeInput, ReadStoreOptions {
  /** Where stores are kept; the user's cache when absent, `undefined` there for memory only. */
  readonly folder?: string | undefined;
  readonly shardTokens?: number | undefined;
  /** Whether a split without text is a store of nothing, rather than an error. */
  readonly mayBeEmpty?: boolean | undefined;
  /** Told while encoding: sums so far, and the bytes of all files. */
  readonly onProgress?: ((running: Readonly<Running>, fileBytes: number) => void) | undefined;
  /** Told what was found damaged, stale, or half finished. */
  readonly onNotice?: ((line: string) => void) | undefined;
}

/** Stores of corpora that nobody uses any more go when all together take more. */
const LIMIT_BYTES = 32 * 2 ** 30;

/** The folder of token stores; undefined where `MESHLOOM_CACHE` is `off`. */
export function userTokenFolder(): string | undefined {
  const given = process.env["MESHLOOM_CACHE"];
  if (given === "off") return undefined;
  if (given !== undefined && given !== "") return join(given, "tokens");
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "meshloom", "tokens");
}

/**
 * The tokens of a corpus. Encoded once for each tokenizer; a store whose files changed since, or that is damaged, is
 * encoded anew.
 *
 * @throws DataError when the corpus has no text in this split, or as `documents` does
 * @throws DiskError when the cache cannot be written
 */
export async function openTokenStore(options: OpenStoreOptions): Promise<TokenStore> {
  const folder = options.folder ?? userTokenFolder();
  const files = await filesNow(options);
  const bytes = files.reduce((total, { size }) => total + size, 0);
  const writing: WriteOptions = {
    ...options,
    files: files.map(({ path, size, mtimeMs }) => `${path} ${size} ${mtimeMs}`),
    onProgress: (running) => options.onProgress?.(running, bytes),
  };
  const store =
    folder === undefined
      ? await encodeInMemory(writing)
      : await findOrWrite(join(folder, keyOf(options, files)), writing, options);
  if (store.length > 0 || options.mayBeEmpty === true) return store;
  store.close();
  throw noText(options, store.facts);
}

async function findOrWrite(
  folder: string,
  writing: WriteOptions,
  options: OpenStoreOptions,
): Promise<TokenStore> {
  const { onNotice = () => {}, corpus } = options;
  if (existsSync(folder)) {
    const found = tryRead(folder, options);
    const fresh = found?.facts.files.join("\n") === writing.files.join("\n");
    if (found !== undefined && fresh) {
      await touch(folder);
      return found;
    }
    found?.close();
    const why = found === undefined ? "its tokens are damaged" : "its files changed";
    onNotice(`${corpus.name}: ${why}; encoding it again`);
    await discard(folder);
  }
  const resumed = await write(folder, writing);
  if (resumed > 0) onNotice(`${corpus.name}: went on after ${resumed} tokens encoded before`);
  const store = tryRead(folder, options);
  if (store !== undefined) return store;
  if (resumed === 0) return readStore(folder, options);
  // What was there before is torn, as after a power cut.
  onNotice(`${corpus.name}: what was encoded before is damaged; encoding it again`);
  await discard(folder);
  return findOrWrite(folder, writing, options);
}

/** @returns how many tokens a killed process had encoded */
async function write(folder: string, writing: WriteOptions): Promise<number> {
  const unfinished = await takeUnfinished(folder);
  try {
    const { resumed } = await writeStore(unfinished, writing);
    await settle(unfinished, folder);
    await makeRoom(dirname(folder), folder);
    return resumed;
  } catch (cause) {
    if (!(cause instanceof DiskError)) throw cause;
    throw new DiskError(cause.code, cause.headline, [
      ...cause.facts.filter(([name]) => name !== "fix"),
      ["fix", "free some space, or set MESHLOOM_CACHE to another folder, or to off"],
    ]);
  }
}

function tryRead(folder: string, options: ReadStoreOptions): TokenStore | undefined {
  try {
    return readStore(folder, options);
  } catch {
    return undefined;
  }
}

/** All that decides the tokens but the content of the files; that is compared by size and time. */
function keyOf(
  { corpus, split, tokenizer, onInvalid }: EncodeInput,
  files: readonly { path: string }[],
): string {
  const { name, form, division } = corpus;
  const paths = files.map(({ path }) => path);
  const forms = corpus.files.map(({ reads, goes }) => [reads, goes]);
  const what = [
    FORMAT,
    name,
    form,
    division,
    forms,
    paths,
    split,
    onInvalid,
    fingerprint(tokenizer),
  ];
  const words = JSON.stringify(what, (_, value: unknown) =>
    value instanceof RegExp ? value.source : value,
  );
  return createHash("sha256").update(words).digest("hex").slice(0, 32);
}

async function filesNow({ corpus, split }: EncodeInput) {
  const used = corpus.files.filter(
    ({ goes }) => goes.kind !== "whole" || split === undefined || goes.splits.includes(split),
  );
  return Promise.all(used.map(async ({ path }) => ({ path, ...(await statOf(path)) })));
}

/**
 * A folder to write in: that of a killed process, with what it had finished, else a new one. Of two processes that want
 * the same one, a rename succeeds for one only.
 */
async function takeUnfinished(folder: string): Promise<string> {
  const parent = dirname(folder);
  const name = folder.slice(parent.length + 1);
  const own = join(parent, temporaryName(name));
  try {
    await mkdir(parent, { recursive: true });
    for (const found of await readdir(parent)) {
      if (!found.startsWith(`.tmp-${name}-`) || !isOrphan(found)) continue;
      const taken = await rename(join(parent, found), own).then(
        () => true,
        () => false,
      );
      if (taken) return own;
    }
    await mkdir(own);
    return own;
  } catch (cause) {
    throw diskError("tokens", own, cause);
  }
}

/** Puts a finished store in its place, unless another process was faster. */
async function settle(unfinished: string, folder: string): Promise<void> {
  try {
    await rename(unfinished, folder);
  } catch (cause) {
    if (!existsSync(join(folder, INDEX_FILE))) throw diskError("tokens", folder, cause);
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Out of the way first: whoever reads it now keeps its open files. */
async function discard(folder: string): Promise<void> {
  const aside = join(dirname(folder), temporaryName("old"));
  await rename(folder, aside).catch((cause: unknown) => {
    throw diskError("tokens", folder, cause);
  });
  await rm(aside, { recursive: true, force: true });
}

async function touch(folder: string): Promise<void> {
  const now = new Date();
  // A cache on a read-only disk is still good for reading.
  await utimes(folder, now, now).catch(() => {});
}

/** Deletes what killed processes left a day ago or more, and the least recently used stores above the limit. */
async function makeRoom(parent: string, keep: string): Promise<void> {
  const dayAgo = Date.now() - 86_400_000;
  const stores: { path: string; bytes: number; used: number }[] = [];
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || !found.isDirectory()) continue;
    if (isTemporary(name)) {
      if (isOrphan(name) && found.mtimeMs < dayAgo)
        await rm(path, { recursive: true, force: true });
    } else if (path !== keep) {
      stores.push({ path, bytes: await sizeOf(path), used: found.mtimeMs });
    }
  }
  let total = stores.reduce((sum, { bytes }) => sum + bytes, await sizeOf(keep));
  for (const { path, bytes } of stores.sort((a, b) => a.used - b.used)) {
    if (total <= LIMIT_BYTES) return;
    await discard(path);
    total -= bytes;
  }
}

async function sizeOf(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Without a cache the tokens are kept as they are on disk: two or four bytes each. */
async function encodeInMemory(options: WriteOptions): Promise<TokenStore> {
  const running = startRunning();
  const Ids = options.tokenizer.vocab <= 2 ** 16 ? Uint16Array : Int32Array;
  const pieces: (Uint16Array | Int32Array)[] = [];
  const ends: number[] = [];
  for await (const { tokens, ends: last } of encodePieces(options, running)) {
    pieces.push(Ids.from(tokens));
    if (last) ends.push(running.tokens);
    options.onProgress?.(running);
  }
  const all = new Ids(running.tokens);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  const places = Float64Array.from(ends);
  const facts = factsOf(options, running, [{ tokens: all.length, documents: ends.length }]);
  return {
    facts,
    length: all.length,
    documents: ends.length,
    endOfText: options.tokenizer.endOfText,
    read: (start, end) => {
      checkRange(start, end, all.length);
      return Int32Array.from(all.subarray(start, end));
    },
    ends: (first, last) => places.slice(first, last),
    close: () => {},
  };
}

function noText({ corpus, split }: EncodeInput, { empty }: StoreFacts): DataError {
  const part = split === undefined ? "" : ` for ${split}`;
  return new DataError("DATA-01", `corpus: ${corpus.name} has no text${part}.`, [
    ["division", corpus.division],
    ...(empty > 0 ? [["empty documents", `${empty}, skipped`] as const] : []),
    [
      "fix",
      split === undefined ? "give a file that holds text" : "give a longer text, or another corpus",
    ],
  ]);
}
