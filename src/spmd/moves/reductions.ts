/** @file Reductions and prefixes along a split axis: each device's own first, then those of all. */

import { type AxisPart, groupsAlong } from "../../core/mesh.ts";
import { aval, dimOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { type ArgMaxParams, argMax } from "../../ops/arg-max.ts";
import { add, mul } from "../../ops/arithmetic.ts";
import { or } from "../../ops/bits.ts";
import { allGather, allReduce } from "../../ops/collectives.ts";
import { fullLike } from "../../ops/creation.ts";
import { type CumsumParams, cumsum } from "../../ops/cumulative.ts";
import { reduceMax } from "../../ops/extremes.ts";
import { gather } from "../../ops/indexing.ts";
import { equal, isNaNElement, select } from "../../ops/logic.ts";
import { GREATEST, LEAST } from "../../ops/magnitude.ts";
import { prod } from "../../ops/reduce.ts";
import { restore } from "../../ops/sum.ts";
import { type TopKParams, topK } from "../../ops/top-k.ts";
import { cumulativeSplit } from "../halo/cumulative-split.ts";
import { withoutPadding, withPadding } from "../mask.ts";
import { deviceAlong } from "../place.ts";
import { type MoveRule, moveRule, type SplitDim, splitDims, splitOperand } from "./move-rule.ts";

/** Products of the pieces, multiplied over devices. */
export const prodSplit: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const { axes: gone } = equation.params as { readonly axes: readonly number[] };
  const splits = splitDims(question, "operand", 0);
  const x = splits.reduce<Tensor>(
    (clean, split) => withPadding(mesh, clean, split, 1),
    question.operands[0] as Tensor,
  );
  const axes = splits.flatMap((split): readonly AxisPart[] => split.axes);
  return [allReduce(prod(x, gone), groupsAlong(mesh, axes), "prod")];
});

/** The least place of all devices whose largest element is the largest of all; NaN is larger than all numbers. */
export const argMaxSplit: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const { axis } = equation.params as ArgMaxParams;
  const split = splitOperand(question);
  const x = withoutPadding(mesh, question.operands[0] as Tensor, split, "max");
  const top = allReduce(reduceMax(x, [axis]), split.groups, "max");
  const own = argMax(x, axis);
  const best = reduceMax(x, [axis]);
  const first = shifted(question.mesh, own, split, dimOf(x.aval, axis));
  const wins = or(equal(best, top), isNaNElement(best));
  const place = select(wins, first, fullLike(first.aval, GREATEST.int32));
  return [allReduce(place, split.groups, "min")];
});

/** Places in the shard as places in the whole. */
function shifted(
  mesh: Parameters<typeof deviceAlong>[0],
  places: Tensor,
  { axes }: SplitDim,
  length: number,
): Tensor {
  const start = mul(deviceAlong(mesh, axes), fullLike(aval("int32", []), length));
  return add(places, restore(start, places.aval, places.dims.map((_, i) => i))); // biome-ignore format: one line
}

/** Own prefixes, and the sums of the shards before. */
export const cumsumSplit: MoveRule = moveRule((question) => {
  const { axis, reverse } = question.equation.params as CumsumParams;
  const run = {
    scan: (x: Tensor) => cumsum(x, axis, { reverse }),
    combine: add,
    identity: 0,
    reverse,
  };
  return [
    cumulativeSplit(question.mesh, question.operands[0] as Tensor, splitOperand(question), run),
  ];
});

/** The largest of each shard, of which the largest of all are taken. Among equals the first shard has the lower place. */
export const topKSplit: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const { k } = equation.params as TopKParams;
  const split = splitOperand(question);
  const given = question.operands[0] as Tensor;
  const x = withPadding(mesh, given, split, LEAST[given.dtype]);
  const length = dimOf(x.aval, split.dim);
  const [values, places] = topK(x, Math.min(k, length));
  const candidates = allGather(values, split.dim, split.groups);
  const from = allGather(shifted(mesh, places, split, length), split.dim, split.groups);
  const [best, at] = topK(candidates, k);
  return [best, gather(from, at, split.dim)];
});
