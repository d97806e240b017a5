/** @file Slice, pad, reverse, roll, concatenate and split along split dimensions: elements go where they have to be. */

import type { Equation } from "../../core/program.ts";
import type { Tensor } from "../../core/tensor.ts";
import { reverse } from "../../ops/layout.ts";
import {
  type ConcatenateParams,
  type PadParams,
  pad,
  type SliceParams,
  type SplitParams,
  slice,
  sliceOp,
  splitOp,
} from "../../ops/pieces.ts";
import type { RollParams } from "../../ops/roll.ts";
import {
  concatenateSplit,
  partsSplit,
  regroupSplit,
  reverseSplit,
  rollSplit,
} from "../halo/reorder-split.ts";
import { padSplit, sliceSplit } from "../halo/slice-split.ts";
import {
  type MoveQuestion,
  type MoveRule,
  moveRule,
  type Sliced,
  splitDims,
  splitOperand,
} from "./move-rule.ts";

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

/** What the results of an equation are slices of; none where they are something else. */
export function slicesMadeBy({ op, inputs, params }: Equation): readonly Omit<Sliced, "piece">[] {
  const [whole] = inputs;
  if (whole === undefined) return [];
  if ((op as unknown) === sliceOp) return [{ whole, params: params as SliceParams }];
  if ((op as unknown) !== splitOp) return [];
  const { axis, sizes } = params as SplitParams;
  const { dims } = whole.aval;
  let end = 0;
  return sizes.map((size) => {
    const start = dims.map((_, i) => (i === axis ? end : 0));
    end += size;
    return { whole, params: { start, limit: dims.with(axis, end), stride: dims.map(() => 1) } };
  });
}

/** Slices of one tensor, as a roll has them, come from it at once. */
export const concatenateMoves: MoveRule = moveRule((question) => {
  const { mesh, equation, operands } = question;
  const { axis } = equation.params as ConcatenateParams;
  const { axes } = splitOperand(question);
  const sizes = equation.inputs.map((v) => v.aval.dims[axis] ?? 0);
  const whole = slicesOfOne(question, axis);
  if (whole === undefined) return [concatenateSplit(mesh, operands, { dim: axis, axes, sizes })];
  const { piece, size, starts } = whole;
  return [regroupSplit(mesh, piece, { dim: axis, axes, size }, { starts, sizes })];
});

/** The tensor of which all operands are slices along the axis, and where they begin. */
function slicesOfOne({ equation, sliceOf }: MoveQuestion, axis: number) {
  const slices = equation.inputs.map((_, i) => sliceOf(i));
  const [first] = slices;
  if (first === undefined) return undefined;
  const { dims } = first.whole.aval;
  const starts = slices.flatMap((slice) => {
    if (slice?.whole !== first.whole) return [];
    const { start, limit, stride } = slice.params;
    const wholeElsewhere = dims.every(
      (size, i) => i === axis || (start[i] === 0 && limit[i] === size && stride[i] === 1),
    );
    return wholeElsewhere && stride[axis] === 1 ? [start[axis] ?? 0] : [];
  });
  if (starts.length < slices.length) return undefined;
  return { piece: first.piece, size: dims[axis] ?? 0, starts };
}

export const splitMoves: MoveRule = moveRule((question) => {
  const { sizes } = question.equation.params as SplitParams;
  const [x] = question.operands as readonly [Tensor];
  return partsSplit(question.mesh, x, splitOperand(question), sizes);
});
