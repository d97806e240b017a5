/** @file The list of routing rules. A new router is one record in a file here, and one entry below. */

import { ConfigError, suggestion } from "../../core/errors.ts";
import { expertChoice } from "./expert-choice.ts";
import type { RoutingRule } from "./routing.ts";
import { gshardTop2, switchTop1 } from "./token-choice.ts";

export const ROUTING_RULES: readonly RoutingRule[] = [expertChoice, gshardTop2, switchTop1];

/** @throws ConfigError when there is no such router, with the nearest name */
export function routingRule(name: string): RoutingRule {
  const rule = ROUTING_RULES.find((known) => known.name === name);
  if (rule !== undefined) return rule;
  throw new ConfigError(
    "CONFIG-01",
    `router: "${name}" is not a router; ${suggestion(
      name,
      ROUTING_RULES.map((known) => known.name),
    )}`,
  );
}
