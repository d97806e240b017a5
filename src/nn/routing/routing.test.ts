/** @file Laws that every router obeys, the published vectors, and a brute-force router to compare with. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sampleStream } from "../../core/samples.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Engine } from "../../engines/engine.ts";
import { jit } from "../../engines/jit.ts";
import { createOnnxEngine } from "../../engines/onnx/onnx.ts";
import { referenceEngine } from "../../engines/reference/reference.ts";
import { softmax } from "../../numpy/index.ts";
import { doubleEngine } from "../../testing/double.ts";
import {
  differs,
  doubles,
  drawn,
  filled,
  indices,
  nudged,
  numbers,
  read,
} from "../../testing/tensors.ts";
import { grad, valueAndGrad } from "../../transforms/vjp.ts";
import type { Router, Routing } from "./routing.ts";
import { slotsPerExpert } from "./routing.ts";
import { ROUTING_RULES, routingRule } from "./rules.ts";

const DOUBLE = { rtol: 1e-12, atol: 1e-14 };
const SINGLE = { rtol: 1e-5, atol: 1e-6 };
const onnx = await createOnnxEngine();

interface Seat {
  readonly group: number;
  readonly expert: number;
  readonly token: number;
  readonly weight: number;
}

/** A routing with its numbers at hand. */
interface Routed {
  readonly seats: readonly Seat[];
  /** `[group][token][expert]`, row-major: what a token gets of each expert. */
  readonly combine: readonly number[];
  readonly load: readonly number[];
  readonly dropped: number;
  readonly auxLoss: number;
  readonly threshold: readonly number[];
  readonly slots: number;
}

/** Routes on an engine; programs are kept, since properties route many times. */
async function run(router: Router, logits: Tensor, slots: number, engine: Engine = doubleEngine) {
  const key = `${engine.name} ${slots}`;
  const known = compiled.get(router) ?? new Map<string, Compiled>();
  compiled.set(router, known);
  const routed =
    known.get(key) ?? jit((x: Tensor) => ({ ...router(x, slots) }), { name: "router", engine });
  known.set(key, routed);
  return readRouting((await routed(logits)) as Routing, logits);
}
type Compiled = (logits: Tensor) => Promise<Routing>;
const compiled = new Map<Router, Map<string, Compiled>>();

function readRouting(routing: Routing, logits: Tensor): Routed {
  const [groups, tokens, experts] = logits.dims as [number, number, number];
  const combine = new Array<number>(groups * tokens * experts).fill(0);
  const slots = routing.token.size("slot");
  const [token, weight] = [read(routing.token), read(routing.weight)];
  const seats = indices(groups, experts, slots).flatMap((place): Seat[] => {
    const [group, expert] = place as [number, number, number];
    const seat = { group, expert, token: token(...place), weight: weight(...place) };
    if (seat.weight === 0) return [];
    combine[(group * tokens + seat.token) * experts + expert]! += seat.weight;
    return [seat];
  });
  return {
    seats,
    combine,
    load: numbers(routing.load),
    dropped: routing.dropped.item(),
    auxLoss: routing.auxLoss.item(),
    threshold: numbers(routing.threshold),
    slots,
  };
}

const group3 = (seed: number) => drawn(seed, { group: 3, token: 12, expert: 4 }, 2);

/** Logits with one column order. */
function permuted(logits: Tensor, order: readonly number[]): Tensor {
  const [group, token, expert] = logits.dims as [number, number, number];
  const at = read(logits);
  const places = indices(group, token, expert) as [number, number, number][];
  return filled({ group, token, expert }, (i) => {
    const [g, t, e] = places[i]!;
    return at(g, t, order[e]!);
  });
}

