/** @file Every routing rule with the options that make a difference, and a routing with its numbers at hand. */

import type { Tensor } from "../../src/core/tensor.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { jit } from "../../src/engines/jit.ts";
import { routingFacts } from "../../src/nn/routing/facts.ts";
import type { Choices, Route, Router, RouterState, Seats } from "../../src/nn/routing/routing.ts";
import { type RouterOptions, routerOf } from "../../src/nn/routing/rules.ts";
import { doubleEngine } from "../../src/testing/double.ts";
import { drawn, drawnIds, filled, indices, numbers, read } from "../../src/testing/tensors.ts";

export const EXPERTS = 4;
export const TOKENS = 12;
export const GROUPS = 3;

/** One router as the laws see it. */
export interface RouterCase {
  readonly title: string;
  readonly options: RouterOptions;
  readonly router: Router;
  /** Most slots that 12 tokens and 4 experts allow. */
  readonly mostSlots: number;
  /** Whether what is drawn changes something. */
  readonly draws: boolean;
  /** Choices that the balance loss counts per token; 0 without such a loss. */
  readonly balances: number;
}

function routerCase(
  name: string,
  options: RouterOptions = {},
  facts: Partial<Pick<RouterCase, "mostSlots" | "draws" | "balances">> = {},
): RouterCase {
  const words = Object.entries(options).map(([key, value]) => `${key}=${value}`);
  return {
    title: [name, ...words].join(" "),
    options,
    router: routerOf(name, options),
    mostSlots: TOKENS,
    draws: false,
    balances: 0,
    ...facts,
  };
}

export const CASES: readonly RouterCase[] = [
  routerCase("expert-choice"),
  routerCase("expert-choice-capped", { cap: 2 }, { mostSlots: 6 }),
  routerCase("expert-choice-capped", { cap: 2, hard: true }, { mostSlots: 6 }),
  routerCase("gshard-top2", {}, { balances: 1 }),
  routerCase("gshard-top2", { second: "random" }, { balances: 1, draws: true }),
  routerCase("gshard-top2", { second: "sampling" }, { balances: 1, draws: true }),
  routerCase("gshard-top2", { second: "threshold", threshold: 0.3 }, { balances: 1 }),
  routerCase("gshard-top2", { second: "none" }, { balances: 1 }),
  routerCase("gshard-top2", { logitCap: 1.5 }, { balances: 1 }),
  routerCase("switch-top1", {}, { balances: 1 }),
  routerCase("top-k", { k: 1 }, { balances: 1 }),
  routerCase("top-k", { k: 3 }, { balances: 3 }),
  routerCase("top-k", { k: 2, normalised: false }, { balances: 2 }),
  routerCase("sigmoid-bias"),
  routerCase("sigmoid-bias", { k: 2, expertGroups: 2, groupsPerToken: 1 }),
  routerCase("hash"),
  routerCase("hash", { table: "random", seed: 7 }),
  routerCase("hash", { table: [3, 1, 1, 2, 0, 3, 3, 0, 1, 2] }),
  routerCase("experts-softmax"),
];

/** Token ids below 10. */
export const idsOf = (seed: number, logits: Tensor): Tensor => {
  const [group, token] = logits.dims as [number, number, number];
  return drawnIds(seed + 500, { group, token }, 10);
};

/** A state as training may leave it. */
export function stateOf(
  { router }: RouterCase,
  seed: number,
  experts: number = EXPERTS,
): RouterState {
  const ranges = { threshold: [0.2, 0.1], bias: [0, 0.3], partition: [2.5, 0.2] } as Readonly<
    Record<string, readonly [number, number]>
  >;
  return Object.fromEntries(
    router.keeps.map((name, i) => {
      const [centre, range] = ranges[name] ?? [0, 0];
      const values = numbers(drawn(seed + i, { expert: experts }, range));
      return [name, filled({ expert: experts }, (e) => centre + values[e]!)];
    }),
  );
}

