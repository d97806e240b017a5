/** @file The form in which every router answers, and what a router is. */

import { ConfigError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { zeros } from "../../numpy/index.ts";
import type { Key } from "../../numpy/random.ts";
import type { OptionTable, OptionValues } from "./options.ts";

/** What a router sees of one layer's tokens. Numbers are float32, whatever the layer computes in. */
export interface RouterCall {
  /** `[group, token, expert]`; zeros for a router that learns nothing. */
  readonly logits: Tensor;
  /** Places per expert and group; absent where every token is served whatever the load. */
  readonly slots?: number | undefined;
  /** Token ids, int32 `[group, token]`. */
  readonly ids?: Tensor | undefined;
  /** For what is drawn while training; without it nothing is drawn. */
  readonly key?: Key | undefined;
  /** What the router keeps of this layer; needed where it stands for tokens that are not there. */
  readonly state?: RouterState | undefined;
  /** bool `[group, token]`: false at padding, which takes no slot and counts nowhere. All true when absent. */
  readonly mask?: Tensor | undefined;
}

/** Experts with slots; all experts of a group have the same number. */
export interface Seats {
  /** `[group, expert, slot]` int32 token index, no token twice in one expert; −1 where the slot is empty. */
  readonly token: Tensor;
  /** `[group, expert, slot]` weight of the answer for that token; 0 where the slot is empty. */
  readonly weight: Tensor;
}

/** Tokens with choices; an expert serves all who chose it. */
export interface Choices {
  /** `[group, token, choice]` int32 expert index, no expert twice for one token; −1 where there is none. */
  readonly expert: Tensor;
  /** `[group, token, choice]` weight of the answer of that expert; 0 where there is none. */
  readonly weight: Tensor;
}

export interface Routing {
  readonly assignment: Seats | Choices;
  /** Scalar to add to the loss, before its coefficient; 0 from routers that are balanced without one. */
  readonly auxLoss: Tensor;
  /** What `Router.nextState` wants to know of this batch; means over pieces of a batch are those of the batch. */
  readonly observed: RouterState;
}

export type Route = (call: RouterCall) => Routing;

/** Tensors by name that a router keeps of one layer beside the parameters. */
export type RouterState = Readonly<Record<string, Tensor>>;

/** A rule with its options, ready to route. */
export interface Router {
  readonly name: string;
  /** Experts per token that the router means to use, where the capacity factor does not say it. */
  readonly expertsPerToken: number | "capacityFactor";
  /** Whether experts choose, who need slots to choose for, or tokens, who do without if need be. */
  readonly chooses: "experts" | "tokens";
  /**
   * Whether, with slots, what becomes of a token may depend on tokens after it in its group. Such a router
   * is causal only in groups that hold no two tokens of one sequence.
   */
  readonly looksAhead: boolean;
  /** Whether there are gate weights to learn. */
  readonly learned: boolean;
  /** The router's input is multiplied by uniform numbers in 1 ± jitter while training; 0 for none. */
  readonly jitter: number;
  /** The rule while training. */
  readonly route: Route;
  /** The rule of sampling and evaluation: no slots, nothing drawn, no token depends on another. */
  readonly deployed: Route;
  /** Names of what it keeps of a layer: each float32 `[expert]`, 0 at first. */
  readonly keeps: readonly string[];
  /** @param step - updates made before this one, scalar float32 */
  nextState(state: RouterState, observed: RouterState, step: Tensor): RouterState;
}

/** A family of routers: one record of the list in `rules.ts`. */
export interface RoutingRule {
  readonly name: string;
  /** One line for `describe` and docs, with the source. */
  readonly summary: string;
  readonly options: OptionTable;
  /** The router with options of the rule's own, all of them known and valid. */
  router(options: Readonly<Record<string, unknown>>): Router;
}

type Own = Omit<Router, "name">;

type Plain = Pick<Own, "learned" | "jitter" | "keeps" | "nextState">;

/** What most routers are: learned, without noise and without memory. */
const PLAIN: Plain = {
  learned: true,
  jitter: 0,
  keeps: [],
  nextState: (state) => state,
};

/** A rule whose routers say only what is their own. */
export function defineRule<T extends OptionTable>(rule: {
  readonly name: string;
  readonly summary: string;
  readonly options: T;
  router(options: OptionValues<T>): Omit<Own, keyof Plain> & Partial<Plain>;
}): RoutingRule {
  return {
    ...rule,
    router: (options) => ({
      ...PLAIN,
      ...rule.router(options as OptionValues<T>),
      name: rule.name,
    }),
  };
}

/** The slots that experts choose for. @throws ConfigError when there are none */
export function neededSlots(router: string, { slots }: RouterCall): number {
  if (slots !== undefined) return slots;
  throw new ConfigError(
    "CONFIG-01",
    `router: experts of ${router} choose for their slots, so it cannot train without a capacity.`,
    [["fix", "leave out dropless, or take a router whose tokens choose, such as top-k"]],
  );
}

/** What a router keeps of a fresh layer, traced. */
export function initialRouterState({ keeps }: Router, experts: number): RouterState {
  return Object.fromEntries(keeps.map((name) => [name, zeros([experts], "expert")]));
}

/** One tensor of a layer's state. @throws Error when the layer has none */
export function kept(router: string, state: RouterState | undefined, name: string): Tensor {
  const tensor = state?.[name];
  if (tensor === undefined) throw new Error(`${router}: a layer's state holds its ${name}`);
  return tensor;
}
