/**
 * @file The weights of a Hub folder, read tensor by tensor: one `model.safetensors`, or shards with
 * an index.
 *
 * Opening reads headers only. A tensor's bytes are read when it is asked for, so that a checkpoint of
 * any size needs the memory of one tensor besides what is made of it.
 */

import { type FileHandle, open, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { ifPresent } from "../files/disk.ts";
import { bytesToHeaderEnd, readHeader, type TensorEntry } from "../train/safetensors-header.ts";
import { isWeightDType, type WeightDType, widen } from "./elements.ts";
import { COPY_AGAIN, hubError, some } from "./errors.ts";

export const WEIGHTS_FILE = "model.safetensors";
export const INDEX_FILE = "model.safetensors.index.json";

/** Form of a tensor in the files. */
export interface FileTensor {
  readonly name: string;
  readonly dtype: WeightDType;
  readonly dims: readonly number[];
}

/** Open files; close them when all is read. */
export interface WeightFiles {
  readonly tensors: readonly FileTensor[];
  /** Bytes of all tensors in the files. */
  readonly bytes: number;
  /**
   * One tensor as float32, which is exact for every dtype that checkpoints hold.
   *
   * @throws CheckpointError when there is no such tensor, or its bytes cannot be read
   */
  read(name: string): Promise<Float32Array>;
  close(): Promise<void>;
}

interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly dataStart: number;
  readonly entries: readonly TensorEntry[];
}

/**
 * @throws CheckpointError when there are no weights, a shard is missing, the index and the shards do
 *   not agree, or a header is damaged
 */
