/** @file Slots from capacity factors, and the refusals. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { slotsPerExpert } from "./capacity.ts";

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

  test.each([
    [100, 8, 2, 28], // 25
    [96, 8, 2, 24],
    [10, 8, 1, 4], // 1
    [3, 3, 1, 3], // 4, but there are 3 tokens
  ])("of %i tokens, %i experts, factor %d, up to a multiple of 4: %i", (n, e, c, slots) => {
    expect(slotsPerExpert(n, e, c, "multiple-of-4")).toBe(slots);
  });

  test.each([
    [100, 8, 2.05, 26], // 25.6
    [100, 8, 2, 25],
    [10, 8, 1, 4], // 1.25
    [3, 3, 1, 3],
  ])("of %i tokens, %i experts, factor %d, rounded and 4 at least: %i", (n, e, c, slots) => {
    expect(slotsPerExpert(n, e, c, "at-least-4")).toBe(slots);
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
});
