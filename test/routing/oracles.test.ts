/** @file Every router against plain loops. */

import { describe, expect, test } from "vitest";
import { ROUTING_RULES } from "../../src/nn/routing/rules.ts";
import { random } from "../../src/numpy/index.ts";
import { drawn, filled, numbers } from "../../src/testing/tensors.ts";
import { expectClose, expected } from "./beside.ts";
import { ORACLES } from "./oracles.ts";
import { CASES, questionOf, run } from "./routers.ts";

test("every rule has an oracle, or an exact optimum to be held against", () => {
  const without = ROUTING_RULES.map(({ name }) => name).filter((name) => !(name in ORACLES));
  expect(without).toEqual(["expert-choice-capped"]); // test/slow/routing-capped.test.ts
  const untested = ROUTING_RULES.filter((rule) => !CASES.some((c) => c.router.name === rule.name));
  expect(untested).toEqual([]);
});

/** Sizes of more kinds, and the onnx engine: `test/slow/routing-oracles.test.ts`. */
const SIZES = [
  { group: 1, token: 1, expert: 4, slots: 1 },
  { group: 2, token: 7, expert: 4, slots: 2 },
  { group: 2, token: 7, expert: 4, slots: undefined },
];

describe.each(CASES.filter(({ router }) => router.name in ORACLES))("$title", (c) => {
  test.each(["apart", "tied"] as const)("any group with logits %s", async (kind) => {
    for (const { slots, ...dims } of SIZES) {
      const full = c.router.chooses === "experts" ? (slots ?? dims.token) : slots;
      for (let seed = 0; seed < 5; seed++) {
        const fine = drawn(seed, dims, 2);
        const coarse = numbers(fine).map(Math.round);
        const logits = kind === "apart" ? fine : filled(dims, (i) => coarse[i]!);
        const draws = c.draws && seed % 2 === 0;
        const question = {
          ...questionOf(c, seed, logits),
          ...(draws && { key: random.key(seed) }),
        };
        const { combine } = await run(c.router.route, full, question);
        expectClose(combine, await expected(c, full, question), 1e-12);
      }
    }
  });
});
