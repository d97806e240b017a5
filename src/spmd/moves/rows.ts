/**
 * @file Rows by index where the rows are split: each device serves those that it has.
 *
 * Indices mean places in the whole table, clamped to it first, as everywhere.
 */

import { apply } from "../../core/builder.ts";
import type { Mesh } from "../../core/mesh.ts";
import { aval, dimOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { mul, sub } from "../../ops/arithmetic.ts";
import { and } from "../../ops/bits.ts";
import { allReduce } from "../../ops/collectives.ts";
import { broadcast, fullLike } from "../../ops/creation.ts";
import {
  type GatherParams,
  gather,
  type ScatterAddParams,
  scatterAdd,
} from "../../ops/indexing.ts";
import { convert, greaterEqual, less, select } from "../../ops/logic.ts";
import { clamp } from "../../ops/magnitude.ts";
import { pad, slice } from "../../ops/pieces.ts";
import type { ScatterParams } from "../../ops/scatter.ts";
import { deviceAlong } from "../place.ts";
import { type MoveRule, moveRule, type SplitDim, splitOperand, splitResult } from "./move-rule.ts";

/** Indices into this device's rows, and which of them are there. */
function ownRows(mesh: Mesh, indices: Tensor, { size, axes }: SplitDim, rows: number) {
  const all = (value: number) => fullLike(indices.aval, value);
  const whole = clamp(indices, all(0), all(Math.max(0, size - 1)));
  const first = mul(deviceAlong(mesh, axes), fullLike(aval("int32", []), rows));
  const start = broadcast(first, { dims: indices.dims, axes: [], names: indices.names });
  const own = sub(whole, start);
  return { own, there: and(greaterEqual(own, all(0)), less(own, all(rows))) };
}

/** Zeros where a row is another device's, then the sum over all. */
export const gatherRows: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const { batchDims } = equation.params as GatherParams;
  const [x, indices] = question.operands as readonly [Tensor, Tensor];
  const split = splitOperand(question);
  const { own, there } = ownRows(mesh, indices, split, dimOf(x.aval, split.dim));
  const rows = gather(x, own, batchDims);
  const mask = broadcast(there, {
    ...{ dims: rows.dims, axes: there.dims.map((_, i) => i), names: rows.names },
  });
  // Truth values are no numbers that collectives add.
  const numbers = rows.dtype === "bool" ? convert(rows, "int32") : rows;
  const mine = select(mask, numbers, fullLike(numbers.aval, 0));
  return [convert(allReduce(mine, split.groups), rows.dtype)];
});

/** Indices where this device's rows are its own, and one row behind them takes what is not. */
function orBehind(mesh: Mesh, indices: Tensor, split: SplitDim, rows: number): Tensor {
  const { own, there } = ownRows(mesh, indices, split, rows);
  return select(there, own, fullLike(own.aval, rows));
}

export const scatterAddRows: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const params = equation.params as ScatterAddParams;
  const [updates, indices] = question.operands as readonly [Tensor, Tensor];
  const split = splitResult(question);
  const rows = Math.ceil(split.size / (split.groups[0]?.length ?? 1));
  const at = orBehind(mesh, indices, split, rows);
  const y = scatterAdd(updates, at, { ...params, size: rows + 1, distinct: 0 });
  return [withoutLast(y, split.dim)];
});

/** scatterSet, scatterMax and scatterMin: all devices see all updates, and each writes its own. */
export const scatterRows: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const params = equation.params as ScatterParams;
  const [x, updates, indices] = question.operands as readonly [Tensor, Tensor, Tensor];
  const split = splitOperand(question);
  const rows = dimOf(x.aval, split.dim);
  const at = orBehind(mesh, indices, split, rows);
  const zeros = x.dims.map(() => 0);
  const longer = pad(x, zeros, zeros.with(split.dim, 1));
  const [y] = apply(equation.op, [longer, updates, at], { ...params, distinct: 0 });
  return [withoutLast(y as Tensor, split.dim)];
});

function withoutLast(y: Tensor, dim: number): Tensor {
  return slice(
    y,
    y.dims.map(() => 0),
    y.dims.with(dim, dimOf(y.aval, dim) - 1),
  );
}
