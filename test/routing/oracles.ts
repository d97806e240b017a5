/** @file What every router should answer, by plain loops over the tokens of one group. */

import type { RouterOptions } from "../../src/nn/routing/rules.ts";

/** One group's numbers, `[token][expert]` and `[token]`. */
export interface Group {
  readonly logits: readonly (readonly number[])[];
  readonly ids: readonly number[];
  /** What was drawn, if anything. */
  readonly uniform?: readonly number[];
  readonly gumbel?: readonly (readonly number[])[];
  /** `[expert]` */
  readonly state: Readonly<Record<string, readonly number[]>>;
}

/** `[token][expert]` what a token gets of each expert; no limit without slots. */
export type Oracle = (group: Group, options: RouterOptions, slots?: number) => number[][];

interface Wish {
  readonly expert: number;
  readonly weight: number;
}

const zeroes = (rows: readonly (readonly number[])[]) => rows.map((row) => row.map(() => 0));
const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);

export function softmaxOf(row: readonly number[]): number[] {
  const top = Math.max(...row);
  const parts = row.map((x) => Math.exp(x - top));
  return parts.map((x) => x / sum(parts));
}

/** Places of the largest values, ties by the lower place. */
function bestOf(values: readonly number[], count: number): number[] {
  const order = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
  return order.slice(0, count);
}

/** Wishes take their seats: all first ones in token order, then all second ones, and so on. */
function seated(wishes: readonly (readonly Wish[])[], like: Group, slots = Infinity): number[][] {
  const combine = zeroes(like.logits);
  const counts = like.logits[0]!.map(() => 0);
  for (let rank = 0; rank < Math.max(...wishes.map((list) => list.length)); rank++) {
    wishes.forEach((list, token) => {
      const wish = list[rank];
      if (wish === undefined || counts[wish.expert]! >= slots) return;
      combine[token]![wish.expert] = wish.weight;
      counts[wish.expert]!++;
    });
  }
  return combine;
}

/** Experts take their best tokens by `scores`. */
function taken(scores: readonly (readonly number[])[], slots: number): boolean[][] {
  const got = scores.map((row) => row.map(() => false));
  for (let e = 0; e < scores[0]!.length; e++) {
    for (const t of bestOf(
      scores.map((row) => row[e]!),
      slots,
    ))
      got[t]![e] = true;
  }
  return got;
}

const expertChoice: Oracle = ({ logits }, _options, slots = logits.length) => {
  const gates = logits.map(softmaxOf);
  const got = taken(gates, slots);
  return gates.map((row, t) => row.map((gate, e) => (got[t]![e] ? gate : 0)));
};

const gshardTop2: Oracle = (group, options, slots) => {
  const {
    second = "all",
    threshold = 0.5,
    logitCap = 0,
  } = options as {
    second?: string;
    threshold?: number;
    logitCap?: number;
  };
  const capped = group.logits.map((row) =>
    row.map((x) => (logitCap === 0 ? x : logitCap * Math.tanh(x / logitCap))),
  );
  const wishes = capped.map((row, t): Wish[] => {
    const gates = softmaxOf(row);
    const [first] = bestOf(gates, 1) as [number];
    if (row.length === 1) return [{ expert: 0, weight: 1 / (1 + 1e-9) }];
    const drawn = group.gumbel?.[t];
    const values =
      second === "sampling" && drawn !== undefined ? row.map((x, e) => x + drawn[e]!) : gates;
    const [other] = bestOf(
      values.map((x, e) => (e === first ? -Infinity : x)),
      1,
    ) as [number];
    const total = gates[first]! + gates[other]! + 1e-9;
    const weight = gates[other]! / total;
    const dice = group.uniform?.[t];
    const stays =
      second === "none"
        ? false
        : second === "threshold"
          ? weight > threshold
          : second !== "random" || dice === undefined || dice < weight / threshold;
    const best = { expert: first, weight: gates[first]! / total };
    return stays ? [best, { expert: other, weight }] : [best];
  });
  return seated(wishes, group, slots);
};

const topK: Oracle = (group, options, slots) => {
  const { k = 2, normalised = true } = options as { k?: number; normalised?: boolean };
  const wishes = group.logits.map((row) => {
    const gates = softmaxOf(row);
    const chosen = bestOf(gates, k);
    const total = normalised ? sum(chosen.map((e) => gates[e]!)) : 1;
    return chosen.map((expert) => ({ expert, weight: gates[expert]! / total }));
  });
  return seated(wishes, group, slots);
};

const sigmoidBias: Oracle = (group, options, slots) => {
  const o = options as { k?: number; expertGroups?: number; groupsPerToken?: number };
  const { k = 2, expertGroups = 1, groupsPerToken = 1 } = o;
  const bias = group.state["bias"]!;
  const wishes = group.logits.map((row) => {
    const scores = row.map((x) => 1 / (1 + Math.exp(-x)));
    const biased = scores.map((s, e) => s + bias[e]!);
    const size = row.length / expertGroups;
    const worth = Array.from({ length: expertGroups }, (_, g) => {
      const own = biased.slice(g * size, (g + 1) * size);
      return sum(bestOf(own, 2).map((e) => own[e]!));
    });
    const open = bestOf(worth, groupsPerToken);
    const near = biased.map((x, e) => (open.includes(Math.floor(e / size)) ? x : -Infinity));
    const chosen = bestOf(near, k);
    const total = sum(chosen.map((e) => scores[e]!));
    return chosen.map((expert) => ({ expert, weight: scores[expert]! / total }));
  });
  return seated(wishes, group, slots);
};

/** The same 32-bit mixing, with integers of the host. */
function mixed(word: number): number {
  let x = word >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b) >>> 0;
  return (x ^ (x >>> 16)) >>> 0;
}

const hash: Oracle = (group, options, slots) => {
  const { table = "modulo", seed = 0 } = options as {
    table?: "modulo" | "random" | readonly number[];
    seed?: number;
  };
  const experts = group.logits[0]!.length;
  const expertOf = (id: number) => {
    if (table === "modulo") return id % experts;
    if (table === "random") return (mixed(id ^ seed) >>> 1) % experts;
    return table[id]!;
  };
  const wishes = group.ids.map((id) => [{ expert: expertOf(id), weight: 1 }]);
  return seated(wishes, group, slots);
};

const expertsSoftmax: Oracle = ({ logits }, _options, slots = logits.length) => {
  const columns = logits[0]!.map((_, e) => softmaxOf(logits.map((row) => row[e]!)));
  const scores = logits.map((row, t) => row.map((_, e) => columns[e]![t]!));
  const got = taken(scores, slots);
  return scores.map((row, t) => {
    const count = got[t]!.filter(Boolean).length;
    return row.map((score, e) => (got[t]![e] ? score / count : 0));
  });
};

/** By the name of the rule. Capped expert choice is held against its optimum instead: `test/slow/routing-capped.test.ts`. */
export const ORACLES: Readonly<Record<string, Oracle>> = {
  "expert-choice": expertChoice,
  "gshard-top2": gshardTop2,
  "switch-top1": (group, _options, slots) => topK(group, { k: 1, normalised: false }, slots),
  "top-k": topK,
  "sigmoid-bias": sigmoidBias,
  hash,
  "experts-softmax": expertsSoftmax,
};
