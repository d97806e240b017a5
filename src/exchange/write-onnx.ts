/**
 * @file A model as ONNX graphs that stock ONNX Runtime runs: `onnx/model.onnx` for whole sequences, and
 * `onnx/decoder_with_past_model.onnx`, which goes on by one token with keys and values in and out.
 *
 * Forms are fixed, as everywhere here: batch and length are chosen at export. The cache has `length`
 * places from the start; `positions` says where each row stands.
 */

import { mkdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, namedLeaves, withLeaves } from "../core/tree.ts";
import { saveOnnx } from "../engines/onnx/export.ts";
import type { DecoderState } from "../generate/model.ts";
import { zeros } from "../numpy/index.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { writeFolder } from "./export-folder.ts";
import type { OpenedModel } from "./open-model.ts";
import { type SideFileOptions, writeSideFiles } from "./side-files.ts";

export interface OnnxOptions extends SideFileOptions {
  /** Whether an export that is there may be replaced. */
  readonly force: boolean;
  /** Rows of the graphs. */
  readonly batch: number;
  /** Tokens of a whole sequence, and places of the cache. */
  readonly length: number;
  /** Hears what is being written. */
  readonly onStage?: (stage: string) => void;
}

/** A graph with its weights, and the names of what goes in and out. */
export interface WrittenGraph {
  readonly files: readonly string[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/**
 * Writes both graphs, the tokenizer and a card into a folder, which appears whole or not at all.
 *
 * @throws DiskError when the folder is taken, or the disk refuses
 */
export function writeOnnx(
  opened: OpenedModel,
  out: string,
  options: OnnxOptions,
): Promise<readonly WrittenGraph[]> {
  const { onStage = () => {} } = options;
  return writeFolder(out, options, async (folder) => {
    await mkdir(join(folder, "onnx"));
    onStage("model.onnx");
    const whole = await writeWhole(opened, join(folder, "onnx"), options);
    onStage("decoder_with_past_model.onnx");
    const decoder = await writeDecoder(opened, join(folder, "onnx"), options);
    await writeSideFiles(opened, folder, basename(resolve(out)), options);
    return [whole, decoder];
  });
}

const ids = (batch: number, length: number): Tensor =>
  abstract(aval("int64", [batch, length], ["batch", "pos"]));

async function writeWhole(
  { model, weights }: OpenedModel,
  folder: string,
  { batch, length }: OnnxOptions,
): Promise<WrittenGraph> {
  const logits = (input: Tensor): Tensor => {
    const cache = model.startDecoding(batch, length);
    const start = zeros([batch], "batch", "int32");
    return model.decode(weights, cache, input.astype("int32"), start)[0];
  };
  const [inputs, outputs] = [["input_ids"], ["logits"]];
  const files = await saveOnnx(join(folder, "model.onnx"), logits, [ids(batch, length)], {
    name: model.preset,
    inputs,
    outputs,
  });
  return { files: files.map(inOnnx), inputs, outputs };
}

async function writeDecoder(
  { model, weights }: OpenedModel,
  folder: string,
  { batch, length }: OnnxOptions,
): Promise<WrittenGraph> {
  const { result: empty } = trace("cache", () => model.startDecoding(batch, length), []);
  const places = namedLeaves(empty, "cache").map(({ path }) => path.replaceAll("/", "."));
  const step = (input: Tensor, positions: Tensor, ...past: readonly Tensor[]) => {
    const cache: DecoderState = withLeaves(empty, past);
    const [logits, next] = model.decode(
      weights,
      cache,
      input.astype("int32"),
      positions.astype("int32"),
    );
    return [logits, ...leaves(next)];
  };
  const past = leaves(empty).map((leaf) => abstract(leaf.aval));
  const inputs = ["input_ids", "positions", ...places.map((place) => `past_key_values.${place}`)];
  const outputs = ["logits", ...places.map((place) => `present.${place}`)];
  const at = abstract(aval("int64", [batch], ["batch"]));
  const path = join(folder, "decoder_with_past_model.onnx");
  const files = await saveOnnx(path, step, [ids(batch, 1), at, ...past], {
    name: model.preset,
    inputs,
    outputs,
  });
  return { files: files.map(inOnnx), inputs, outputs };
}

function inOnnx(path: string): string {
  return `onnx/${basename(path)}`;
}
