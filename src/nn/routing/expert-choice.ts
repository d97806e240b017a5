/** @file Experts choose their tokens: Zhou et al., arXiv:2202.09368. */

import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { maximum, scalar, softmax, topK, where } from "../../numpy/index.ts";
import { fullLike, iota } from "../../ops/creation.ts";
import { pick } from "./choices.ts";
import {
  type Choices,
  defineRule,
  kept,
  neededSlots,
  type Route,
  type RouterState,
  type RoutingRule,
  type Seats,
} from "./routing.ts";

/** Weight of the past in a running mean; less at the start, so that the first batch counts whole. */
const MEMORY = 0.98;

/** `[group, expert, token]`, softmax over experts. */
export function affinityOf(logits: Tensor): Tensor {
  return softmax(logits, "expert").order("group expert token");
}

/** What padding scores: less than any token. */
export const NOBODY = -1;

/** Scores with padding below all others. */
export function withoutPadding(scores: Tensor, mask: Tensor | undefined): Tensor {
  return mask === undefined ? scores : where(mask.broadcastTo(scores), scores, NOBODY);
}

/**
 * Always balanced, and a token may get any number of experts.
 *
 * §3.2: `S = softmax(X·W_g)` over experts; `G, I = TopK(Sᵀ, k)`. Ties go to the lower token index.
 */
const route: Route = (call) => {
  const { logits, mask } = call;
  const slots = neededSlots("expert-choice", call);
  const affinity = withoutPadding(affinityOf(logits), mask);
  const { values, indices } = topK(affinity, { along: "token", k: slots, as: "slot" });
  const last = values.slice("slot", slots - 1, slots);
  return {
    assignment: mask === undefined ? { token: indices, weight: values } : filled(indices, values),
    auxLoss: scalar(0),
    observed: { threshold: lastScore(last, mask === undefined ? undefined : last.greaterEqual(0)) },
  };
};

/** Seats without those that padding took for want of tokens. */
function filled(token: Tensor, weight: Tensor): Seats {
  const real = weight.greaterEqual(0);
  return { token: where(real, token, -1), weight: where(real, weight, 0) };
}

/**
 * `[expert]` the score that won the last slot, mean over the groups whose last slot was won by a token.
 *
 * @param last - `[group, expert, slot 1]`
 * @param real - bool, where padding is possible: whether a token won it
 */
export function lastScore(last: Tensor, real: Tensor | undefined): Tensor {
  const scores = last.stopGradient();
  if (real === undefined) return scores.mean(["group", "slot"]);
  const count = real.astype("float32").sum(["group", "slot"]);
  return where(real, scores, 0).sum(["group", "slot"]).div(maximum(count, 1));
}

/**
 * A token takes every expert whose score for it reaches that expert's threshold, but no more than `most`:
 * those that are furthest above. No token then depends on another.
 */
export function byThreshold(router: string, most: number): Route {
  return ({ logits, state, mask }) => {
    const gates = softmax(logits, "expert");
    const threshold = kept(router, state, "threshold");
    const above = withoutPadding(gates.sub(threshold.as("expert")), mask);
    return {
      assignment: most < logits.size("expert") ? best(gates, above, most) : all(gates, above),
      auxLoss: scalar(0),
      observed: { threshold },
    };
  };
}

/** Every expert is a choice of every token. */
function all(gates: Tensor, above: Tensor): Choices {
  const reached = above.greaterEqual(0);
  const places = iota(aval("int32", above.dims, above.names), 2);
  return {
    expert: where(reached, places, -1).as("group token choice"),
    weight: where(reached, gates, 0).as("group token choice"),
  };
}

function best(gates: Tensor, above: Tensor, most: number): Choices {
  const { values, indices } = topK(above, { along: "expert", k: most, as: "choice" });
  const reached = values.greaterEqual(0);
  return {
    expert: where(reached, indices, -1),
    weight: where(reached, pick(gates, indices), 0),
  };
}

/** Means over the batches so far, with a memory of about 50 of them. */
export function runningMeans(state: RouterState, observed: RouterState, step: Tensor): RouterState {
  const one = fullLike(step, 1);
  const past = one.sub(maximum(one.div(step.add(1)), 1 - MEMORY));
  const mean = ([name, old]: readonly [string, Tensor]) =>
    [name, old.mul(past).add(kept("router", observed, name).mul(one.sub(past)))] as const;
  return Object.fromEntries(Object.entries(state).map(mean));
}

export const expertChoice: RoutingRule = defineRule({
  name: "expert-choice",
  summary: "each expert takes its best tokens; balanced by construction (arXiv:2202.09368)",
  options: {},
  router: () => ({
    expertsPerToken: "capacityFactor",
    chooses: "experts",
    looksAhead: true,
    route,
    deployed: byThreshold("expert-choice", Infinity),
    keeps: ["threshold"],
    nextState: runningMeans,
  }),
});
