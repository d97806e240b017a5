/** @file A train state as named tensors of a checkpoint, and back. */

import { fromNumbers, type TypedArray } from "../core/dtype.ts";
import { CheckpointError, type Fact } from "../core/errors.ts";
import { sameDims, showAval } from "../core/shape.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import { namedLeaves, withLeaves } from "../core/tree.ts";
import type { NamedTensor } from "./safetensors.ts";

/** Tensors of a state under their paths, `params/layers/0/attention/query`. */
export function tensorsOf(state: object): readonly NamedTensor[] {
  return namedLeaves(state, "state").map(({ path, leaf }) => ({
    name: path,
    dtype: leaf.dtype,
    dims: leaf.dims,
    data: elementsOf(leaf),
  }));
}

/** An engine in float64 leaves doubles behind float32; a file has them rounded. */
function elementsOf(leaf: Tensor): TypedArray {
  const data = leaf.data();
  return data instanceof Float64Array ? fromNumbers(leaf.dtype, data) : data;
}

/** Problems that an error lists one by one. */
const MOST_LISTED = 10;

/**
 * The state of form `like`, filled with a checkpoint's tensors.
 *
 * @param where - names the checkpoint in errors
 * @throws CheckpointError listing tensors that are missing, of another form, or unknown: the
 *   checkpoint is of another model
 */
export function stateFrom<S extends object>(
  like: S,
  tensors: readonly NamedTensor[],
  where: string,
): S {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const problems: Fact[] = [];
  const filled = namedLeaves(like, "state").map(({ path, leaf }) => {
    const tensor = byName.get(path);
    byName.delete(path);
    if (tensor === undefined) {
      problems.push(["missing", `"${path}", which is ${showAval(leaf.aval)} here`]);
      return leaf;
    }
    if (tensor.dtype !== leaf.dtype || !sameDims(tensor.dims, leaf.dims)) {
      problems.push([
        "misshapen",
        `"${path}" is ${showForm(tensor)}, but ${showAval(leaf.aval)} here`,
      ]);
      return leaf;
    }
    return stored(leaf.aval, tensor.data);
  });
  for (const tensor of byName.values()) {
    problems.push(["unknown", `"${tensor.name}", ${showForm(tensor)}`]);
  }
  if (problems.length > 0) throw foreign(where, problems);
  return withLeaves(like, filled);
}

function showForm({ dtype, dims }: NamedTensor): string {
  return `${dtype}[${dims.join(", ")}]`;
}

function foreign(where: string, problems: readonly Fact[]): CheckpointError {
  const more = problems.length - MOST_LISTED;
  const rest: Fact[] = more > 0 ? [["and", `${more} more`]] : [];
  return new CheckpointError("CHECKPOINT-01", "checkpoint: it is of another model.", [
    ["checkpoint", where],
    ...problems.slice(0, MOST_LISTED),
    ...rest,
    ["fix", "resume with the run's own preset and sizes, or start a new run with --out"],
  ]);
}
