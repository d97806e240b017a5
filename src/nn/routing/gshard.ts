/** @file GShard top-2, the router of GLaM: Lepikhin et al., arXiv:2006.16668. */

import type { Tensor } from "../../core/tensor.ts";
import { concatenate, less, random, softmax, topK, where } from "../../numpy/index.ts";
import type { Key } from "../../numpy/random.ts";
import { balanceLoss, chosenMask, only, pick } from "./choices.ts";
import { oneOf, quantity } from "./options.ts";
import { type Choices, defineRule, type RoutingRule } from "./routing.ts";
import { tokensChoose, topChoices } from "./token-choice.ts";

/**
 * What becomes of the second choice, whose weight is `w = g₂ / (g₁ + g₂)`:
 *
 * - `all`: always kept
 * - `random`: kept with probability w / threshold; 0.5 is the paper's rule
 * - `sampling`: drawn from the softmax without the first choice, by Gumbel noise
 * - `threshold`: kept when w is above the threshold
 * - `none`: never kept
 *
 * Where nothing is drawn, `random` and `sampling` keep the second best, as `all` does.
 */
export const SECOND_POLICIES = ["all", "random", "sampling", "threshold", "none"] as const;
export type SecondPolicy = (typeof SECOND_POLICIES)[number];

const OPTIONS = {
  second: oneOf("all", SECOND_POLICIES, "what becomes of the second choice"),
  threshold: quantity(0.5, [0, 1], "weight that the policies random and threshold compare with"),
  logitCap: quantity(0, [0, Infinity], "gate logits are cap · tanh(logit / cap); 0 for no cap"),
} as const;

/** The first choice, and a second one drawn from the other experts' gates. */
function drawnSecond(gates: Tensor, logits: Tensor, key: Key): Choices {
  const { indices: first } = topK(gates, { along: "expert", k: 1, as: "choice" });
  const taken = chosenMask({ expert: first, weight: first }, logits.size("expert"));
  // The logarithm of a softmax is the logits up to a constant, which moves no maximum.
  const noise = random.gumbel(key, logits.dims, { axes: "group token expert" });
  const others = where(taken.greater(0.5), -1e30, logits.add(noise)).stopGradient();
  const { indices: second } = topK(others, { along: "expert", k: 1, as: "choice" });
  const expert = concatenate([first, second], "choice");
  return { expert, weight: pick(gates, expert) };
}

/** `[group, token, choice]` bool: which choices stay. The first always does; a dropped one takes no slot. */
function staying(
  weight: Tensor,
  { second, threshold }: { readonly second: SecondPolicy; readonly threshold: number },
  key: Key | undefined,
): Tensor | undefined {
  const other = weight.slice("choice", 1, 2).stopGradient();
  const first = weight.slice("choice", 0, 1).greaterEqual(0);
  const withFirst = (keep: Tensor) => concatenate([first, keep], "choice");
  if (second === "none") return withFirst(other.less(0));
  if (second === "threshold") return withFirst(other.greater(threshold));
  if (second !== "random" || key === undefined) return undefined;
  const dice = random.uniform(key, other.dims, { axes: "group token choice" });
  return withFirst(less(dice.mul(threshold), other));
}

/**
 * Each token's two best experts. Weights are normalised over the two before policy and capacity, not after.
 * Capacity binds second choices first.
 */
export const gshardTop2: RoutingRule = defineRule({
  name: "gshard-top2",
  summary: "each token takes its two best experts, balanced by a loss (arXiv:2006.16668)",
  options: OPTIONS,
  router: ({ second, threshold, logitCap }) => ({
    expertsPerToken: second === "none" ? 1 : 2,
    // Whether a second choice fits depends on first choices of later tokens.
    looksAhead: second !== "none",
    ...tokensChoose(({ logits: raw, key, mask }) => {
      const logits =
        logitCap === 0
          ? raw
          : raw
              .mul(1 / logitCap)
              .tanh()
              .mul(logitCap);
      const experts = logits.size("expert");
      const draws = second === "sampling" && key !== undefined && experts > 1;
      const best = topChoices(logits, 2);
      const pair = draws
        ? { gates: best.gates, ...drawnSecond(softmax(logits, "expert"), logits, key) }
        : best;
      const weight = pair.weight.div(pair.weight.sum("choice").add(1e-9));
      const keep = experts > 1 ? staying(weight, { second, threshold }, key) : undefined;
      const first = pair.expert.slice("choice", 0, 1);
      return {
        choices: only(keep, { expert: pair.expert, weight }),
        auxLoss: balanceLoss(pair.gates, chosenMask({ expert: first, weight }, experts), 1, mask),
        observed: {},
      };
    }),
  }),
});
