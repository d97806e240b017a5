/** @file A precursor of Expert Choice in Mesh TensorFlow, whose scores are a softmax over tokens. */

import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import {
  and,
  exp,
  gather,
  greaterEqual,
  logSumExp,
  maximum,
  minimum,
  softmax,
  topK,
  where,
  zeros,
} from "../../numpy/index.ts";
import { iota } from "../../ops/creation.ts";
import { expertsOfTokens } from "./choices.ts";
import { lastScore, runningMeans } from "./expert-choice.ts";
import { defineRule, kept, neededSlots, type Route, type RoutingRule } from "./routing.ts";

const NAME = "experts-softmax";
/** The logit of padding. */
const CLOSED = -1e30;

/**
 * Each expert's softmax over the tokens of a group; its best tokens get their share of it, divided by the number
 * of experts that took them.
 *
 * The loss is `n · Σ_t p_t²`, with p_t the mean share of token t: 1 when all tokens are wanted alike, n when one is.
 */
const route: Route = (call) => {
  const { mask } = call;
  const slots = neededSlots(NAME, call);
  const logits = call.logits.order("group expert token");
  const open = mask === undefined ? logits : where(mask.broadcastTo(logits), logits, CLOSED);
  const partition = logSumExp(open, "token");
  // Along one expert's tokens, scores are in the order of the logits.
  const { values, indices } = topK(open, { along: "token", k: slots, as: "slot" });
  const real = values.greater(CLOSED);
  const token = where(real, indices, -1);
  const count = expertsOfTokens({ token, weight: values }, logits.size("token"));
  const among = gather(count, { axis: "token", at: indices }).as("group expert slot");
  const score = exp(values.sub(partition));
  const wanted = softmax(open, "token").mean("expert");
  const last = (x: Tensor) => x.slice("slot", slots - 1, slots);
  return {
    assignment: { token, weight: where(real, score.div(maximum(among, 1)), 0) },
    auxLoss: tokensOf(wanted, mask).mul(wanted.square().sum("token")).mean(),
    observed: {
      threshold: lastScore(last(values), mask === undefined ? undefined : last(real)),
      partition: partition.stopGradient().mean("group"),
    },
  };
};

/** `[group]` tokens that are no padding. */
function tokensOf(like: Tensor, mask: Tensor | undefined): Tensor {
  const counted = mask === undefined ? like.stopGradient().mul(0).add(1) : mask.astype("float32");
  return counted.sum("token");
}

/**
 * The softmax with the mean partition of training in place of that of a group, which is not there. Thresholds are
 * logits.
 */
const deployed: Route = ({ logits, state, mask }) => {
  const partition = kept(NAME, state, "partition").as("expert");
  const threshold = kept(NAME, state, "threshold").as("expert");
  const scores = exp(minimum(logits.sub(partition), 0));
  const reached = greaterEqual(logits, threshold);
  const chosen = mask === undefined ? reached : and(reached, mask.broadcastTo(reached));
  const count = maximum(chosen.astype("float32").sum("expert"), 1);
  const places = iota(aval("int32", scores.dims, scores.names), 2);
  return {
    assignment: {
      expert: where(chosen, places, -1).as("group token choice"),
      weight: where(chosen, scores.div(count), 0).as("group token choice"),
    },
    auxLoss: zeros([]),
    observed: { threshold, partition },
  };
};

export const expertsSoftmax: RoutingRule = defineRule({
  name: NAME,
  summary: "experts choose by a softmax over tokens; a precursor of expert-choice, to compare with",
  options: {},
  router: () => ({
    expertsPerToken: "capacityFactor",
    chooses: "experts",
    looksAhead: true,
    route,
    deployed,
    keeps: ["threshold", "partition"],
    nextState: runningMeans,
  }),
});