export async function openWeightFiles(folder: string): Promise<WeightFiles> {
  const { files, index } = await filesOf(folder);
  const opened: OpenFile[] = [];
  const close = async () => {
    for (const { handle } of opened) await handle.close();
  };
  try {
    for (const file of files) opened.push(await openFile(join(folder, file)));
    if (index !== undefined) checkIndex(join(folder, INDEX_FILE), index, opened);
    return { ...readerOf(opened), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Which files there are; the index, where there is one, says in which of them each tensor lies. */
async function filesOf(folder: string): Promise<{
  readonly files: readonly string[];
  readonly index: ReadonlyMap<string, string> | undefined;
}> {
  const names = await ifPresent(readdir(folder));
  if (names === undefined) {
    throw hubError(`there is no folder ${folder}.`, [], "check the path");
  }
  if (names.includes(WEIGHTS_FILE)) return { files: [WEIGHTS_FILE], index: undefined };
  if (!names.includes(INDEX_FILE)) {
    const pickled = names.filter((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
    throw hubError(
      `${folder} has no weights.`,
      [
        ["missing", `${WEIGHTS_FILE}, or ${INDEX_FILE} with its shards`],
        ...(pickled.length === 0
          ? []
          : [["found", `${some(pickled)}, which is not read`] as const]),
      ],
      pickled.length === 0
        ? COPY_AGAIN
        : "in Python, load it with transformers and call save_pretrained: that writes safetensors",
    );
  }
  const index = await readIndex(join(folder, INDEX_FILE));
  const files = [...new Set(index.values())];
  const missing = files.filter((file) => !names.includes(file));
  if (missing.length > 0) {
    throw hubError(
      `${folder} lacks ${missing.length} of ${files.length} shards.`,
      [["missing", some(missing)]],
      COPY_AGAIN,
    );
  }
  return { files, index };
}

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

async function readIndex(path: string): Promise<ReadonlyMap<string, string>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw hubError(`${path} is not JSON.`, [["cause", (cause as Error).message]], COPY_AGAIN);
  }
  const checked = indexSchema.safeParse(parsed);
  if (!checked.success) {
    throw hubError(
      `${path} has no weight_map from tensors to files.`,
      checked.error.issues.map(({ path: at, message }) => [at.join(".") || "index", message]),
      COPY_AGAIN,
    );
  }
  const entries = Object.entries(checked.data.weight_map);
  // A name with a folder in it could lead anywhere on this machine.
  const outside = entries.find(([, file]) => basename(file) !== file || file.startsWith("."));
  if (outside !== undefined) {
    throw hubError(
      `${path} names a file outside its folder.`,
      [
        ["tensor", outside[0]],
        ["file", outside[1]],
      ],
      "do not load this checkpoint; the index of a whole one names files beside itself",
    );
  }
  if (entries.length === 0) throw hubError(`${path} lists no tensor.`, [], COPY_AGAIN);
  return new Map(entries);
}

async function openFile(path: string): Promise<OpenFile> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    const { size } = await handle.stat();
    const start = await readRange(handle, path, 0, Math.min(8, size));
    const header = await readRange(handle, path, 0, bytesToHeaderEnd(start, path, size));
    const { entries, dataStart } = readHeader(header, path, size);
    return { path, handle, dataStart, entries };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Every tensor where the index says, and no tensor that it does not know. */
function checkIndex(
  path: string,
  index: ReadonlyMap<string, string>,
  files: readonly OpenFile[],
): void {
  const places = files.flatMap(({ path: file, entries }) =>
    entries.map(({ name }) => [name, basename(file)] as const),
  );
  const there = new Set(places.map(([name, file]) => `${name}\n${file}`));
  const lacking = [...index].filter(([name, file]) => !there.has(`${name}\n${file}`));
  const unlisted = places.filter(([name, file]) => index.get(name) !== file);
  if (lacking.length === 0 && unlisted.length === 0) return;
  const show = (list: readonly (readonly [string, string])[]) =>
    some(list.map(([name, file]) => `${name} in ${file}`));
  throw hubError(
    `${path} and its shards do not agree.`,
    [
      ...(lacking.length === 0 ? [] : [["listed, not there", show(lacking)] as const]),
      ...(unlisted.length === 0 ? [] : [["there, not listed", show(unlisted)] as const]),
    ],
    COPY_AGAIN,
  );
}

function readerOf(files: readonly OpenFile[]): Omit<WeightFiles, "close"> {
  const places = new Map(
    files.flatMap((file) => file.entries.map((entry) => [entry.name, { file, entry }] as const)),
  );
  const tensors = [...places.values()].map(({ file, entry: { name, dtype, dims } }) => {
    if (isWeightDType(dtype)) return { name, dtype, dims };
    throw hubError(
      `${file.path}: tensor "${name}" is ${dtype}.`,
      [["read", "float32, bfloat16, float16"]],
      "in Python, convert the model with .to(torch.bfloat16) and save it again",
    );
  });
  const entries = [...places.values()].map(({ entry }) => entry);
  return {
    tensors,
    bytes: entries.reduce((sum, { begin, end }) => sum + end - begin, 0),
    async read(name) {
      const place = places.get(name);
      if (place === undefined || !isWeightDType(place.entry.dtype)) {
        throw hubError(`there is no tensor "${name}".`, [], COPY_AGAIN);
      }
      const { file, entry } = place;
      const bytes = entry.end - entry.begin;
      const at = file.dataStart + entry.begin;
      return widen(place.entry.dtype, await readRange(file.handle, file.path, at, bytes));
    },
  };
}

/** Node reads at most 2^31 − 1 bytes in one call. */
const LARGEST_READ = 2 ** 30;

async function readRange(
  handle: FileHandle,
  path: string,
  from: number,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(bytes);
  let done = 0;
  while (done < bytes) {
    const want = Math.min(LARGEST_READ, bytes - done);
    const { bytesRead } = await handle
      .read(buffer, done, want, from + done)
      .catch((cause: unknown) => {
        throw unreadable(path, cause);
      });
    if (bytesRead === 0) {
      throw hubError(
        `${path} ends at byte ${from + done}, inside a tensor or its header.`,
        [],
        COPY_AGAIN,
      );
    }
    done += bytesRead;
  }
  return buffer;
}

function unreadable(path: string, cause: unknown): Error {
  return hubError(
    `${path} cannot be read.`,
    [["cause", cause instanceof Error ? cause.message : String(cause)]],
    COPY_AGAIN,
  );
}
