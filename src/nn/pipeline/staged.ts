/** @file Stacked layers as stages of a pipeline: `[layer, …]` is `[stage, layer, …]` in the same order, and with rounds `[round, stage, layer, …]`. */

import { mapTree, rebuildWith } from "../../core/tree.ts";
import { reshape } from "../../ops/layout.ts";
import { isParamSpec, type ParamSpec } from "../param.ts";
import { layersPerStage, type PipelineSizes } from "./schedule.ts";

type Stages = Pick<PipelineSizes, "stages" | "rounds">;

/**
 * Declarations of layers, each with its stage; they draw what they draw without stages.
 *
 * @param specs - of `layered`, `[layer, …]`
 * @throws ShardingError unless stages and rounds divide the layers
 */
export function stagedParams<T>(specs: T, sizes: Stages): T {
  return rebuildWith(specs, isParamSpec, (flat): ParamSpec => {
    const [layers = 0, ...rest] = flat.dims;
    const lead = leadOf(layers, sizes);
    const dims = [...lead.map(([, size]) => size), ...rest];
    const axes = [...lead.map(([word]) => word), ...flat.axes.split(" ").slice(1)];
    const init = (key: Parameters<ParamSpec["init"]>[0]) =>
      reshape(flat.init(key, flat), dims, axes);
    return { ...flat, dims, axes: axes.join(" "), init };
  }) as T;
}

/**
 * Tensors `[layer, …]` as `[stage, layer, …]`, or `[round, stage, layer, …]` for several rounds.
 *
 * @throws ShardingError unless stages and rounds divide the layers
 */
export function staged<P>(layers: P, sizes: Stages): P {
  return mapTree(layers, (leaf) => {
    const [count = 0, ...rest] = leaf.dims;
    const lead = leadOf(count, sizes);
    const dims = [...lead.map(([, size]) => size), ...rest];
    return reshape(leaf, dims, [...lead.map(([word]) => word), ...leaf.names.slice(1)]);
  });
}

/** The layers of all stages in their order, `[layer, …]`. */
export function unstaged<P>(stages: P, { rounds = 1 }: Stages): P {
  const lead = rounds > 1 ? 3 : 2;
  return mapTree(stages, (leaf) => {
    const count = leaf.dims.slice(0, lead).reduce((product, size) => product * size, 1);
    return reshape(leaf, [count, ...leaf.dims.slice(lead)], ["layer", ...leaf.names.slice(lead)]);
  });
}

function leadOf(layers: number, { stages, rounds = 1 }: Stages): (readonly [string, number])[] {
  const each = layersPerStage(layers, { stages, rounds });
  const round: (readonly [string, number])[] = rounds > 1 ? [["round", rounds]] : [];
  return [...round, ["stage", stages], ["layer", each]];
}
