/** @file Softmax and its kin along a split last axis: the largest element and the sum are found together. */

import { factorNames } from "../../core/sharding-rule.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add, div, sub } from "../../ops/arithmetic.ts";
import { allReduce } from "../../ops/collectives.ts";
import { contract } from "../../ops/contract.ts";
import { fullLike } from "../../ops/creation.ts";
import { exp, log } from "../../ops/exponential.ts";
import { reduceMax } from "../../ops/extremes.ts";
import { equal, select } from "../../ops/logic.ts";
import { abs } from "../../ops/magnitude.ts";
import { restore, sum } from "../../ops/sum.ts";
import { withoutPadding } from "../mask.ts";
import { type MoveQuestion, type MoveRule, moveRule, splitOperand } from "./move-rule.ts";

/** x less its line's largest element; e to that; the sum of these along the line: all over the whole axis. */
function raised(question: MoveQuestion) {
  const split = splitOperand(question);
  const { dim, groups } = split;
  const x = withoutPadding(question.mesh, question.operands[0] as Tensor, split, "max");
  const top = allReduce(reduceMax(x, [dim]), groups, "max");
  const spread = (line: Tensor) => restore(line, x.aval, [dim]);
  const lowered = sub(x, spread(top));
  // In the padding e^{−∞ − top} is 0, but where the whole line is −∞.
  const power = withoutPadding(question.mesh, exp(lowered), split, "sum");
  return { top, lowered, power, total: allReduce(sum(power, [dim]), groups), spread };
}

function softmaxOf(question: MoveQuestion): Tensor {
  const { power, total, spread } = raised(question);
  return div(power, spread(total));
}

export const softmaxSplit: MoveRule = moveRule((question) => [softmaxOf(question)]);

export const logSoftmaxSplit: MoveRule = moveRule((question) => {
  const { lowered, total, spread } = raised(question);
  return [sub(lowered, spread(log(total)))];
});

export const logSumExpSplit: MoveRule = moveRule((question) => {
  const { top, total } = raised(question);
  const infinite = equal(abs(top), fullLike(top, Infinity));
  return [select(infinite, top, add(log(total), top))];
});

/** Weights stay split; each device mixes the values that it has, and the mixtures are added. */
export const attendSplit: MoveRule = moveRule((question) => {
  const { dim, groups, ...split } = splitOperand(question);
  const p = softmaxOf(question);
  const v = withoutPadding(
    question.mesh,
    question.operands[1] as Tensor,
    { ...split, dim: dim - 1 },
    "sum",
  );
  const weights = withoutPadding(question.mesh, p, { ...split, dim }, "sum");
  const batch = factorNames(dim - 1);
  const mixed = contract(weights, v, {
    lhs: [...batch, "q", "k"],
    rhs: [...batch, "k", "d"],
    out: [...batch, "q", "d"],
  });
  return [allReduce(mixed, groups), p];
});
