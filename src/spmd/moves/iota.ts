/** @file Counting along a split dimension: each device starts where its shard does. */

import { aval } from "../../core/shape.ts";
import { fullLike } from "../../ops/creation.ts";
import { convert } from "../../ops/logic.ts";
import { wholeIndex } from "../mask.ts";
import { pieceOf } from "../pieces.ts";
import { type MoveRule, moveRule, splitResult } from "./move-rule.ts";

export const iotaSplit: MoveRule = moveRule((question) => {
  const { mesh, equation, assignment } = question;
  const { dim, axes } = splitResult(question);
  const [y] = equation.outputs;
  const [sharding] = assignment.results;
  if (y === undefined || sharding === undefined) return [];
  const form = pieceOf(y.aval, sharding);
  const index = wholeIndex(mesh, fullLike(aval("int32", form.dims, form.names), 0), dim, axes);
  return [convert(index, form.dtype)];
});
