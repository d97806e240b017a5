/** @file How many slots an expert has. */

import { ConfigError } from "../../core/errors.ts";

/**
 * How `n·c / e` becomes a whole number of slots.
 *
 * - `floor`: rounded down, as the papers have it
 * - `multiple-of-4`: then up to a multiple of 4, as Praxis and Lingvo do
 * - `at-least-4`: rounded to the nearest, and 4 at least, as Flaxformer does
 */
export const CAPACITY_RULES = ["floor", "multiple-of-4", "at-least-4"] as const;
export type CapacityRule = (typeof CAPACITY_RULES)[number];

const ROUNDINGS: Readonly<Record<CapacityRule, (exact: number) => number>> = {
  floor: Math.floor,
  "multiple-of-4": (exact) => 4 * Math.ceil(Math.floor(exact) / 4),
  "at-least-4": (exact) => Math.max(4, Math.round(exact)),
};

/**
 * Slots per expert, `k = n·c / e`: c is how many experts serve a token on average. What a rule rounds up ends
 * at one slot per token.
 *
 * @param tokens - tokens in one group
 * @throws ConfigError when an expert would have no slot, or more slots than there are tokens
 */
export function slotsPerExpert(
  tokens: number,
  experts: number,
  capacityFactor: number,
  rule: CapacityRule = "floor",
): number {
  const slots = Math.floor((tokens * capacityFactor) / experts);
  if (slots >= 1 && slots <= tokens) {
    return Math.min(tokens, ROUNDINGS[rule]((tokens * capacityFactor) / experts));
  }
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
