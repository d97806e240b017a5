/** @file The list of routing rules. A new router is one record in a file here, and one entry below. */

import { ConfigError } from "../../core/errors.ts";
import { namedOne } from "../../core/named.ts";
import { expertChoiceCapped } from "./capped.ts";
import { expertChoice } from "./expert-choice.ts";
import { expertsSoftmax } from "./experts-softmax.ts";
import { gshardTop2 } from "./gshard.ts";
import { hash } from "./hash.ts";
import { readOptions } from "./options.ts";
import type { Router, RoutingRule } from "./routing.ts";
import { sigmoidBias } from "./sigmoid-bias.ts";
import { switchTop1 } from "./switch.ts";
import { topKChoice } from "./top-k.ts";

export const ROUTING_RULES: readonly RoutingRule[] = [
  expertChoice,
  expertChoiceCapped,
  gshardTop2,
  switchTop1,
  topKChoice,
  sigmoidBias,
  hash,
  expertsSoftmax,
];

/** @throws ConfigError when there is no such router, with the nearest name */
export function routingRule(name: string): RoutingRule {
  return namedOne("router", ROUTING_RULES, name);
}

/** Options of a router by name. */
export type RouterOptions = Readonly<Record<string, unknown>>;

/**
 * A router by name: `routerOf("gshard-top2", { second: "random" })`.
 *
 * @throws ConfigError for a name or an option that is not known, or a value that an option cannot have
 */
export function routerOf(name: string, options: RouterOptions = {}): Router {
  const rule = routingRule(name);
  return rule.router(readOptions(name, rule.options, options));
}

/**
 * Reads a router with options in one line, `sigmoid-bias:k=4,rate=0.01`, as the command line takes it.
 *
 * @throws ConfigError when it is not of that form, or for what `routerOf` refuses
 */
export function parseRouter(text: string): {
  readonly name: string;
  readonly options: RouterOptions;
} {
  const [name = "", rest] = text.split(/:(.*)/s);
  const pairs = rest === undefined ? [] : rest.split(",").map((pair) => pair.split(/=(.*)/s));
  const broken = pairs.find(([key, value]) => key === "" || value === undefined || value === "");
  if (broken !== undefined) {
    throw new ConfigError("CONFIG-01", `router: "${text}" is not a router with its options.`, [
      ["wants", "name, or name:option=value,option=value"],
      ["example", "gshard-top2:second=random,threshold=0.3"],
    ]);
  }
  const options = Object.fromEntries(pairs.map(([key = "", value = ""]) => [key, parsed(value)]));
  routerOf(name, options);
  return { name, options };
}

function parsed(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}
