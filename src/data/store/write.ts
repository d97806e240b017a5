/** @file Writing a token store so that a kill loses at most one shard of work. */

import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "../../files/atomic.ts";
import { diskError } from "../../files/disk.ts";
import {
  type EncodeInput,
  encodePieces,
  type Running,
  startRunning,
  TextChanged,
} from "./encode.ts";
import {
  FORMAT,
  fingerprint,
  INDEX_FILE,
  PROGRESS_FILE,
  progressSchema,
  type ShardIndex,
  type StoreFacts,
  type StoreProgress,
  shardFile,
  tokenBytesFor,
} from "./format.ts";
import { checksumsOf } from "./paged-file.ts";

/** A shard is closed at the first end of a piece after this many tokens. */
export const SHARD_TOKENS: number = 2 ** 24;

export interface WriteOptions extends EncodeInput {
  /** Names, sizes and times of the files, as they are now. */
  readonly files: readonly string[];
  readonly shardTokens?: number | undefined;
  /** Told after each piece. */
  readonly onProgress?: ((running: Readonly<Running>) => void) | undefined;
}

/**
 * Encodes into a folder, going on from what is finished in it.
 *
 * @returns the facts, which are on the disk; `resumed` tokens were there before
 */
export async function writeStore(
  folder: string,
  options: WriteOptions,
): Promise<{ facts: StoreFacts; resumed: number }> {
  const before = await readProgress(folder, options);
  try {
    return { facts: await goOn(folder, options, before), resumed: before?.tokens ?? 0 };
  } catch (cause) {
    if (!(cause instanceof TextChanged)) throw cause;
    return { facts: await goOn(folder, options, undefined), resumed: 0 };
  }
}

async function goOn(
  folder: string,
  options: WriteOptions,
  before: StoreProgress | undefined,
): Promise<StoreFacts> {
  const running = startRunning();
  const shards: ShardIndex[] = [...(before?.shards ?? [])];
  const shard = createShard(options);
  if (before !== undefined) {
    running.documents = before.documents;
    running.tokens = before.tokens;
    running.bytes = before.bytes;
  }
  for await (const { tokens, ends } of encodePieces(options, running, before)) {
    shard.add(tokens, ends ? running.tokens : undefined);
    options.onProgress?.(running);
    if (shard.tokens < (options.shardTokens ?? SHARD_TOKENS)) continue;
    shards.push(await shard.write(folder, shards.length));
    const state = progressOf(options, running, shards);
    await replaceFile(join(folder, PROGRESS_FILE), JSON.stringify(state));
  }
  if (shard.tokens > 0) shards.push(await shard.write(folder, shards.length));
  const facts = factsOf(options, running, shards);
  await writeAtomically(join(folder, INDEX_FILE), JSON.stringify(facts));
  return facts;
}

function progressOf(options: WriteOptions, running: Running, shards: ShardIndex[]): StoreProgress {
  const { pieces, documents, tokens, bytes, hash } = running;
  const sha256 = hash.copy().digest("hex");
  const files = [...options.files];
  return { format: FORMAT, pieces, documents, tokens, bytes, sha256, files, shards };
}

export function factsOf(options: WriteOptions, running: Running, shards: ShardIndex[]): StoreFacts {
  const { corpus, split, tokenizer, files } = options;
  return {
    format: FORMAT,
    corpus: corpus.name,
    split: split ?? "all",
    tokenizer: { name: tokenizer.name, vocab: tokenizer.vocab, sha256: fingerprint(tokenizer) },
    tokenBytes: tokenBytesFor(tokenizer.vocab),
    endOfText: tokenizer.endOfText ?? null,
    sha256: running.hash.copy().digest("hex"),
    tokens: running.tokens,
    documents: running.documents,
    bytes: running.bytes,
    empty: running.counts.empty,
    replaced: running.counts.replaced,
    files: [...files],
    shards,
  };
}

/** The state of a process that was killed here; undefined when the files have changed since, or nothing was finished. */
async function readProgress(
  folder: string,
  { files }: WriteOptions,
): Promise<StoreProgress | undefined> {
  try {
    const found = progressSchema.parse(
      JSON.parse(await readFile(join(folder, PROGRESS_FILE), "utf8")),
    );
    return found.files.join("\n") === files.join("\n") ? found : undefined;
  } catch {
    return undefined;
  }
}

interface Shard {
  readonly tokens: number;
  /** @param documentEnd - the place in the whole store after the last token, when a document ends */
  add(tokens: Int32Array, documentEnd: number | undefined): void;
  /** Puts the shard on the disk, and begins a new one. */
  write(folder: string, index: number): Promise<ShardIndex>;
}

function createShard({ tokenizer }: WriteOptions): Shard {
  const narrow = tokenBytesFor(tokenizer.vocab) === 2;
  let pieces: (Uint16Array | Int32Array)[] = [];
  let ends: number[] = [];
  let tokens = 0;
  return {
    get tokens() {
      return tokens;
    },
    add(piece, documentEnd) {
      pieces.push(narrow ? Uint16Array.from(piece) : piece);
      tokens += piece.length;
      if (documentEnd !== undefined) ends.push(documentEnd);
    },
    async write(folder, index) {
      const data = Buffer.concat(pieces.map(bytesOf));
      const places = bytesOf(Float64Array.from(ends));
      const sums = [bytesOf(checksumsOf(data)), bytesOf(checksumsOf(places))];
      await replaceFile(join(folder, shardFile(index, "tokens")), data);
      await replaceFile(join(folder, shardFile(index, "ends")), places);
      await replaceFile(join(folder, shardFile(index, "crc")), Buffer.concat(sums));
      const written = { tokens, documents: ends.length };
      pieces = [];
      ends = [];
      tokens = 0;
      return written;
    },
  };
}

/**
 * Whole or not at all after a kill. Not forced to the disk: a cache that a power cut tore is found by its checksums and
 * made again, and forcing would cost more than encoding.
 */
async function replaceFile(path: string, data: string | Uint8Array): Promise<void> {
  const unfinished = `${path}.part`;
  try {
    await writeFile(unfinished, data);
    await rename(unfinished, path);
  } catch (cause) {
    throw diskError("tokens", path, cause);
  }
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
