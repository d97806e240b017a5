/** @file What GShard's second choice draws, and that keys alone decide it. */

import { describe, expect, test } from "vitest";
import { type RouterOptions, routerOf } from "../../src/nn/routing/rules.ts";
import { random } from "../../src/numpy/index.ts";
import { drawn, filled } from "../../src/testing/tensors.ts";
import { softmaxOf } from "./oracles.ts";
import { run } from "./routers.ts";

const TOKENS = 1200;
/** Every token alike: gates 0.5, 0.3, 0.15, 0.05. */
const GATES = [0.5, 0.3, 0.15, 0.05];
const alike = filled({ group: 1, token: TOKENS, expert: 4 }, (i) => Math.log(GATES[i % 4]!));
const of = (options: RouterOptions, key: number | undefined, logits = alike) =>
  run(routes(options), undefined, { logits, ...(key !== undefined && { key: random.key(key) }) });

const known = new Map<string, ReturnType<typeof routerOf>["route"]>();
function routes(options: RouterOptions) {
  const name = JSON.stringify(options);
  const route = known.get(name) ?? routerOf("gshard-top2", options).route;
  known.set(name, route);
  return route;
}

/** Share of tokens that an expert serves as second choice. */
const share = ({ seats }: Awaited<ReturnType<typeof of>>, expert: number) =>
  seats.filter((seat) => seat.expert === expert).length / TOKENS;
/** Four standard deviations of a share of so many draws. */
const spread = (p: number) => 4 * Math.sqrt((p * (1 - p)) / TOKENS);

describe("the second expert", () => {
  // Its weight is 0.3 / (0.5 + 0.3).
  const WEIGHT = 0.375;

  test.each([0.5, 0.8])("is kept at random with probability w / %d", async (threshold) => {
    const routed = await of({ second: "random", threshold }, 1);
    expect(share(routed, 0)).toBe(1);
    const expected = WEIGHT / threshold;
    expect(Math.abs(share(routed, 1) - expected)).toBeLessThan(spread(expected));
    for (const { weight, expert } of routed.seats) {
      // Not normalised again when it stands alone.
      expect(weight).toBeCloseTo(expert === 0 ? 1 - WEIGHT : WEIGHT, 8);
    }
  });

  test("is always kept at random when its weight is above the threshold", async () => {
    expect(share(await of({ second: "random", threshold: 0.3 }, 1), 1)).toBe(1);
  });

  test("is drawn from the gates of the others", async () => {
    const routed = await of({ second: "sampling" }, 2);
    expect(share(routed, 0)).toBe(1);
    for (const expert of [1, 2, 3]) {
      const p = GATES[expert]! / 0.5;
      expect(Math.abs(share(routed, expert) - p), `expert ${expert}`).toBeLessThan(spread(p));
    }
    const third = routed.seats.find(({ expert }) => expert === 2);
    expect(third?.weight).toBeCloseTo(0.15 / 0.65, 8);
  });

  test.each([
    { threshold: 0.37, kept: 1 },
    { threshold: 0.38, kept: 0 },
  ])("is kept above a threshold of $threshold: $kept", async ({ threshold, kept }) => {
    expect(share(await of({ second: "threshold", threshold }, 3), 1)).toBe(kept);
  });

  test("is never kept when nobody wants it, and weighs on the first all the same", async () => {
    const routed = await of({ second: "none" }, 4);
    expect(routed.served.slice(0, 2)).toEqual([0, 1]);
    expect(routed.seats[0]?.weight).toBeCloseTo(1 - WEIGHT, 8);
  });
});

describe("keys", () => {
  const logits = drawn(8, { group: 2, token: 40, expert: 4 }, 1.5);

  test.each(["random", "sampling"] as const)(
    "decide what %s draws, and nothing else does",
    async (second) => {
      const [a, b, c, without, all] = [
        await of({ second }, 1, logits),
        await of({ second }, 1, logits),
        await of({ second }, 2, logits),
        await of({ second }, undefined, logits),
        await of({ second: "all" }, 1, logits),
      ];
      expect(b.combine).toEqual(a.combine);
      expect(c.combine).not.toEqual(a.combine);
      expect(without.combine).toEqual(all.combine);
      // The first choice, and with it the balance loss, is not drawn.
      expect(c.auxLoss).toBe(a.auxLoss);
    },
  );

  test.each(["all", "threshold", "none"] as const)("change nothing for %s", async (second) => {
    const [a, b] = [await of({ second }, 1, logits), await of({ second }, undefined, logits)];
    expect(b.combine).toEqual(a.combine);
  });
});

test("a second choice that is dropped takes no slot from one that is kept", async () => {
  // Two tokens want expert 0 first and expert 1 second; one slot each.
  const rows = [
    [3, 0, -9, -9],
    [3, 2.9, -9, -9],
  ];
  const logits = filled({ group: 1, token: 2, expert: 4 }, (i) => rows[i >> 2]![i % 4]!);
  const { route } = routerOf("gshard-top2", { second: "threshold", threshold: 0.3 });
  const { seats } = await run(route, 1, { logits });
  const weight = softmaxOf(rows[1]!.slice(0, 2))[1]!;
  expect(seats.map(({ expert, token }) => [expert, token])).toEqual([
    [0, 0],
    [1, 1],
  ]);
  expect(seats[1]!.weight).toBeCloseTo(weight, 4); // over all four gates, of which two are tiny
});
