/** @file Experts choose their tokens: Zhou et al., arXiv:2202.09368. */

import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import {
  arange,
  full,
  greaterEqual,
  scalar,
  scatterAdd,
  softmax,
  topK,
  where,
} from "../../numpy/index.ts";
import { iota } from "../../ops/creation.ts";
import type { Router, RoutingRule } from "./routing.ts";

/**
 * Always balanced, and a token may get any number of experts.
 *
 * §3.2: `S = softmax(X·W_g)` over experts; `G, I = TopK(Sᵀ, k)`. Ties go to the lower token index.
 */
const route: Router = (logits, slots) => {
  const affinity = softmax(logits, "expert").order("group expert token");
  const { values, indices } = topK(affinity, { along: "token", k: slots, as: "slot" });
  return {
    token: indices,
    weight: values,
    auxLoss: scalar(0),
    load: full(1, [logits.size("expert")], "expert"),
    dropped: unserved(indices, logits.size("token")),
    threshold: values.slice("slot", slots - 1, slots).mean(["group", "slot"]),
  };
};

/** Share of tokens in no slot. */
function unserved(token: Tensor, tokens: number): Tensor {
  const [group, expert] = token.dims as [number, number, number];
  // Expert after expert, since each expert's tokens are distinct.
  const at = token.add(arange(group, "group").mul(tokens)).order("expert group slot");
  const counts = scatterAdd(full(1, at.dims), {
    at,
    size: group * tokens,
    batch: 0,
    as: null,
    distinct: expert,
  });
  return where(counts.less(0.5), 1, 0).mean();
}

/**
 * A token takes every expert whose score for it reaches that expert's threshold: the score that won
 * the last slot in training, on average. No token then depends on another.
 */
const byThreshold =
  (thresholds: Tensor): Router =>
  (logits) => {
    const affinity = softmax(logits, "expert").order("group expert token");
    const [group, expert, tokens] = affinity.dims as [number, number, number];
    const chosen = greaterEqual(affinity, thresholds.as("expert"));
    const weight = where(chosen, affinity, 0);
    const share = chosen.astype("float32").mean(["group", "token"]);
    return {
      // Every expert has a slot for every token; slots below the threshold are empty.
      token: iota(aval("int32", [group, expert, tokens], ["group", "expert", "slot"]), 2),
      weight: weight.as("group expert slot"),
      auxLoss: scalar(0),
      load: share.div(share.mean().add(1e-9)),
      dropped: where(weight.sum("expert").less(1e-30), 1, 0).mean(),
      threshold: thresholds,
    };
  };

export const expertChoice: RoutingRule = {
  name: "expert-choice",
  summary: "each expert takes its best tokens; balanced by construction (arXiv:2202.09368)",
  expertsPerToken: "capacityFactor",
  route,
  deployed: byThreshold,
};
