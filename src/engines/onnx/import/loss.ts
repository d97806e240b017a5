/** @file Losses of classifiers: scores and labels to one number, or one per example. */

import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { fullLike } from "../../../ops/creation.ts";
import { reshape, transpose } from "../../../ops/layout.ts";
import type { Call, Result } from "./call.ts";
import { counting, range } from "./forms.ts";
import { type Operators, operator } from "./operator.ts";

/** `−w[label] · log p[label]`, with classes on axis 1 of the logarithms; what is ignored weighs nothing. */
function negativeLogLikelihood(call: Call, logs: Tensor): Tensor {
  const labels = np.astype(call.x(1), "int32");
  const classes = logs.dims[1] ?? 0;
  const ignored = call.given("ignore_index")
    ? np.equal(labels, call.int("ignore_index"))
    : undefined;
  // An ignored label may be no class at all.
  const safe = ignored === undefined ? labels : np.where(ignored, fullLike(labels, 0), labels);
  const last = transpose(logs, [0, ...range(logs.rank).slice(2), 1]);
  const chosen = np.equal(
    reshape(safe, [...safe.dims, 1]),
    counting([...safe.dims.map(() => 1), classes], safe.rank),
  );
  const picked = np.sum(np.where(chosen, last, fullLike(last, 0)), last.rank - 1);
  const given = call.maybe(2);
  const weights = given === undefined ? fullLike(picked, 1) : np.take(given, safe);
  const counted =
    ignored === undefined ? weights : np.where(ignored, fullLike(weights, 0), weights);
  const losses = np.neg(np.mul(picked, counted));
  const how = call.oneOf("reduction", ["none", "sum", "mean"], "mean");
  if (how === "none") return losses;
  return how === "sum" ? np.sum(losses) : np.div(np.sum(losses), np.sum(counted));
}

function softmaxCrossEntropy(call: Call): readonly Result[] {
  const logs = np.logSoftmax(call.x(0), 1);
  return [negativeLogLikelihood(call, logs), logs];
}

export const LOSS: Operators = {
  NegativeLogLikelihoodLoss: operator(12, (call) => negativeLogLikelihood(call, call.x(0))),
  SoftmaxCrossEntropyLoss: operator(12, softmaxCrossEntropy),
};
