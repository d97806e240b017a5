/** @file Switch top-1: Fedus et al., arXiv:2101.03961. */

import { balanceLoss, chosenMask } from "./choices.ts";
import { quantity } from "./options.ts";
import { defineRule, type RoutingRule } from "./routing.ts";
import { tokensChoose, topChoices } from "./token-choice.ts";

/** The best expert, weighted by its raw gate: normalised it would be 1, and the gate would learn nothing. */
export const switchTop1: RoutingRule = defineRule({
  name: "switch-top1",
  summary: "each token takes its best expert, balanced by a loss (arXiv:2101.03961)",
  options: {
    jitter: quantity(
      0.01,
      [0, 1],
      "while training, the router's input is multiplied by 1 ± jitter",
    ),
  },
  router: ({ jitter }) => ({
    expertsPerToken: 1,
    looksAhead: false,
    jitter,
    ...tokensChoose(({ logits, mask }) => {
      const { gates, expert, weight } = topChoices(logits, 1);
      const chosen = chosenMask({ expert, weight }, logits.size("expert"));
      return {
        choices: { expert, weight },
        auxLoss: balanceLoss(gates, chosen, 1, mask),
        observed: {},
      };
    }),
  }),
});