export const logitsOf = (seed: number, group: number = GROUPS): Tensor =>
  drawn(seed, { group, token: TOKENS, expert: EXPERTS }, 2);

export interface Seat {
  readonly group: number;
  readonly expert: number;
  readonly token: number;
  readonly weight: number;
}

/** A routing with its numbers at hand. */
export interface Routed {
  readonly seats: readonly Seat[];
  /** `[group][token][expert]`, row-major: what a token gets of each expert. */
  readonly combine: readonly number[];
  readonly auxLoss: number;
  readonly observed: RouterState;
  readonly load: readonly number[];
  readonly dropped: number;
  readonly served: readonly number[];
  readonly entropy: number;
  readonly zLoss: number;
}

/** What a router is asked, beside the number of slots. */
export interface Question {
  readonly logits: Tensor;
  readonly ids?: Tensor;
  readonly key?: Tensor;
  readonly state?: RouterState;
  readonly mask?: Tensor;
}

/** A question with all that the router of a case may want; nothing is drawn. */
export function questionOf(c: RouterCase, seed: number, logits: Tensor = logitsOf(seed)): Question {
  return { logits, ids: idsOf(seed, logits), state: stateOf(c, seed, logits.dims[2]) };
}

const compiled = new Map<Route, Map<string, (question: Question) => Promise<unknown>>>();

/** Routes on an engine; programs are kept, since properties route many times. */
export async function run(
  route: Route,
  slots: number | undefined,
  question: Question,
  engine: Engine = doubleEngine,
): Promise<Routed> {
  const key = `${engine.name} ${slots}`;
  const known = compiled.get(route) ?? new Map<string, (question: Question) => Promise<unknown>>();
  compiled.set(route, known);
  const routed =
    known.get(key) ??
    (jit(
      (asked: Question) => {
        const routing = route({ ...asked, slots });
        return { ...routing, ...routingFacts(routing.assignment, asked.logits, asked.mask) };
      },
      { name: "router", engine },
    ) as (question: Question) => Promise<unknown>);
  known.set(key, routed);
  return readRouted((await routed(question)) as Parameters<typeof readRouted>[0], question.logits);
}

function readRouted(
  routing: {
    readonly assignment: Seats | Choices;
    readonly observed: RouterState;
  } & Readonly<Record<"auxLoss" | "load" | "dropped" | "served" | "entropy" | "zLoss", Tensor>>,
  logits: Tensor,
): Routed {
  const [groups, tokens, experts] = logits.dims as [number, number, number];
  const combine = new Array<number>(groups * tokens * experts).fill(0);
  const seats = seatsOf(routing.assignment);
  for (const { group, token, expert, weight } of seats) {
    combine[(group * tokens + token) * experts + expert]! += weight;
  }
  return {
    seats,
    combine,
    auxLoss: routing.auxLoss.item(),
    observed: routing.observed,
    load: numbers(routing.load),
    dropped: routing.dropped.item(),
    served: numbers(routing.served),
    entropy: routing.entropy.item(),
    zLoss: routing.zLoss.item(),
  };
}

/** Taken places, in the order of slots or choices. @throws Error when an empty place has a weight */
export function seatsOf(assignment: Seats | Choices): Seat[] {
  const bySlot = "token" in assignment;
  const other = bySlot ? assignment.token : assignment.expert;
  const [at, weight] = [read(other), read(assignment.weight)];
  return (indices(...other.dims) as [number, number, number][]).flatMap((place): Seat[] => {
    const [group, second] = place;
    const [found, own] = [at(...place), weight(...place)];
    if (found < 0) {
      if (own !== 0) throw new Error(`an empty place has weight ${own}`);
      return [];
    }
    return [
      bySlot
        ? { group, expert: second, token: found, weight: own }
        : { group, expert: found, token: second, weight: own },
    ];
  });
}
