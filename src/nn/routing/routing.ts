/** @file The form in which every router answers, and what a router is. */

import { ConfigError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";

/** Who sits in which slot of which expert; all experts of a group have the same number of slots. */
export interface Routing {
  /** `[group, expert, slot]` int32 token index, no token twice in one expert; −1 where the slot is empty. */
  readonly token: Tensor;
  /** `[group, expert, slot]` weight of the answer for that token; 0 where the slot is empty. */
  readonly weight: Tensor;
  /** Scalar to add to the loss, before its coefficient; 0 from routers balanced by construction. */
  readonly auxLoss: Tensor;
  /** `[expert]` tokens that the expert serves, over the mean: 1 everywhere at perfect balance. */
  readonly load: Tensor;
  /** Scalar share of tokens that no expert serves; only the residual carries them on. */
  readonly dropped: Tensor;
  /** `[expert]` the lowest score that won a slot, averaged over groups; what sampling compares with. */
  readonly threshold: Tensor;
}

/**
 * Routes one layer's tokens. Numbers are float32 throughout.
 *
 * @param logits - `[group, token, expert]`
 * @param slots - places per expert and group
 */
export type Router = (logits: Tensor, slots: number) => Routing;

/** A routing rule with all that training, evaluation and sampling need of it. */
export interface RoutingRule {
  readonly name: string;
  /** One line for `describe` and docs, with the source. */
  readonly summary: string;
  /** Experts per token that the rule means to use, where the capacity factor does not say it. */
  readonly expertsPerToken: number | "capacityFactor";
  /** The rule while training. */
  readonly route: Router;
  /**
   * The rule where every token stands alone: sampling and evaluation.
   *
   * @param thresholds - `[expert]` running mean of `Routing.threshold` from training
   */
  deployed(thresholds: Tensor): Router;
}

/**
 * Slots per expert, `k = n·c / e`: c is how many experts serve a token on average.
 *
 * @param tokens - tokens in one group
 * @throws ConfigError when an expert would have no slot, or more slots than there are tokens
 */
export function slotsPerExpert(tokens: number, experts: number, capacityFactor: number): number {
  const slots = Math.floor((tokens * capacityFactor) / experts);
  if (slots >= 1 && slots <= tokens) return slots;
  // Rounded up to three digits: the factor that the text offers must give a slot.
  const digits = 10 ** (2 - Math.floor(Math.log10(experts / tokens)));
  const least = Math.ceil((experts / tokens) * digits) / digits;
  throw new ConfigError(
    "CONFIG-01",
    `router: a capacity factor of ${capacityFactor} gives each of ${experts} experts ${slots} slots.`,
    [
      ["group", `${tokens} tokens`],
      [
        "fix",
        `choose capacityFactor from ${least} to ${experts}, or a larger batch (a causal group holds one token per sequence)`,
      ],
    ],
  );
}