describe.each([...ROUTING_RULES])("$name", (rule) => {
  const perToken = rule.expertsPerToken;
  const served = perToken === "capacityFactor" ? undefined : perToken;
  const balanced = served === undefined ? 0 : 1;

  // 3 slots bind for every rule: 12 tokens, 4 experts.
  describe.each([1, 3, 6, 12])("with %i slots", (slots) => {
    const routed = run(rule.route, group3(slots), slots);

    test("no expert serves more tokens of a group than it has slots", async () => {
      const { seats, slots: places } = await routed;
      expect(places).toBe(slots);
      expect(seats.length).toBeGreaterThan(0);
      for (const [group, expert] of indices(3, 4)) {
        const own = seats.filter((seat) => seat.group === group && seat.expert === expert);
        expect(own.length).toBeLessThanOrEqual(slots);
      }
    });

    test("weights lie in [0, 1] and tokens in their group", async () => {
      for (const { weight, token } of (await routed).seats) {
        expect(weight).toBeGreaterThan(0);
        expect(weight).toBeLessThanOrEqual(1);
        expect(token).toBeGreaterThanOrEqual(0);
        expect(token).toBeLessThan(12);
      }
    });

    test("no expert serves a token twice", async () => {
      const { seats } = await routed;
      const pairs = seats.map(({ group, expert, token }) => `${group} ${expert} ${token}`);
      expect(new Set(pairs).size).toBe(pairs.length);
    });

    test("what a token gets of all experts is at most 1", async () => {
      const { combine } = await routed;
      for (let token = 0; token < 36; token++) {
        const total = combine.slice(4 * token, 4 * token + 4).reduce((a, b) => a + b);
        expect(total).toBeLessThanOrEqual(1 + 1e-12);
      }
    });

    test("dropped and load say what tokens and weights say", async () => {
      const { seats, dropped, load } = await routed;
      const reached = new Set(seats.map(({ group, token }) => `${group} ${token}`));
      expect(dropped).toBeCloseTo(1 - reached.size / 36, 12);
      const counts = [0, 1, 2, 3].map((e) => seats.filter(({ expert }) => expert === e).length);
      load.forEach((x, e) => {
        expect(x).toBeCloseTo(counts[e]! / (seats.length / 4), 8);
      });
    });
  });

  test("weights depend on the logits as central differences say", async () => {
    const pull = drawn(50, { group: 3, expert: 4, slot: 4 });
    const objective = (x: Tensor, direction: Tensor) => {
      const { weight, auxLoss } = rule.route(x, 4);
      return weight.mul(direction).sum().add(auxLoss);
    };
    const both = jit(valueAndGrad(objective), { engine: doubleEngine });
    const value = jit(objective, { engine: doubleEngine });
    const logits = group3(9);
    const [, gradient] = await both(logits, pull);
    const slope = numbers(gradient);
    expect(slope.filter((x) => x !== 0).length).toBeGreaterThan(36);
    for (const i of [0, 7, 50, 100, 143]) {
      const moved = async (by: number) => (await value(nudged(logits, i, by), pull)).item();
      const central = ((await moved(1e-6)) - (await moved(-1e-6))) / 2e-6;
      expect(slope[i]).toBeCloseTo(central, 8);
    }
  });

  test.each([
    { engine: doubleEngine, name: doubleEngine.name, tokens: 6, slots: 3 },
    { engine: onnx, name: "onnx", tokens: 6, slots: 3 },
    { engine: onnx, name: "onnx", tokens: 300, slots: 70 },
  ])("among $tokens equals the lower index wins ($name)", async ({ engine, tokens, slots }) => {
    const level = filled({ group: 1, token: tokens, expert: 4 }, () => 0.5);
    const { seats } = await run(rule.route, level, slots, engine);
    const first = Array.from({ length: slots }, (_, token) => token);
    for (let expert = 0; expert < 4; expert++) {
      const own = seats.filter((seat) => seat.expert === expert).map(({ token }) => token);
      expect(own).toEqual(expert < (served ?? 4) ? first : []);
    }
  });

  test("experts in another order give the answers in that order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
        fc.nat(1000),
        async (order, seed) => {
          const logits = group3(seed);
          const [a, b] = [
            await run(rule.route, logits, 4),
            await run(rule.route, permuted(logits, order), 4),
          ];
          b.combine.forEach((weight, i) => {
            expect(weight).toBeCloseTo(a.combine[i - (i % 4) + order[i % 4]!]!, 12);
          });
          expect(b.load).toEqual(order.map((e) => a.load[e]));
          expect(b.auxLoss).toBeCloseTo(a.auxLoss, 12);
        },
      ),
      { seed: 11, numRuns: 8 },
    );
  });

  test("the balance loss is 1 at balance and the number of experts at collapse; 0 where none is needed", async () => {
    const even = filled({ group: 2, token: 8, expert: 4 }, (i) => (i % 4 === (i >> 2) % 4 ? 3 : 0));
    const collapsed = filled({ group: 2, token: 8, expert: 4 }, (i) => (i % 4 === 2 ? 40 : 0));
    expect((await run(rule.route, even, 4)).auxLoss).toBeCloseTo(balanced, 12);
    expect((await run(rule.route, collapsed, 4)).auxLoss).toBeCloseTo(4 * balanced, 12);
  });

  test("deployed, no token depends on another", async () => {
    const thresholds = drawn(3, { expert: 4 }, 0.2);
    const router: Router = (x, slots) => rule.deployed(thresholds)(x, slots);
    const logits = group3(21);
    const before = await run(router, logits, 0, referenceEngine);
    for (const [group, token] of [
      [0, 0],
      [1, 5],
      [2, 11],
    ] as const) {
      const first = (group * 12 + token) * 4;
      const next = sampleStream(first + 1);
      const at = numbers(logits);
      const changed = filled({ group: 3, token: 12, expert: 4 }, (i) =>
        i >= first && i < first + 4 ? 6 * next() - 3 : at[i]!,
      );
      const after = await run(router, changed, 0, referenceEngine);
      const others = (x: Routed) => x.combine.filter((_, i) => i < first || i >= first + 4);
      expect(others(after)).toEqual(others(before));
      expect(after.combine.slice(first, first + 4)).not.toEqual(
        before.combine.slice(first, first + 4),
      );
    }
  });

  test("deployed, a token alone gets what it gets in company", async () => {
    const thresholds = filled({ expert: 4 }, () => 0.25);
    const company = group3(33);
    const all = await run(rule.deployed(thresholds), company, 0, referenceEngine);
    const at = numbers(company);
    for (const token of [0, 17, 35]) {
      const alone = filled({ group: 1, token: 1, expert: 4 }, (i) => at[4 * token + i]!);
      const one = await run(rule.deployed(thresholds), alone, 0, referenceEngine);
      expect(one.combine).toEqual(all.combine.slice(4 * token, 4 * token + 4));
    }
  });

  test("the onnx engine routes as the reference does, forward and backward", async () => {
    const pull = drawn(51, { group: 3, expert: 4, slot: 3 });
    const f = (x: Tensor, direction: Tensor) => {
      const objective = (y: Tensor) => {
        const { weight, auxLoss } = rule.route(y, 3);
        return weight.mul(direction).sum().add(auxLoss);
      };
      return [{ ...rule.route(x, 3) }, valueAndGrad(objective)(x)[1]] as const;
    };
    const logits = group3(5);
    const [expected, slope] = await jit(f, { engine: referenceEngine })(logits, pull);
    const [actual, same] = await jit(f, { engine: onnx })(logits, pull);
    expect(numbers(actual.token)).toEqual(numbers(expected.token));
    for (const part of ["weight", "auxLoss", "load", "dropped", "threshold"] as const) {
      expect(differs(actual[part], numbers(expected[part]), SINGLE), part).toBeUndefined();
    }
    expect(differs(same, numbers(slope), SINGLE)).toBeUndefined();
  });
});

