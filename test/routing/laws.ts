/** @file Laws that every router obeys, whatever its options: a suite over a list of cases. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../src/core/tensor.ts";
import { jit } from "../../src/engines/jit.ts";
import type { Choices, Seats } from "../../src/nn/routing/routing.ts";
import { einsum, oneHot } from "../../src/numpy/index.ts";
import { doubleEngine } from "../../src/testing/double.ts";
import { filled, indices, nudged, numbers, read } from "../../src/testing/tensors.ts";
import { valueAndGrad } from "../../src/transforms/vjp.ts";
import { softmaxOf } from "./oracles.ts";
import {
  EXPERTS,
  GROUPS,
  logitsOf,
  questionOf,
  type Routed,
  type RouterCase,
  run,
  stateOf,
  TOKENS,
} from "./routers.ts";

const ALL = GROUPS * TOKENS;
const EVERY_EXPERT = [0, 1, 2, 3];

/** Experts in another order. */
function permuted(x: Tensor, order: readonly number[]): Tensor {
  const names = x.names.map((name) => name ?? "");
  const sizes = Object.fromEntries(names.map((name, i) => [name, x.dims[i]!]));
  const at = read(x);
  const places = indices(...x.dims);
  return filled(sizes, (i) => at(...places[i]!.slice(0, -1), order[places[i]!.at(-1)!]!));
}

/** `[group, token, expert]` of a routing with slots, traced. */
function pairWeights(assignment: Seats | Choices): Tensor {
  if ("expert" in assignment) throw new Error("pairs of slots are wanted");
  const who = oneHot(assignment.token, TOKENS, "token");
  return einsum(
    "group expert slot, group expert slot token -> group token expert",
    assignment.weight,
    who,
  );
}
const pull = filled({ group: GROUPS, token: TOKENS, expert: EXPERTS }, (i) => Math.sin(3 * i + 1));

const rowOf = (routed: Routed, token: number) =>
  routed.combine.slice(EXPERTS * token, EXPERTS * (token + 1));

/** With slots that bind (12 tokens, 4 experts), and without any. */
function slotsOf({ router, mostSlots }: RouterCase): (number | undefined)[] {
  const some = [1, 3, 6, 12].filter((slots) => slots <= mostSlots);
  return router.chooses === "tokens" ? [...some, undefined] : some;
}

/** At collapse, what chosen experts beside the one add to the loss: their tiny gates. */
function rest({ balances }: RouterCase, certain: number): number {
  return balances === 1 ? 0 : (4 * (balances - 1) * ((1 - certain) / 3)) / balances;
}

const nought = (name: string) => [name, filled({ expert: EXPERTS }, () => 0)] as const;

const taken = ({ combine }: Routed) => combine.map((x) => x > 0);

