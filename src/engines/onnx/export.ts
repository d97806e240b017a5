/** @file A function as an `.onnx` file that stock ONNX Runtime opens. */

import { DiskError } from "../../core/errors.ts";
import { builtin } from "../../core/host.ts";
import { namedLeaves } from "../../core/tree.ts";
import { simplify } from "../../transforms/simplify.ts";
import { trace } from "../../transforms/trace.ts";
import { lowerToOnnx } from "./lower.ts";
import { constantBytes, encodeModel, type OnnxGraph } from "./proto.ts";

/** Names for the inputs and outputs of an exported model. */
export interface ExportOptions {
  readonly name?: string;
  /** Name per argument; leaves of a tree get `name/path`. `arg0 …` when absent. */
  readonly inputs?: readonly string[];
  /** Name of the result; leaves of a tree get `name/path`. `output` when absent. */
  readonly output?: string;
  /** Name of each leaf of the result, in order, in place of `output`. */
  readonly outputs?: readonly string[];
}

/**
 * The bytes of an `.onnx` model that computes `f`.
 *
 * Arguments become inputs; tensors that f closes over, such as trained weights, are stored in the model.
 *
 * @param args - one tree per argument; only their forms matter
 * @throws EngineError when stored weights exceed protobuf's 2 GiB (`saveOnnx` writes such models), or
 *   for a dtype that ONNX lacks here
 */
export function exportOnnx<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  args: A,
  options: ExportOptions = {},
): Uint8Array {
  return encodeModel(graphOf(f, args, options));
}

export interface SaveOptions extends ExportOptions {
  /** Weights of more bytes than this go to a second file; 1 GiB when absent. */
  readonly externalAbove?: number;
}

/** Below it, one file is handier; protobuf ends at 2 GiB. */
const EXTERNAL_ABOVE = 2 ** 30;
/** Weights below this stay in the model: shapes and scalars, which tools like to see there. */
const SMALL = 1024;
/** Pages, so that a reader can map the file. */
const ALIGNMENT = 4096;

/**
 * Writes an `.onnx` model of any size, as `exportOnnx` makes it; weights above a limit go to a second
 * file, `<path>.<digest>.data`. Named by its content, it never changes under a model that refers to it: a
 * kill leaves the old pair or the new one. That of the model before is deleted last.
 *
 * @returns the paths that were written
 * @throws DiskError when a file cannot be written
 */
export async function saveOnnx<A extends readonly unknown[], R>(
  path: string,
  f: (...args: A) => R,
  args: A,
  options: SaveOptions = {},
): Promise<readonly string[]> {
  if (builtin === undefined) {
    throw new DiskError(
      "DISK-01",
      `saveOnnx: there are no files in a browser to write ${path} to.`,
      [["fix", "take the bytes that exportOnnx gives"]],
    );
  }
  const graph = graphOf(f, args, options);
  const { externalAbove = EXTERNAL_ABOVE } = options;
  const { replaceAtomically, writeAtomically } = await import("../../files/atomic.ts");
  if (constantBytes(graph) <= externalAbove) {
    await writeAtomically(path, encodeModel(graph));
    removeOtherData(path, undefined);
    return [path];
  }
  const offsets = new Map<string, number>();
  const chunks: Uint8Array[] = [];
  let end = 0;
  for (const { name, data } of graph.initializers) {
    if (data.byteLength < SMALL) continue;
    const gap = (ALIGNMENT - (end % ALIGNMENT)) % ALIGNMENT;
    if (gap > 0) chunks.push(new Uint8Array(gap));
    offsets.set(name, end + gap);
    chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    end += gap + data.byteLength;
  }
  const digest = builtin("node:crypto").createHash("sha256");
  for (const chunk of chunks) digest.update(chunk);
  const dataPath = `${path}.${digest.digest("hex").slice(0, 16)}.data`;
  const { basename } = builtin("node:path");
  await replaceAtomically(dataPath, chunks);
  await writeAtomically(path, encodeModel(graph, { file: basename(dataPath), offsets }));
  removeOtherData(path, basename(dataPath));
  return [path, dataPath];
}

/** Weights of models that stood at `path` before. */
function removeOtherData(path: string, kept: string | undefined): void {
  if (builtin === undefined) return;
  const { basename, dirname, join } = builtin("node:path");
  const { readdirSync, rmSync } = builtin("node:fs");
  const start = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    const ours = name.startsWith(start) && /^[0-9a-f]{16}\.data$/.test(name.slice(start.length));
    if (ours && name !== kept) rmSync(join(dirname(path), name), { force: true });
  }
}

function graphOf<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  args: A,
  options: ExportOptions,
): OnnxGraph {
  const name = options.name ?? (f.name === "" ? "model" : f.name);
  const { program, captured, result } = trace(name, f, args);
  const label = (base: string, path: string) => (path === "" ? base : `${base}/${path}`);
  const inputs = args.flatMap((arg, i) =>
    namedLeaves(arg).map(({ path }) => label(options.inputs?.[i] ?? `arg${i}`, path)),
  );
  const outputs = namedLeaves(result).map(
    ({ path }, i) => options.outputs?.[i] ?? label(options.output ?? "output", path),
  );
  return lowerToOnnx(simplify(program), { inputs, outputs, constants: captured });
}