const gatesOf = jit((x: Tensor) => softmax(x, "expert"), { engine: doubleEngine });

/** Spec §11: 8 tokens, 4 experts. */
const VECTOR = doubles({ group: 1, token: 8, expert: 4 }, (i) => {
  const [t, j] = [i >> 2, i % 4];
  return 2 * Math.sin(1.7 * t + 0.9 * j) + 0.5 * Math.cos(0.6 * t * j);
});

describe("the published vectors", () => {
  const of = (name: string, slots: number) => run(routingRule(name).route, VECTOR, slots);
  const tokensOf = ({ seats }: Routed) =>
    [0, 1, 2, 3].map((e) => seats.filter(({ expert }) => expert === e).map(({ token }) => token));
  /** Experts of a token with their weights, best first. */
  const expertsOf = ({ seats }: Routed, t: number) =>
    seats.filter(({ token }) => token === t).sort((a, b) => b.weight - a.weight);

  test("gates (§11.1)", async () => {
    const rounded = numbers(await gatesOf(VECTOR)).map((x) => x.toFixed(6));
    expect(rounded.slice(0, 8).join(" ")).toBe(
      "0.065990 0.316129 0.462752 0.155129 0.707071 0.250003 0.035072 0.007854",
    );
    expect(rounded.slice(24).join(" ")).toBe(
      "0.150377 0.032311 0.171388 0.645924 0.029357 0.076227 0.289480 0.604935",
    );
  });

  test("expert choice (§11.2)", async () => {
    const [one, two] = [await of("expert-choice", 2), await of("expert-choice", 4)];
    expect(tokensOf(one)).toEqual([
      [5, 1],
      [4, 0],
      [0, 4],
      [3, 6],
    ]);
    expect(tokensOf(two)).toEqual([
      [5, 1, 2, 4],
      [4, 0, 1, 2],
      [0, 4, 7, 6],
      [3, 6, 7, 2],
    ]);
    const perToken = (x: Routed) => [0, 1, 2, 3, 4, 5, 6, 7].map((t) => expertsOf(x, t).length);
    expect(perToken(one)).toEqual([2, 1, 0, 1, 2, 1, 1, 0]);
    expect(perToken(two)).toEqual([2, 2, 3, 1, 3, 1, 2, 2]);
    expect(one.dropped).toBeCloseTo(2 / 8, 12);
  });

  test("GShard top-2 with room for all but one (§11.3, CF 2)", async () => {
    const routed = await of("gshard-top2", 4);
    const first = [2, 0, 0, 3, 1, 0, 3, 3];
    const second = [1, 1, 3, 2, 2, 1, 2, 2];
    const share = [0.594124, 0.738784, 0.690321, 0.832846, 0.523756, 0.927063, 0.790303, 0.676347];
    first.forEach((expert, t) => {
      const got = expertsOf(routed, t);
      expect(got.map((seat) => seat.expert)).toEqual(t === 7 ? [expert] : [expert, second[t]]);
      expect(got[0]!.weight).toBeCloseTo(share[t]!, 6);
      if (t !== 7) expect(got[1]!.weight).toBeCloseTo(1 - share[t]!, 6);
    });
    expect(routed.auxLoss).toBeCloseTo(1.156845, 6);
  });

  test("GShard top-2 with little room (§11.3, CF 1)", async () => {
    const routed = await of("gshard-top2", 2);
    const keptFirst = [1, 1, 1, 1, 1, 0, 1, 0];
    const keptSecond = [1, 0, 0, 1, 0, 0, 0, 0];
    keptFirst.forEach((kept, t) => {
      expect(expertsOf(routed, t).length).toBe(kept + keptSecond[t]!);
    });
    expect(routed.dropped).toBeCloseTo(2 / 8, 12);
    expect(routed.auxLoss).toBeCloseTo(1.156845, 6);
  });

  test("Switch top-1 (§11.4, CF 1.25)", async () => {
    const slots = slotsPerExpert(8, 4, 1.25);
    expect(slots).toBe(2);
    const routed = await of("switch-top1", slots);
    const kept = [1, 1, 1, 1, 1, 0, 1, 0];
    const gates = [0.462752, 0.707071, 0.567519, 0.783254, 0.329988, 0, 0.645924, 0];
    kept.forEach((flag, t) => {
      const got = expertsOf(routed, t);
      expect(got.map(({ expert }) => expert)).toEqual(flag ? [[2, 0, 0, 3, 1, 0, 3][t]] : []);
      if (flag) expect(got[0]!.weight).toBeCloseTo(gates[t]!, 6);
    });
    expect(routed.auxLoss).toBeCloseTo(1.156845, 6);
  });
});

