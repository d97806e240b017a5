/** @file Expert Choice with at most a few experts per token (EC-CAP): arXiv:2202.09368, §3.3. */

import { ConfigError } from "../../core/errors.ts";
import { scalar, takeAlong, topK, where } from "../../numpy/index.ts";
import { openPlaces, softAssignment } from "./assignment.ts";
import { affinityOf, byThreshold, NOBODY, runningMeans, withoutPadding } from "./expert-choice.ts";
import { count, flag, quantity } from "./options.ts";
import { defineRule, neededSlots, type RouterCall, type RoutingRule } from "./routing.ts";

const NAME = "expert-choice-capped";

function checkCap(cap: number, slots: number, { logits }: RouterCall): void {
  const [, tokens, experts] = logits.dims as [number, number, number];
  if (cap * tokens >= slots * experts) return;
  throw new ConfigError(
    "CONFIG-01",
    `router: with at most ${cap} experts per token, ${experts} experts cannot fill ${slots} slots each.`,
    [
      ["group", `${tokens} tokens`],
      ["fix", `a cap of ${Math.ceil((slots * experts) / tokens)}, or a smaller capacityFactor`],
    ],
  );
}

/**
 * Who is chosen is an assignment solved for, cut off from the gradient; weights are the scores of the chosen
 * pairs. The best k shares of each expert may leave a token one over the cap; `hard` turns it away, at
 * the price of a slot that may stay empty.
 *
 * Deployed, prices of the assignment stand where Expert Choice has thresholds.
 */
export const expertChoiceCapped: RoutingRule = defineRule({
  name: NAME,
  summary: "as expert-choice, but a token gets a few experts at most (arXiv:2202.09368, EC-CAP)",
  options: {
    cap: count(3, "experts that one token may get"),
    epsilon: quantity(0.001, [1e-5, 1], "weight of the entropy when the solver ends"),
    iterations: count(100, "steps of the solver"),
    hard: flag(false, "whether no token ever gets more than the cap"),
  },
  router: ({ cap, hard, ...solver }) => ({
    expertsPerToken: "capacityFactor",
    chooses: "experts",
    looksAhead: true,
    route: (call) => {
      const slots = neededSlots(NAME, call);
      checkCap(cap, slots, call);
      const rules = { ...solver, slots, most: cap };
      const affinity = withoutPadding(affinityOf(call.logits), call.mask);
      const { shares, price } = softAssignment(affinity.stopGradient(), rules);
      const real = withoutPadding(shares, call.mask);
      const ranked = hard ? where(openPlaces(real, rules).greater(0.5), real, NOBODY) : real;
      const { values, indices } = topK(ranked, { along: "token", k: slots, as: "slot" });
      const taken = values.greater(NOBODY);
      const score = takeAlong(affinity, indices.as("group expert token"), "token");
      return {
        assignment: {
          token: where(taken, indices, -1),
          weight: where(taken, score.as("group expert slot"), 0),
        },
        auxLoss: scalar(0),
        observed: { threshold: price.mean("group") },
      };
    },
    deployed: byThreshold(NAME, cap),
    keeps: ["threshold"],
    nextState: runningMeans,
  }),
});
