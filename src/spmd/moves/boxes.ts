/**
 * @file Boxes at starts known only when the program runs, in operands that are split: each device has the part of the
 * box that lies in its shard. The start is clamped to the whole first, as everywhere.
 */

import { groupsAlong } from "../../core/mesh.ts";
import { aval, dimOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { sub } from "../../ops/arithmetic.ts";
import { allReduce } from "../../ops/collectives.ts";
import { literal } from "../../ops/creation.ts";
import { type DynamicSliceParams, dynamicSlice, dynamicUpdateSlice } from "../../ops/dynamic.ts";
import { reshape } from "../../ops/layout.ts";
import { convert } from "../../ops/logic.ts";
import { maximum, minimum } from "../../ops/magnitude.ts";
import { concatenate, pad, slice } from "../../ops/pieces.ts";
import { hereAlong, numberHere } from "../halo/place-numbers.ts";
import {
  localParams,
  type MoveQuestion,
  type MoveRule,
  moveRule,
  type SplitDim,
  splitDims,
} from "./move-rule.ts";

/**
 * Where the box begins on this device, with as much room before its shard as the box is long, so that what lies in
 * other shards falls into the room.
 *
 * @returns int32[rank]
 */
function startHere(
  { mesh, equation }: MoveQuestion,
  start: Tensor,
  x: Tensor,
  box: readonly number[],
  splits: readonly SplitDim[],
): Tensor {
  const whole = equation.inputs[0]?.aval.dims ?? [];
  const form = aval("int32", [whole.length]);
  const last = literal(form, whole.map((size, i) => size - (box[i] ?? 0))); // biome-ignore format: one line
  const zero = literal(form, whole.map(() => 0)); // biome-ignore format: one line
  const clamped = minimum(maximum(start, zero), last);
  const shifts = whole.map((_, i) => {
    const split = splits.find(({ dim }) => dim === i);
    if (split === undefined) return literal(aval("int32", [1]), [0]);
    const [block, shards] = [dimOf(x.aval, i), split.groups[0]?.length ?? 1];
    const firsts = Array.from({ length: shards }, (_, k) => k * block - (box[i] ?? 0));
    return reshape(numberHere(hereAlong(mesh, split.axes), firsts), [1]);
  });
  return sub(clamped, concatenate(shifts, 0));
}

/** Zeros around the shard, as many as the box is long. */
function withRoom(x: Tensor, box: readonly number[], splits: readonly SplitDim[]): Tensor {
  const room = x.dims.map((_, i) => (splits.some(({ dim }) => dim === i) ? (box[i] ?? 0) : 0));
  return pad(x, room, room);
}

/** Parts of the box from all devices that have some, zeros elsewhere, and their sum. */
export const dynamicSliceMoves: MoveRule = moveRule((question) => {
  const [x, start] = question.operands as readonly [Tensor, Tensor];
  const { sizes } = question.equation.params as DynamicSliceParams;
  const splits = splitDims(question, "operand", 0);
  const from = startHere(question, start, x, sizes, splits);
  // Truth values are no numbers that collectives add.
  const numbers = x.dtype === "bool" ? convert(x, "int32") : x;
  const box = localParams<DynamicSliceParams>(question).sizes;
  const mine = dynamicSlice(withRoom(numbers, sizes, splits), from, box);
  const axes = splits.flatMap((split) => split.axes);
  return [convert(allReduce(mine, groupsAlong(question.mesh, axes)), x.dtype)];
});

/** All devices know the update; each writes the part that lies in its shard. Nothing is sent. */
export const dynamicUpdateSliceMoves: MoveRule = moveRule((question) => {
  const [x, update, start] = question.operands as readonly [Tensor, Tensor, Tensor];
  const box = question.equation.inputs[1]?.aval.dims ?? [];
  const splits = splitDims(question, "operand", 0);
  const from = startHere(question, start, x, box, splits);
  const y = dynamicUpdateSlice(withRoom(x, box, splits), update, from);
  const room = x.dims.map((_, i) => (splits.some(({ dim }) => dim === i) ? (box[i] ?? 0) : 0));
  return [slice(y, room, room.map((n, i) => n + dimOf(x.aval, i)))]; // biome-ignore format: one line
});
