/** @file A train state as named tensors of a checkpoint, and back. */

import { CheckpointError } from "../core/errors.ts";
import { sameDims, showAval } from "../core/shape.ts";
import { stored } from "../core/tensor.ts";
import { namedLeaves, withLeaves } from "../core/tree.ts";
import type { NamedTensor } from "./safetensors.ts";

/** Tensors of a state under their paths, `params/layers/0/attention/query`. */
export function tensorsOf(state: object): readonly NamedTensor[] {
  return namedLeaves(state, "state").map(({ path, leaf }) => ({
    name: path,
    dtype: leaf.dtype,
    dims: leaf.dims,
    data: leaf.data(),
  }));
}

/**
 * The state of form `like`, filled with a checkpoint's tensors.
 *
 * @param where - names the checkpoint in errors
 * @throws CheckpointError when a tensor is missing, of another form, or unknown: the checkpoint is of another model
 */
export function stateFrom<S extends object>(
  like: S,
  tensors: readonly NamedTensor[],
  where: string,
): S {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const wanted = namedLeaves(like, "state");
  const filled = wanted.map(({ path, leaf }) => {
    const tensor = byName.get(path);
    if (tensor === undefined)
      throw foreign(where, `it has no tensor "${path}"`, showAval(leaf.aval));
    if (tensor.dtype !== leaf.dtype || !sameDims(tensor.dims, leaf.dims)) {
      throw foreign(
        where,
        `"${path}" is ${tensor.dtype}[${tensor.dims.join(", ")}]`,
        showAval(leaf.aval),
      );
    }
    byName.delete(path);
    return stored(leaf.aval, tensor.data);
  });
  const [extra] = byName.keys();
  if (extra !== undefined) throw foreign(where, `it has a tensor "${extra}"`, "no such tensor");
  return withLeaves(like, filled);
}

function foreign(where: string, has: string, expected: string): CheckpointError {
  return new CheckpointError("CHECKPOINT-01", "checkpoint: it is of another model.", [
    ["checkpoint", where],
    ["found", has],
    ["expected", expected],
    ["fix", "resume with the run's own preset and sizes, or start a new run with --out"],
  ]);
}
