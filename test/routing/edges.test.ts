/** @file Edges of single routers: ties, thresholds over groups, tokens without ids, equal groups. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../../src/core/tensor.ts";
import { jit } from "../../src/engines/jit.ts";
import type { Seats } from "../../src/nn/routing/routing.ts";
import { type RouterOptions, routerOf } from "../../src/nn/routing/rules.ts";
import { doubleEngine } from "../../src/testing/double.ts";
import { differs, filled, numbers } from "../../src/testing/tensors.ts";
import { grad } from "../../src/transforms/vjp.ts";
import { EXPERTS, GROUPS, logitsOf, run, TOKENS } from "./routers.ts";

test("at a tie, Switch's gradient goes to the expert that was chosen", async () => {
  const level = filled({ group: 1, token: 1, expert: 3 }, () => 0);
  const { route } = routerOf("switch-top1");
  const weights = (logits: Tensor) =>
    (route({ logits, slots: 1 }).assignment as Seats).weight.sum();
  const slope = jit(grad(weights), { engine: doubleEngine });
  // ∂ softmax₀ / ∂ logits at (⅓, ⅓, ⅓)
  const expected = [2 / 9, -1 / 9, -1 / 9];
  expect(differs(await slope(level), expected, { rtol: 1e-12, atol: 1e-14 })).toBeUndefined();
});

describe("expert choice's threshold", () => {
  const { route } = routerOf("expert-choice");
  const lowest = (seats: Awaited<ReturnType<typeof run>>["seats"], group: number, expert: number) =>
    Math.min(...seats.filter((s) => s.group === group && s.expert === expert).map((s) => s.weight));

  test("is the score of the last slot, averaged over groups", async () => {
    const { observed, seats } = await run(route, 3, { logits: logitsOf(2) });
    numbers(observed["threshold"]!).forEach((x, e) => {
      expect(x).toBeCloseTo([0, 1, 2].reduce((sum, g) => sum + lowest(seats, g, e), 0) / 3, 12);
    });
  });

  test("leaves out groups with too few tokens to fill the slots", async () => {
    const mask = filled(
      { group: GROUPS, token: TOKENS },
      (i) => Number(i < TOKENS || i % TOKENS < 2), // the first group is full, the others hold 2
      "bool",
    );
    const { observed, seats } = await run(route, 3, { logits: logitsOf(2), mask });
    numbers(observed["threshold"]!).forEach((x, e) => {
      expect(x).toBeCloseTo(lowest(seats, 0, e), 12);
    });
    // Where there are fewer tokens than slots, every expert takes them all.
    expect(seats.filter(({ group }) => group > 0).length).toBe(2 * 2 * EXPERTS);
  });
});

describe("refused while tracing:", () => {
  const lower = (name: string, options: RouterOptions, slots?: number) => () => {
    const router = routerOf(name, options);
    const state = { bias: filled({ expert: EXPERTS }, () => 0) };
    jit((logits: Tensor) => router.route({ logits, slots, state }).assignment.weight).lower(
      logitsOf(1),
    );
  };

  test("hash without token ids", () => {
    expect(lower("hash", {}, 3)).toThrow("router: hash needs token ids, and the layer has none");
  });

  test("a hash table that names experts which are not there", () => {
    const router = routerOf("hash", { table: [0, 4] });
    const ids = filled({ group: GROUPS, token: TOKENS }, () => 0, "int32");
    const run = () =>
      jit((logits: Tensor) => router.route({ logits, ids }).assignment.weight).lower(logitsOf(1));
    expect(run).toThrow("the hash table names expert 4, but there are 4, from 0 on");
  });

  test.each(["expert-choice", "expert-choice-capped", "experts-softmax"])(
    "%s without slots",
    (name) => {
      expect(lower(name, {})).toThrow(`router: experts of ${name} choose for their slots`);
    },
  );

  test("experts that do not divide into groups, and groups too small for the choices", () => {
    const uneven = { expertGroups: 3, groupsPerToken: 1 };
    expect(lower("sigmoid-bias", uneven)).toThrow("4 experts do not divide into 3 equal groups");
    const small = { k: 2, expertGroups: 4, groupsPerToken: 1 };
    expect(lower("sigmoid-bias", small)).toThrow(
      "router: 2 experts per token do not fit into 1 group of 1",
    );
  });
});