/** What a router should answer, by loops over one group's gates `[token][expert]`. */
type Oracle = (gates: readonly (readonly number[])[], slots: number) => number[][];

const zeroes = (gates: readonly (readonly number[])[]) => gates.map((row) => row.map(() => 0));

/** Tokens in order take a seat at their expert while there is one; `counts` goes on from before. */
function seatInOrder(
  combine: number[][],
  counts: number[],
  wishes: readonly { readonly expert: number; readonly weight: number }[],
  slots: number,
): void {
  wishes.forEach(({ expert, weight }, token) => {
    if (counts[expert]! >= slots) return;
    combine[token]![expert]! += weight;
    counts[expert]!++;
  });
}

const argMax = (row: readonly number[], except = -1) =>
  row.reduce((best, x, i) => (i !== except && (best < 0 || x > row[best]!) ? i : best), -1);

const ORACLES: Readonly<Record<string, Oracle>> = {
  "expert-choice": (gates, slots) => {
    const combine = zeroes(gates);
    const tokens = gates.map((_, t) => t);
    for (let e = 0; e < gates[0]!.length; e++) {
      const best = [...tokens].sort((a, b) => gates[b]![e]! - gates[a]![e]! || a - b);
      for (const t of best.slice(0, slots)) combine[t]![e] = gates[t]![e]!;
    }
    return combine;
  },
  "gshard-top2": (gates, slots) => {
    const combine = zeroes(gates);
    const counts = gates[0]!.map(() => 0);
    const wishes = (rank: number) =>
      gates.map((row) => {
        const first = argMax(row);
        const second = argMax(row, first);
        const total = row[first]! + (second < 0 ? 0 : row[second]!) + 1e-9;
        const expert = rank === 0 ? first : second;
        return { expert, weight: row[expert]! / total };
      });
    seatInOrder(combine, counts, wishes(0), slots);
    if (counts.length > 1) seatInOrder(combine, counts, wishes(1), slots);
    return combine;
  },
  "switch-top1": (gates, slots) => {
    const combine = zeroes(gates);
    const wishes = gates.map((row) => ({ expert: argMax(row), weight: Math.max(...row) }));
    seatInOrder(
      combine,
      gates[0]!.map(() => 0),
      wishes,
      slots,
    );
    return combine;
  },
};