export function routerLaws(cases: readonly RouterCase[]): void {
  describe.each(cases)("$title", (c) => {
    const { router } = c;
    const question = questionOf(c, 1);

    describe.each(slotsOf(c))("with %s slots", (slots) => {
      const routed = run(router.route, slots, question);

      test("no expert serves more tokens of a group than it has slots, and none twice", async () => {
        const { seats } = await routed;
        expect(seats.length).toBeGreaterThan(0);
        for (const [group, expert] of indices(GROUPS, EXPERTS)) {
          const own = seats.filter((seat) => seat.group === group && seat.expert === expert);
          expect(own.length).toBeLessThanOrEqual(slots ?? TOKENS);
          expect(new Set(own.map(({ token }) => token)).size).toBe(own.length);
        }
      });

      test("weights lie in (0, 1], tokens in their group, and a token gets 1 at most", async () => {
        const { seats, combine } = await routed;
        for (const { weight, token, expert } of seats) {
          expect(weight).toBeGreaterThan(0);
          expect(weight).toBeLessThanOrEqual(1);
          expect(EVERY_EXPERT).toContain(expert);
          expect(token).toBeGreaterThanOrEqual(0);
          expect(token).toBeLessThan(TOKENS);
        }
        for (let token = 0; token < ALL; token++) {
          const own = combine.slice(EXPERTS * token, EXPERTS * (token + 1));
          expect(own.reduce((a, b) => a + b)).toBeLessThanOrEqual(1 + 1e-12);
        }
      });

      test("load, dropped, served say what seats say; entropy and z-loss what logits say", async () => {
        const { seats, dropped, load, served, entropy, zLoss } = await routed;
        const counts = Array.from({ length: ALL }, (_, i) => {
          const [group, token] = [Math.floor(i / TOKENS), i % TOKENS];
          return seats.filter((seat) => seat.group === group && seat.token === token).length;
        });
        expect(dropped).toBeCloseTo(counts.filter((n) => n === 0).length / ALL, 12);
        [0, 1, 2, 3, 4].forEach((n) => {
          expect(served[n]).toBeCloseTo(counts.filter((count) => count === n).length / ALL, 12);
        });
        expect(served[5]).toBe(0); // of 4 experts
        load.forEach((x, e) => {
          const own = seats.filter(({ expert }) => expert === e).length;
          expect(x).toBeCloseTo(own / (seats.length / EXPERTS), 8);
        });
        const flat = numbers(question.logits);
        const rows = Array.from({ length: ALL }, (_, i) => flat.slice(4 * i, 4 * i + 4));
        const mean = (f: (row: number[]) => number) =>
          rows.reduce((sum, row) => sum + f(row), 0) / ALL;
        const partition = (row: number[]) => Math.log(row.reduce((s, x) => s + Math.exp(x), 0));
        expect(zLoss).toBeCloseTo(
          mean((row) => partition(row) ** 2),
          10,
        );
        expect(entropy).toBeCloseTo(
          mean((row) => softmaxOf(row).reduce((s, g) => s - g * Math.log(g), 0)),
          10,
        );
      });
    });

    test("weights and balance loss depend on the logits as central differences say", async () => {
      const objective = (x: Tensor) => {
        const { assignment, auxLoss } = router.route({ ...question, logits: x, slots: 4 });
        // Each pair pulls in a way of its own, so that sums of a token's weights are not all that is seen.
        return pairWeights(assignment).mul(pull).sum().add(auxLoss);
      };
      const [both, value] = [
        jit(valueAndGrad(objective), { engine: doubleEngine }),
        jit(objective, { engine: doubleEngine }),
      ];
      const logits = logitsOf(9);
      const slope = numbers((await both(logits))[1]);
      if (!router.learned) return expect(slope.every((x) => x === 0)).toBe(true);
      expect(slope.filter((x) => x !== 0).length).toBeGreaterThan(30);
      for (const i of [0, 50, 143]) {
        const moved = async (by: number) => (await value(nudged(logits, i, by))).item();
        const central = ((await moved(1e-6)) - (await moved(-1e-6))) / 2e-6;
        expect(slope[i]).toBeCloseTo(central, 8);
      }
    });

    test("experts in another order give the answers in that order", async () => {
      // Ids name experts by number, and so do equal groups of experts.
      if (!router.learned || c.title.includes("expertGroups")) return;
      await fc.assert(
        fc.asyncProperty(
          fc.shuffledSubarray(EVERY_EXPERT, { minLength: 4 }),
          fc.nat(1000),
          async (order, seed) => {
            const asked = questionOf(c, seed);
            const state = Object.fromEntries(
              Object.entries(asked.state!).map(([name, x]) => [name, permuted(x, order)]),
            );
            const other = { ...asked, logits: permuted(asked.logits, order), state };
            const a = await run(router.route, 4, asked);
            const b = await run(router.route, 4, other);
            b.combine.forEach((weight, i) => {
              // 1e-9: the iterations of the capped rule round in another order.
              expect(Math.abs(weight - a.combine[i - (i % 4) + order[i % 4]!]!)).toBeLessThan(1e-9);
            });
            expect(b.load).toEqual(order.map((e) => a.load[e]));
            expect(b.auxLoss).toBeCloseTo(a.auxLoss, 12);
          },
        ),
        { seed: 11, numRuns: 2 },
      );
    });

    test("the balance loss is 1 at balance, and as high as can be at collapse", async () => {
      if (c.balances === 0) return;
      const even = filled({ group: 2, token: 8, expert: 4 }, (i) =>
        i % 4 === (i >> 2) % 4 ? 3 : 0,
      );
      const collapsed = filled({ group: 2, token: 8, expert: 4 }, (i) => (i % 4 === 2 ? 40 : 0));
      const loss = async (logits: Tensor) =>
        (await run(router.route, 4, questionOf(c, 1, logits))).auxLoss;
      expect(await loss(even)).toBeCloseTo(1, 12);
      // A cap keeps logits, and with them the gates, from full certainty.
      const capped = Number(c.options["logitCap"] ?? 40);
      const certain = Math.exp(capped) / (Math.exp(capped) + 3);
      expect(await loss(collapsed)).toBeCloseTo((4 * certain) / c.balances + rest(c, certain), 9);
    });

    test("no group depends on another", async () => {
      const asked = questionOf(c, 5);
      const at = numbers(asked.logits);
      const size = TOKENS * EXPERTS;
      const other = filled({ group: GROUPS, token: TOKENS, expert: EXPERTS }, (i) =>
        Math.floor(i / size) === 1 ? -at[i]! : at[i]!,
      );
      const before = await run(router.route, 3, asked);
      const after = await run(router.route, 3, { ...asked, logits: other });
      const outside = (x: Routed) => x.combine.filter((_, i) => Math.floor(i / size) !== 1);
      expect(outside(after)).toEqual(outside(before));
    });
  });

  describe.each(cases)("$title, without a capacity", (c) => {
    const { router } = c;

    test("deployed, no token depends on another, and one alone gets what it gets in company", async () => {
      const asked = questionOf(c, 21);
      const before = await run(router.deployed, undefined, asked);
      const at = numbers(asked.logits);
      for (const token of [0, 17, 35]) {
        const own = (i: number) => Math.floor(i / EXPERTS) === token;
        const other = filled({ group: GROUPS, token: TOKENS, expert: EXPERTS }, (i) =>
          own(i) ? at[i]! : Math.sin(i),
        );
        const id = numbers(asked.ids!);
        const ids = filled(
          { group: GROUPS, token: TOKENS },
          (t) => (t === token ? id[t]! : 9 - id[t]!),
          "int32",
        );
        const after = await run(router.deployed, undefined, { ...asked, logits: other, ids });
        expect(rowOf(after, token)).toEqual(rowOf(before, token));
        expect(after.combine).not.toEqual(before.combine);
        const alone = {
          logits: filled({ group: 1, token: 1, expert: EXPERTS }, (i) => at[EXPERTS * token + i]!),
          ids: filled({ group: 1, token: 1 }, () => id[token]!, "int32"),
          state: asked.state!,
        };
        expect((await run(router.deployed, undefined, alone)).combine).toEqual(
          rowOf(before, token),
        );
      }
    });

    test("deployed is as in training with a slot for everyone, where tokens choose", async () => {
      if (router.chooses === "experts") return;
      const asked = questionOf(c, 22);
      const [deployed, dropless, roomy] = [
        await run(router.deployed, undefined, asked),
        await run(router.route, undefined, asked),
        await run(router.route, TOKENS, asked),
      ];
      expect(dropless.combine).toEqual(deployed.combine);
      expect(roomy.combine).toEqual(deployed.combine);
      expect(deployed.dropped).toBe(0);
    });

    test("deployed with what one group left behind, it seats that group as in training", async () => {
      if (router.chooses === "tokens") return;
      const asked = questionOf(c, 4, logitsOf(4, 1));
      const trained = await run(router.route, 3, asked);
      const first = { ...stateOf(c, 0), ...Object.fromEntries(router.keeps.map(nought)) };
      const next = jit(
        (state: typeof first, seen: typeof first, step: Tensor) =>
          router.nextState(state, seen, step),
        { engine: doubleEngine },
      );
      const state = await next(
        first,
        trained.observed,
        filled({}, () => 0),
      );
      const deployed = await run(router.deployed, undefined, { ...asked, state });
      expect(taken(deployed)).toEqual(taken(trained));
      deployed.combine.forEach((weight, i) => {
        expect(weight).toBeCloseTo(trained.combine[i]!, 9);
      });
    });
  });

  describe.each(cases)("$title, in groups of one sequence", (c) => {
    test(`${c.router.looksAhead ? "may let a token depend on" : "lets no token depend on"} later ones`, async () => {
      let moved = 0;
      // One look ahead is enough.
      for (let seed = 0; seed < 6 && moved === 0; seed++) {
        const asked = questionOf(c, seed, logitsOf(seed, 1));
        const before = await run(c.router.route, 3, asked);
        const at = numbers(asked.logits);
        for (const from of [4, 8, 11]) {
          const logits = filled({ group: 1, token: TOKENS, expert: EXPERTS }, (i) =>
            Math.floor(i / EXPERTS) < from ? at[i]! : -at[i]!,
          );
          const ids = filled(
            { group: 1, token: TOKENS },
            (t) => (t < from ? numbers(asked.ids!)[t]! : 9 - numbers(asked.ids!)[t]!),
            "int32",
          );
          const after = await run(c.router.route, 3, { ...asked, logits, ids });
          for (let t = 0; t < from; t++) {
            if (rowOf(after, t).some((x, e) => x !== rowOf(before, t)[e])) moved++;
          }
          // What is audited can be seen: the changed tokens route differently.
          if (from < 8) expect(after.combine).not.toEqual(before.combine);
        }
      }
      if (c.router.looksAhead) expect(moved).toBeGreaterThan(0);
      else expect(moved).toBe(0);
    });
  });

  describe.each(cases)("$title with padding", (c) => {
    const { router } = c;
    const PADDED = [0, 4, 5, 11];
    const REAL = Array.from({ length: TOKENS }, (_, t) => t).filter((t) => !PADDED.includes(t));
    const asked = questionOf(c, 31, logitsOf(31, 1));
    const mask = filled({ group: 1, token: TOKENS }, (t) => Number(!PADDED.includes(t)), "bool");
    const alone = (): typeof asked => ({
      logits: filled({ group: 1, token: REAL.length, expert: EXPERTS }, (i) =>
        read(asked.logits)(0, REAL[Math.floor(i / EXPERTS)]!, i % EXPERTS),
      ),
      ids: filled({ group: 1, token: REAL.length }, (i) => read(asked.ids!)(0, REAL[i]!), "int32"),
      state: asked.state!,
    });

    test.each([2, 3])(
      "%i slots go as if it were not there, and nothing counts it",
      async (slots) => {
        const padded = await run(router.route, slots, { ...asked, mask });
        const bare = await run(router.route, slots, alone());
        REAL.forEach((t, i) => {
          rowOf(padded, t).forEach((weight, e) => {
            expect(weight).toBeCloseTo(rowOf(bare, i)[e]!, 12);
          });
        });
        for (const t of PADDED) expect(rowOf(padded, t)).toEqual([0, 0, 0, 0]);
        for (const name of ["auxLoss", "dropped", "entropy", "zLoss"] as const) {
          expect(padded[name], name).toBeCloseTo(bare[name], 12);
        }
        expect(padded.load).toEqual(bare.load);
        padded.served.forEach((share, i) => {
          expect(share).toBeCloseTo(bare.served[i]!, 12);
        });
      },
    );

    test("deployed, nobody serves it", async () => {
      const padded = await run(router.deployed, undefined, { ...asked, mask });
      const bare = await run(router.deployed, undefined, alone());
      REAL.forEach((t, i) => {
        expect(rowOf(padded, t)).toEqual(rowOf(bare, i));
      });
      for (const t of PADDED) expect(rowOf(padded, t)).toEqual([0, 0, 0, 0]);
    });

    test("in a group of nothing else, no slot is taken and no number is lost", async () => {
      const nobody = filled({ group: 1, token: TOKENS }, () => 0, "bool");
      const routed = await run(router.route, 2, { ...asked, mask: nobody });
      expect(routed.seats).toEqual([]);
      for (const name of ["auxLoss", "dropped", "entropy", "zLoss"] as const) {
        expect(Number.isFinite(routed[name]), name).toBe(true);
      }
      Object.values(routed.observed).forEach((x) => {
        expect(numbers(x).every(Number.isFinite)).toBe(true);
      });
    });
  });
}
