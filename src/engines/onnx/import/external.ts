/** @file Weights in files beside the model: how models above 2 GiB keep them. */

import { OnnxError } from "../../../core/errors.ts";
import type { ExternalBytes } from "./tensor-data.ts";

type FileSystem = typeof import("node:fs");
type Path = typeof import("node:path");

/**
 * Reads pieces of files in `folder`, and of no other file: the model says the names, and nobody vouches for it.
 *
 * @throws OnnxError when the name leads out of the folder, or the file is shorter than the model says
 */
export function externalFiles(folder: string, fs: FileSystem, path: Path): ExternalBytes {
  return (entries, length) => {
    const location = entries.get("location") ?? "";
    const offset = Number(entries.get("offset") ?? 0);
    const stated = Number(entries.get("length") ?? length);
    const refuse = (why: string): OnnxError =>
      new OnnxError("ONNX-01", `importOnnx: the weights in "${location}" cannot be read.`, [
        ["why", why],
        ["fix", "keep that file in the folder of the model, as it was exported"],
      ]);
    if (!Number.isSafeInteger(offset) || offset < 0) throw refuse(`offset ${offset}`);
    if (stated !== length)
      throw refuse(`the model states ${stated} bytes, its tensor has ${length}`);
    const file = inside(folder, location, fs, path);
    if (typeof file !== "object") throw refuse(file);
    let handle: number | undefined;
    try {
      handle = fs.openSync(file.path, "r");
      const { size } = fs.fstatSync(handle);
      if (offset + length > size) throw refuse(`it has ${size} bytes, not ${offset + length}`);
      return read(fs, handle, offset, length);
    } catch (error) {
      if (error instanceof OnnxError) throw error;
      throw refuse(error instanceof Error ? error.message : String(error));
    } finally {
      if (handle !== undefined) fs.closeSync(handle);
    }
  };
}

/** The file, or why there is none; links are followed before the folder is compared. */
function inside(
  folder: string,
  location: string,
  fs: FileSystem,
  path: Path,
): { readonly path: string } | string {
  if (location === "" || location.includes("\0")) return "the name is empty or malformed";
  if (path.isAbsolute(location) || /^[a-z]:|^[\\/]/i.test(location)) return "the name is absolute";
  if (location.split(/[\\/]/).includes("..")) return "the name leads out of the model's folder";
  try {
    const root = fs.realpathSync(folder);
    const file = fs.realpathSync(path.join(root, location));
    const within = path.relative(root, file);
    if (within.startsWith("..") || path.isAbsolute(within)) return "a link leads out of the folder";
    return fs.statSync(file).isFile() ? { path: file } : "it is no file";
  } catch {
    return "there is no such file";
  }
}

/** One call reads at most 2 GiB. */
const PIECE = 2 ** 30;

function read(fs: FileSystem, handle: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = fs.readSync(handle, bytes, done, Math.min(PIECE, length - done), offset + done);
    if (count === 0) throw new Error("it ended early");
    done += count;
  }
  return bytes;
}

/** For models given as bytes: there is no folder to look into. */
export const noFiles: ExternalBytes = (entries) => {
  throw new OnnxError(
    "ONNX-01",
    `importOnnx: the model keeps weights in "${entries.get("location") ?? ""}".`,
    [["fix", "give importOnnx the path of the model, so that it finds the file beside it"]],
  );
};
