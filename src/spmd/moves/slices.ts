/** @file Slice, pad, reverse, roll, concatenate and split along split dimensions: elements go where they have to be. */

import type { Tensor } from "../../core/tensor.ts";
import { reverse } from "../../ops/layout.ts";
import {
  type ConcatenateParams,
  type PadParams,
  pad,
  type SliceParams,
  type SplitParams,
  slice,
} from "../../ops/pieces.ts";
import type { RollParams } from "../../ops/roll.ts";
import { concatenateSplit, partsSplit, reverseSplit, rollSplit } from "../halo/reorder-split.ts";
import { padSplit, sliceSplit } from "../halo/slice-split.ts";
import { type MoveRule, moveRule, splitDims, splitOperand } from "./move-rule.ts";

export const sliceMoves: MoveRule = moveRule((question) => {
  const { mesh, equation, rule } = question;
  const { start, limit, stride } = equation.params as SliceParams;
  const [x] = question.operands as readonly [Tensor];
  const splits = splitDims(question, "operand", 0);
  // What a device can cut away by itself is not sent.
  const own = (dim: number) =>
    rule.moves.includes(rule.operands[0]?.[dim] as string) &&
    splits.every((split) => split.dim !== dim);
  const cut = slice(
    x,
    start.map((from, dim) => (own(dim) ? from : 0)),
    limit.map((to, dim) => (own(dim) ? to : (x.dims[dim] ?? 0))),
    stride.map((step, dim) => (own(dim) ? step : 1)),
  );
  const y = splits.reduce((piece, split) => {
    const { dim } = split;
    return sliceSplit(mesh, piece, split, {
      ...{ start: start[dim] ?? 0, limit: limit[dim] ?? 0, stride: stride[dim] ?? 1 },
    });
  }, cut);
  return [y];
});

export const padMoves: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const { low, high, interior, value } = equation.params as PadParams;
  const splits = splitDims(question, "operand", 0);
  const own = (list: readonly number[]) =>
    list.map((n, dim) => (splits.some((split) => split.dim === dim) ? 0 : n));
  const here = (x: Tensor) => pad(x, own(low), own(high), own(interior), value);
  const exchanged = (x: Tensor) =>
    splits.reduce((piece, split) => {
      const { dim } = split;
      return padSplit(mesh, piece, split, {
        ...{ low: low[dim] ?? 0, high: high[dim] ?? 0, interior: interior[dim] ?? 0, value },
      });
    }, x);
  const [x] = question.operands as readonly [Tensor];
  // Padding is not worth sending, and what a device cuts away by itself is not sent.
  const shrinks = [...own(low), ...own(high)].some((n) => n < 0);
  return [shrinks ? exchanged(here(x)) : here(exchanged(x))];
});

export const reverseMoves: MoveRule = moveRule((question) => {
  const { axes } = question.equation.params as { readonly axes: readonly number[] };
  const splits = splitDims(question, "operand", 0);
  const own = axes.filter((axis) => splits.every(({ dim }) => dim !== axis));
  const [x] = question.operands as readonly [Tensor];
  const turned = own.length === 0 ? x : reverse(x, own);
  return [splits.reduce((y, split) => reverseSplit(question.mesh, y, split), turned)];
});

export const rollMoves: MoveRule = moveRule((question) => {
  const { shift } = question.equation.params as RollParams;
  const [x] = question.operands as readonly [Tensor];
  return [rollSplit(question.mesh, x, splitOperand(question), shift)];
});

export const concatenateMoves: MoveRule = moveRule((question) => {
  const { mesh, equation, operands } = question;
  const { axis } = equation.params as ConcatenateParams;
  const { axes } = splitOperand(question);
  const sizes = equation.inputs.map((v) => v.aval.dims[axis] ?? 0);
  return [concatenateSplit(mesh, operands, { dim: axis, axes, sizes })];
});

export const splitMoves: MoveRule = moveRule((question) => {
  const { sizes } = question.equation.params as SplitParams;
  const [x] = question.operands as readonly [Tensor];
  return partsSplit(question.mesh, x, splitOperand(question), sizes);
});
