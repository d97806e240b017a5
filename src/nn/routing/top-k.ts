/** @file The k best experts of every token, as Mixtral (arXiv:2401.04088) and OLMoE (arXiv:2409.02060) take them. */

import { balanceLoss, chosenMask } from "./choices.ts";
import { count, flag, quantity } from "./options.ts";
import { defineRule, type RoutingRule } from "./routing.ts";
import { tokensChoose, topChoices } from "./token-choice.ts";

/**
 * Weights are a softmax over the chosen experts' logits, which is the softmax over all experts divided by
 * its sum over the chosen ones; or, not normalised, that softmax as it is.
 *
 * The balance loss counts all choices: 1 at perfect balance, a k-th of what `transformers` calls it.
 */
export const topKChoice: RoutingRule = defineRule({
  name: "top-k",
  summary: "each token takes its k best experts, balanced by a loss (arXiv:2401.04088)",
  options: {
    k: count(2, "experts per token"),
    normalised: flag(true, "whether a token's weights add up to 1"),
    jitter: quantity(0, [0, 1], "while training, the router's input is multiplied by 1 ± jitter"),
  },
  router: ({ k, normalised, jitter }) => ({
    expertsPerToken: k,
    looksAhead: k > 1,
    jitter,
    ...tokensChoose(({ logits, mask }) => {
      const { gates, expert, weight } = topChoices(logits, k);
      const choices = {
        expert,
        weight: normalised ? weight.div(weight.sum("choice")) : weight,
      };
      const perToken = expert.size("choice");
      const chosen = chosenMask(choices, logits.size("expert"));
      return { choices, auxLoss: balanceLoss(gates, chosen, perToken, mask), observed: {} };
    }),
  }),
});