describe.each([...ROUTING_RULES])("$name by brute force", (rule) => {
  test("there is an oracle", () => expect(ORACLES).toHaveProperty(rule.name));

  test.each(["apart", "tied"] as const)("any group with logits %s", async (kind) => {
    const size = { group: fc.integer({ min: 1, max: 2 }), token: fc.integer({ min: 1, max: 9 }) };
    const cases = fc
      .record({ ...size, expert: fc.integer({ min: 1, max: 5 }), seed: fc.nat(10_000) })
      .chain((dims) =>
        fc.record({ dims: fc.constant(dims), slots: fc.integer({ min: 1, max: dims.token }) }),
      );
    await fc.assert(
      fc.asyncProperty(cases, async ({ dims: { group, token, expert, seed }, slots }) => {
        const fine = drawn(seed, { group, token, expert }, 2);
        const coarse = numbers(fine).map(Math.round);
        const logits =
          kind === "apart" ? fine : filled({ group, token, expert }, (i) => coarse[i]!);
        const gate = read(await gatesOf(logits));
        const expected = Array.from({ length: group }, (_, g) => {
          const gates = Array.from({ length: token }, (_, t) =>
            Array.from({ length: expert }, (_, e) => gate(g, t, e)),
          );
          return ORACLES[rule.name]!(gates, slots);
        });
        const { combine } = await run(rule.route, logits, slots);
        const flat = expected.flat(2);
        combine.forEach((weight, i) => {
          expect(Math.abs(weight - flat[i]!)).toBeLessThanOrEqual(DOUBLE.atol + DOUBLE.rtol);
        });
      }),
      { seed: 12, numRuns: 40 },
    );
  });
});

