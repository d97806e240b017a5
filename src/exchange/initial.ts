/** @file A training state that starts from the weights of another model, for `train --init`. */

import { CheckpointError, type Fact } from "../core/errors.ts";
import { sameDims, showAval } from "../core/shape.ts";
import { mapTree, namedLeaves, withLeaves } from "../core/tree.ts";
import type { TrainState } from "../train/step.ts";
import type { OpenedModel } from "./open-model.ts";

const SHOWN = 6;

/**
 * A fresh state with the parameters of an opened model, and what that model's routers kept. Optimiser, step and place in
 * the data stay fresh.
 *
 * @param fresh - of the model that will train
 * @throws CheckpointError listing what does not fit, when the models have other sizes
 */
export function startFrom(fresh: TrainState, opened: OpenedModel): TrainState {
  const like = { params: fresh.params, extra: fresh.extra };
  const given = new Map(
    namedLeaves(opened.weights, "weights").map(({ path, leaf }) => [path, leaf]),
  );
  const facts: Fact[] = [];
  const chosen = namedLeaves(like, "state").map(({ path, leaf }) => {
    const found = given.get(path);
    given.delete(path);
    if (found !== undefined && found.dtype === leaf.dtype && sameDims(found.dims, leaf.dims)) {
      return found;
    }
    const has = found === undefined ? "is not there" : `is ${showAval(found.aval)}`;
    facts.push([path, `${has}; ${showAval(leaf.aval)} is needed`]);
    return leaf;
  });
  for (const path of given.keys()) facts.push([path, "has no place in the model"]);
  if (facts.length > 0) {
    const more = facts.length - SHOWN;
    throw new CheckpointError(
      "CHECKPOINT-01",
      `init: the weights of ${opened.path} are not those of the model that is to train.`,
      [
        ...facts.slice(0, SHOWN),
        ...(more > 0 ? [["and", `${more} more`] as const] : []),
        ["fix", "train with the preset and sizes of that model"],
      ],
    );
  }
  const { params, extra } = withLeaves(like, chosen);
  return {
    ...fresh,
    params,
    extra,
    ...(fresh.average === undefined ? {} : { average: mapTree(params, (leaf) => leaf) }),
  };
}
