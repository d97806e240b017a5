/** @file Many layers of one form, with their parameters stacked: a program of one layer, however deep the stack is. */

import type { Tensor } from "../../core/tensor.ts";
import { leaves, mapTree, rebuildWith, withLeaves } from "../../core/tree.ts";
import { type CheckpointPolicy, checkpoint, map, random, scan, stack } from "../../numpy/index.ts";
import { isParamSpec, type ParamSpec } from "../param.ts";

/** How a stack of layers runs. */
export interface ScanLayersOptions {
  /**
   * Computes each layer again for its derivative instead of keeping what is inside: memory falls to one
   * layer's, for the time of one more forward pass. A list of ops says what is kept all the same.
   */
  readonly checkpoint?: boolean | CheckpointPolicy;
  /** Writes the layers out one after another: a longer program, which an engine may run faster. */
  readonly unroll?: boolean;
}

/**
 * Declarations of `count` layers of one form: every parameter gets a first axis `layer`. Each layer draws
 * from a key of its own, in one loop.
 */
export function layered<T>(specs: T, count: number): T {
  return rebuildWith(
    specs,
    isParamSpec,
    (one): ParamSpec => ({
      ...one,
      dims: [count, ...one.dims],
      axes: `layer ${one.axes}`.trim(),
      init: (key) => {
        const draw = (own: random.Key) => one.init(own, one);
        return map(draw, random.keys(key, count)).as(`layer ${one.axes}`.trim());
      },
    }),
  ) as T;
}

/**
 * x through all layers: `[x, y] = layer(x, p)` for the parameters of one layer after another.
 *
 * @param stacked - parameters, and whatever else each layer has of its own (a cache, a key), with the
 *   layers along the first axis of every tensor
 * @returns the last x, and the y of all layers along a new first axis `layer`
 */
export function scanLayers<X, P, Y>(
  layer: (x: X, p: P) => readonly [x: X, y: Y],
  x: X,
  stacked: P,
  options: ScanLayersOptions = {},
): readonly [x: X, y: Y] {
  const { checkpoint: again = false, unroll = false } = options;
  const saves = typeof again === "boolean" ? {} : { saves: again };
  const step = again === false ? layer : checkpoint(layer, saves);
  if (!unroll) return scan(step, x, stacked);
  const depth = leaves(stacked)[0]?.dims[0] ?? 0;
  let last = x;
  const results: Y[] = [];
  for (let i = 0; i < depth; i++) {
    const [next, y] = step(last, layerOf(stacked, i));
    last = next;
    results.push(y);
  }
  return [last, together(results)];
}

/** One layer of stacked tensors. */
export function layerOf<P>(stacked: P, i: number): P {
  return mapTree(stacked, (x) => {
    const names = x.names.slice(1).every((name) => name !== null) ? x.names.slice(1) : undefined;
    return x.slice(0, i, i + 1).reshape(x.dims.slice(1), names?.join(" "));
  });
}

/** Trees of one form as one tree of tensors with a first axis `layer`. */
function together<Y>(trees: readonly Y[]): Y {
  const [first] = trees;
  const lists = trees.map((tree) => leaves(tree));
  const stacked = (lists[0] ?? []).map((_, i) =>
    stack(
      lists.map((list) => list[i] as Tensor),
      "layer",
    ),
  );
  return withLeaves(first as Y, stacked);
}