test("at a tie, Switch's gradient goes to the expert that was chosen", async () => {
  const level = filled({ group: 1, token: 1, expert: 3 }, () => 0);
  const { route } = routingRule("switch-top1");
  const slope = jit(
    grad((x: Tensor) => route(x, 1).weight.sum()),
    { engine: doubleEngine },
  );
  // ∂ softmax₀ / ∂ logits at (⅓, ⅓, ⅓)
  expect(differs(await slope(level), [2 / 9, -1 / 9, -1 / 9], DOUBLE)).toBeUndefined();
});

describe("expert choice, deployed", () => {
  const rule = routingRule("expert-choice");

  test("the threshold is the score of the last slot, averaged over groups", async () => {
    const { threshold, seats } = await run(rule.route, group3(2), 3);
    const lowest = (group: number, expert: number) =>
      Math.min(
        ...seats.filter((s) => s.group === group && s.expert === expert).map((s) => s.weight),
      );
    threshold.forEach((x, e) => {
      expect(x).toBeCloseTo((lowest(0, e) + lowest(1, e) + lowest(2, e)) / 3, 12);
    });
  });

  test("with the thresholds of one group it seats that group as in training", async () => {
    const logits = drawn(4, { group: 1, token: 12, expert: 4 }, 2);
    const trained = await run(rule.route, logits, 3);
    const thresholds = filled({ expert: 4 }, () => 0);
    const exact = jit((x: Tensor) => ({ ...rule.deployed(rule.route(x, 3).threshold)(x, 0) }), {
      engine: doubleEngine,
    });
    const deployed = readRouting((await exact(logits)) as Routing, logits);
    expect(deployed.combine).toEqual(trained.combine);
    expect(deployed.dropped).toBe(trained.dropped);
    const all = await run(rule.deployed(thresholds), logits, 0);
    expect(all.seats.length).toBe(48);
  });
});

describe("capacity", () => {
  const refusal = (...args: Parameters<typeof slotsPerExpert>) => {
    try {
      slotsPerExpert(...args);
    } catch (error) {
      return `\n${(error as Error).message}\n`;
    }
    throw new Error("nothing was refused");
  };

  test("n · c / e, rounded down", () => {
    expect(slotsPerExpert(32, 8, 2)).toBe(8);
    expect(slotsPerExpert(8, 4, 1.25)).toBe(2);
    expect(slotsPerExpert(4096, 64, 1)).toBe(64);
  });

  test("without a slot is refused", () => {
    expect(refusal(3, 8, 2)).toMatchInlineSnapshot(`
      "
      router: a capacity factor of 2 gives each of 8 experts 0 slots.
        group    3 tokens
        fix      choose capacityFactor from 2.67 to 8, or a larger batch (a causal group holds one token per sequence)    [CONFIG-01]
      "
    `);
  });

  test("above one slot per token is refused", () => {
    expect(refusal(4, 2, 3)).toMatchInlineSnapshot(`
      "
      router: a capacity factor of 3 gives each of 2 experts 6 slots.
        group    4 tokens
        fix      choose capacityFactor from 0.5 to 2, or a larger batch (a causal group holds one token per sequence)    [CONFIG-01]
      "
    `);
  });

  test("the factors that a refusal offers are accepted", () => {
    const tokens = fc.integer({ min: 1, max: 500 });
    fc.assert(
      fc.property(tokens, fc.integer({ min: 1, max: 300 }), (n, experts) => {
        const text = refusal(n, experts, experts * 2);
        const [, least, most] = /from (\S+) to (\S+),/.exec(text)!;
        expect(slotsPerExpert(n, experts, Number(least))).toBeGreaterThanOrEqual(1);
        expect(slotsPerExpert(n, experts, Number(most))).toBe(n);
      }),
      { seed: 13, numRuns: 300 },
    );
  });

  test("a router by a wrong name is refused with the nearest one", () => {
    expect(() => routingRule("gshard-top1")).toThrow('did you mean "gshard-top2"?');
  });
});
