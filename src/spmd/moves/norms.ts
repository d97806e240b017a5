/** @file Normalisation along a split last axis: means are sums over all shards by the true number of elements. */

import type { Tensor } from "../../core/tensor.ts";
import { add, mul, scale, sub } from "../../ops/arithmetic.ts";
import { allReduce } from "../../ops/collectives.ts";
import { broadcast, fullLike } from "../../ops/creation.ts";
import { rsqrt } from "../../ops/exponential.ts";
import type { NormParams } from "../../ops/normalisation.ts";
import { restore, sum } from "../../ops/sum.ts";
import { withoutPadding } from "../mask.ts";
import { type MoveQuestion, type MoveRule, moveRule, splitOperand } from "./move-rule.ts";

function lines(question: MoveQuestion) {
  const split = splitOperand(question);
  const { dim, size, groups } = split;
  const x = question.operands[0] as Tensor;
  const mean = (values: Tensor) => {
    const own = sum(withoutPadding(question.mesh, values, split, "sum"), [dim]);
    return scale(allReduce(own, groups), 1 / size);
  };
  const spread = (line: Tensor) => restore(line, x.aval, [dim]);
  const row = (values: Tensor) => broadcast(values, { dims: x.dims, axes: [dim], names: x.names });
  const { epsilon } = question.equation.params as NormParams;
  const inverse = (variance: Tensor) => rsqrt(add(variance, fullLike(variance, epsilon)));
  return { x, mean, spread, row, inverse };
}

export const rmsNormSplit: MoveRule = moveRule((question) => {
  const { x, mean, spread, row, inverse } = lines(question);
  const r = inverse(mean(mul(x, x)));
  return [mul(mul(x, spread(r)), row(question.operands[1] as Tensor)), r];
});

export const layerNormSplit: MoveRule = moveRule((question) => {
  const { x, mean, spread, row, inverse } = lines(question);
  const [, s, b] = question.operands as readonly [Tensor, Tensor, Tensor];
  const middle = mean(x);
  const centred = sub(x, spread(middle));
  const r = inverse(mean(mul(centred, centred)));
  return [add(mul(mul(centred, spread(r)), row(s)), row(b)), middle, r];
});
