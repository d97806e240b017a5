/** @file A model's weights from a Hub checkpoint, and the tensors of a checkpoint from weights. */

import { aval, sameDims, sizeOf } from "../core/shape.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import { namedLeaves, withLeaves } from "../core/tree.ts";
import type { LanguageModel, Weights } from "../train/model.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { transpose } from "./elements.ts";
import { hubError, some } from "./errors.ts";
import type { HubForm, HubTensor, WeightForm } from "./hub-form.ts";
import type { WeightFiles } from "./weight-files.ts";

/** The tree of a model's weights with stand-ins for tensors: nothing is allocated. */
export function abstractWeights(model: LanguageModel): Weights {
  const { result } = trace("initial", (key: Tensor) => model.initial(key), [
    abstract(aval("uint32", [2])),
  ]);
  return { params: result.params, extra: result.extra };
}

/** Leaves of weights, as a form sees them. */
export function weightForms(weights: Weights): readonly WeightForm[] {
  return namedLeaves(weights, "weights").map(({ path, leaf }) => ({ path, dims: leaf.dims }));
}

/**
 * Reads every tensor into its place.
 *
 * @param where - the folder, for errors
 * @param onRead - hears how many tensors are done, of how many
 * @throws CheckpointError listing tensors that are missing, unknown or of another shape
 */
export async function readWeights(
  model: LanguageModel,
  form: HubForm,
  files: WeightFiles,
  where: string,
  onRead: (done: number, total: number) => void = () => {},
): Promise<Weights> {
  const like = abstractWeights(model);
  const wanted = form.tensors(model, weightForms(like));
  checkTensors(wanted, files, (name) => form.passesOver(name, model), where);
  const leaves = namedLeaves(like, "weights");
  const data = new Map(
    leaves.map(({ path, leaf }) => [path, new Float32Array(sizeOf(leaf.dims))] as const),
  );
  for (const [i, tensor] of wanted.entries()) {
    put(tensor, await files.read(tensor.name), data);
    onRead(i + 1, wanted.length);
  }
  return withLeaves(
    like,
    leaves.map(({ path, leaf }) => stored(leaf.aval, data.get(path) ?? new Float32Array())),
  );
}

function put(tensor: HubTensor, read: Float32Array, data: ReadonlyMap<string, Float32Array>): void {
  const [rows = 1, columns = 1] = tensor.dims;
  const own = tensor.transposed ? transpose(read, rows, columns) : read;
  data.get(tensor.path)?.set(own, (tensor.part ?? 0) * own.length);
}

/** The elements of one tensor of the checkpoint, taken out of weights. */
export function takeTensor(tensor: HubTensor, leaf: Tensor): Float32Array {
  const data = leaf.data();
  if (!(data instanceof Float32Array)) throw new Error(`${tensor.path} is not float32`);
  const length = sizeOf(tensor.dims);
  const start = (tensor.part ?? 0) * length;
  const own = data.subarray(start, start + length);
  const [rows = 1, columns = 1] = tensor.dims;
  return tensor.transposed ? transpose(own, columns, rows) : own;
}

function checkTensors(
  wanted: readonly HubTensor[],
  files: WeightFiles,
  passesOver: (name: string) => boolean,
  where: string,
): void {
  const found = new Map(files.tensors.map((tensor) => [tensor.name, tensor]));
  const names = new Set(wanted.map(({ name }) => name));
  const missing = wanted.filter(({ name }) => !found.has(name)).map(({ name }) => name);
  const unknown = files.tensors
    .map(({ name }) => name)
    .filter((name) => !names.has(name) && !passesOver(name));
  const misshapen = wanted.flatMap(({ name, dims }) => {
    const has = found.get(name);
    if (has === undefined || sameDims(has.dims, dims)) return [];
    return [`${name} is [${has.dims.join(", ")}], not [${dims.join(", ")}]`];
  });
  if (missing.length + unknown.length + misshapen.length === 0) return;
  throw hubError(
    `the weights in ${where} are not those of its config.json.`,
    [
      ...(missing.length === 0 ? [] : [["missing", some(missing)] as const]),
      ...(unknown.length === 0 ? [] : [["unknown", some(unknown)] as const]),
      ...(misshapen.length === 0 ? [] : [["other shapes", some(misshapen)] as const]),
    ],
    "copy config.json and the weights from the same checkpoint",
  );
}
