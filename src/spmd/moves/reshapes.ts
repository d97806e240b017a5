/**
 * @file Reshapes whose sides are split in ways that no common factor has: as 6 × 2 over four devices, 2 + 2 + 2 + 0 rows,
 * becomes 12, 3 + 3 + 3 + 3. Row-major order stays, so blocks only change their lengths, and edges go to neighbours.
 */

import { joinParts } from "../../core/mesh.ts";
import { sizeOf } from "../../core/shape.ts";
import {
  type AxisFactors,
  type Factor,
  factorNames,
  rule,
  type ShardingRule,
} from "../../core/sharding-rule.ts";
import type { Tensor } from "../../core/tensor.ts";
import { type ReshapeParams, reshape } from "../../ops/layout.ts";
import { type ReshapeGroup, reshapeSplit } from "../halo/reshape-split.ts";
import type { MoveRule } from "./move-rule.ts";

/**
 * The shortest runs of dimensions that hold the same elements on both sides. A run begins with a dimension longer than
 * 1, but where there is none.
 */
export function reshapeGroups(from: readonly number[], to: readonly number[]): ReshapeGroup[] {
  const groups: { from: number[]; to: number[] }[] = [];
  let [i, j] = [0, 0];
  while (i < from.length || j < to.length) {
    const group = { from: [] as number[], to: [] as number[] };
    if (from[i] === 1) group.from.push(from[i++] ?? 1);
    else if (to[j] === 1) group.to.push(to[j++] ?? 1);
    else {
      group.from.push(from[i++] ?? 1);
      group.to.push(to[j++] ?? 1);
      while (sizeOf(group.from) !== sizeOf(group.to)) {
        if (sizeOf(group.from) < sizeOf(group.to)) group.from.push(from[i++] ?? 1);
        else group.to.push(to[j++] ?? 1);
      }
    }
    groups.push(group);
  }
  return groups;
}

/** One factor for each group of several dimensions, on the major one of both sides. */
function majorRule(
  from: readonly number[],
  to: readonly number[],
  params: ReshapeParams,
): ShardingRule | undefined {
  if (sizeOf(from) === 0) return undefined;
  const groups = reshapeGroups(from, to);
  const names = factorNames(groups.length);
  const onMajor = (dims: readonly number[], factor: Factor): AxisFactors[] =>
    dims.map((_, i) => (i === 0 ? factor : null));
  const named = groups.map((group, i) => ({
    group,
    factor: group.from.length > 0 && group.to.length > 0 ? (names[i] ?? "") : null,
  }));
  const side = (key: "from" | "to") =>
    named.flatMap(({ group, factor }) =>
      factor === null ? group[key].map((): AxisFactors => null) : onMajor(group[key], factor),
    );
  const moves = named.flatMap(({ group, factor }) =>
    factor !== null && group.from.length + group.to.length > 2 ? [factor] : [],
  );
  if (moves.length === 0) return undefined;
  return {
    ...rule(params, [side("from")], [side("to")], { moves }),
    local: ([dims]) => ({ ...params, dims: dims ?? params.dims }),
  };
}

export const reshapeMoves: MoveRule = {
  // What only one side has cannot be split.
  movable: () => new Set(),
  others: ({ inputs, outputs, params }) => {
    const own = majorRule(
      inputs[0]?.aval.dims ?? [],
      outputs[0]?.aval.dims ?? [],
      params as ReshapeParams,
    );
    return own === undefined ? [] : [own];
  },
  apply({ mesh, equation, rule: { operands: sides }, assignment, operands }) {
    const [x] = operands as readonly [Tensor];
    const [from, to] = [equation.inputs[0]?.aval.dims ?? [], equation.outputs[0]?.aval.dims ?? []];
    let [y, dim, read] = [x, 0, 0];
    for (const group of reshapeGroups(from, to)) {
      const factor = sides[0]?.[read];
      const axes = typeof factor === "string" ? (assignment.factors.get(factor) ?? []) : [];
      const [before, after] = [y.dims.slice(0, dim), y.dims.slice(dim + group.from.length)];
      if (group.from.length === 0 || group.to.length === 0 || axes.length === 0)
        y = reshape(y, [...before, ...group.to, ...after]);
      else if (group.from.length + group.to.length > 2)
        y = reshapeSplit(mesh, y, { dim, axes: joinParts(axes) }, group);
      read += group.from.length;
      dim += group.to.length;
    }
    return [reshape(y, y.dims, (equation.params as ReshapeParams).names)];
  },
};
