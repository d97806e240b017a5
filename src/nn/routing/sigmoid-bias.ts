/** @file Balance without a loss: Wang et al., arXiv:2408.15664, as DeepSeek-V3 (arXiv:2412.19437) has it. */

import { ConfigError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { divide, logistic, scalar, sign, topK, where } from "../../numpy/index.ts";
import { chosenMask, only, pick } from "./choices.ts";
import { count, flag, quantity } from "./options.ts";
import { defineRule, kept, type RoutingRule } from "./routing.ts";
import { tokensChoose } from "./token-choice.ts";

/** Below every score with any bias. */
const NEVER = -1e30;

/**
 * Scores outside a token's best groups of experts out of reach. A group is worth its two best scores.
 *
 * @param scores - `[group, token, expert]`
 */
function limitedToGroups(scores: Tensor, k: number, groups: number, perToken: number): Tensor {
  const experts = scores.size("expert");
  if (experts % groups !== 0) {
    throw new ConfigError(
      "CONFIG-01",
      `router: ${experts} experts do not divide into ${groups} equal groups`,
    );
  }
  const size = experts / groups;
  if (k > perToken * size) {
    throw new ConfigError(
      "CONFIG-01",
      `router: ${k} experts per token do not fit into ${perToken} group${perToken === 1 ? "" : "s"} of ${size}`,
    );
  }
  const parts = divide(scores, "expert", { part: groups, member: size });
  const { values } = topK(parts, { along: "member", k: Math.min(2, size), as: "best" });
  const { indices } = topK(values.sum("best"), { along: "part", k: perToken, as: "choice" });
  const open = chosenMask({ expert: indices, weight: indices }, groups).as("group token part");
  const near = where(open.greater(0.5).broadcastTo(parts), parts, NEVER);
  return near.reshape(scores.dims, "group token expert");
}

/**
 * Scores are sigmoids. A bias per expert decides, added to the scores, who is chosen, but not with what
 * weight. After each step the bias of an expert with less than the mean load rises by `rate`, that of one
 * with more falls.
 */
export const sigmoidBias: RoutingRule = defineRule({
  name: "sigmoid-bias",
  summary: "sigmoid scores, and a bias that follows the load in place of a loss (arXiv:2412.19437)",
  options: {
    k: count(2, "experts per token"),
    rate: quantity(0.001, [0, Infinity], "how far a bias moves per step"),
    normalised: flag(true, "whether a token's weights add up to 1"),
    expertGroups: count(1, "equal groups that the experts form"),
    groupsPerToken: count(1, "groups that one token's experts may come from"),
  },
  router: ({ k, rate, normalised, expertGroups, groupsPerToken }) => ({
    expertsPerToken: k,
    looksAhead: k > 1,
    ...tokensChoose(({ logits, state, mask }) => {
      const experts = logits.size("expert");
      const scores = logistic(logits);
      const bias = kept("sigmoid-bias", state, "bias").as("expert");
      const biased = scores.stopGradient().add(bias);
      const near =
        groupsPerToken < expertGroups
          ? limitedToGroups(biased, k, expertGroups, groupsPerToken)
          : biased;
      const { indices } = topK(near, { along: "expert", k: Math.min(k, experts), as: "choice" });
      const own = pick(scores, indices);
      const choices = {
        expert: indices,
        weight: normalised ? own.div(own.sum("choice").add(1e-20)) : own,
      };
      const served = chosenMask(only(mask, choices), experts).sum(["group", "token"]);
      return {
        choices,
        auxLoss: scalar(0),
        observed: { load: served.div(served.mean().add(1e-9)) },
      };
    }),
    keeps: ["bias"],
    nextState: (state, observed) => {
      const missing = kept("sigmoid-bias", observed, "load").neg().add(1);
      return { bias: kept("sigmoid-bias", state, "bias").add(sign(missing).mul(rate)) };
    },
  }),
});
