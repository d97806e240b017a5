/** @file Reference vectors of 8 tokens and 4 experts: gates, choices and losses of the published routers. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../../src/core/tensor.ts";
import { jit } from "../../src/engines/jit.ts";
import { slotsPerExpert } from "../../src/nn/routing/capacity.ts";
import { type RouterOptions, routerOf } from "../../src/nn/routing/rules.ts";
import { softmax } from "../../src/numpy/index.ts";
import { doubleEngine } from "../../src/testing/double.ts";
import { doubles, numbers } from "../../src/testing/tensors.ts";
import { type Routed, run } from "./routers.ts";

const LOGITS = doubles({ group: 1, token: 8, expert: 4 }, (i) => {
  const [t, j] = [i >> 2, i % 4];
  return 2 * Math.sin(1.7 * t + 0.9 * j) + 0.5 * Math.cos(0.6 * t * j);
});

const GATES = `
0.065990 0.316129 0.462752 0.155129
0.707071 0.250003 0.035072 0.007854
0.567519 0.110079 0.067813 0.254589
0.020033 0.039512 0.157201 0.783254
0.292845 0.329988 0.300053 0.077114
0.883065 0.069476 0.037756 0.009704
0.150377 0.032311 0.171388 0.645924
0.029357 0.076227 0.289480 0.604935`;

const FIRST = [2, 0, 0, 3, 1, 0, 3, 3];
const SECOND = [1, 1, 3, 2, 2, 1, 2, 2];
const FIRST_WEIGHT = [
  0.594124, 0.738784, 0.690321, 0.832846, 0.523756, 0.927063, 0.790303, 0.676347,
];

const of = (name: string, slots: number, options: RouterOptions = {}) =>
  run(routerOf(name, options).route, slots, { logits: LOGITS });
const tokensOf = ({ seats }: Routed) =>
  [0, 1, 2, 3].map((e) => seats.filter(({ expert }) => expert === e).map(({ token }) => token));
/** Experts of a token with their weights, best first. */
const expertsOf = ({ seats }: Routed, t: number) =>
  seats.filter(({ token }) => token === t).sort((a, b) => b.weight - a.weight);

describe("the reference vectors", () => {
  test("gates and router z-loss", async () => {
    const gates = jit((x: Tensor) => softmax(x, "expert"), { engine: doubleEngine });
    const rounded = numbers(await gates(LOGITS)).map((x) => x.toFixed(6));
    expect(rounded).toEqual(GATES.trim().split(/\s+/));
    expect((await of("switch-top1", 2)).zLoss).toBeCloseTo(5.789855, 6);
  });

  test("expert choice", async () => {
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
    const perToken = (x: Routed) => FIRST.map((_, t) => expertsOf(x, t).length);
    expect(perToken(one)).toEqual([2, 1, 0, 1, 2, 1, 1, 0]);
    expect(perToken(two)).toEqual([2, 2, 3, 1, 3, 1, 2, 2]);
    expect(one.dropped).toBeCloseTo(2 / 8, 12);
    expect(one.served).toEqual([2 / 8, 4 / 8, 2 / 8, 0, 0, 0]);
  });

  test("GShard top-2 with room for all but one", async () => {
    const routed = await of("gshard-top2", 4);
    FIRST.forEach((expert, t) => {
      const got = expertsOf(routed, t);
      expect(got.map((seat) => seat.expert)).toEqual(t === 7 ? [expert] : [expert, SECOND[t]]);
      expect(got[0]!.weight).toBeCloseTo(FIRST_WEIGHT[t]!, 6);
      if (t !== 7) expect(got[1]!.weight).toBeCloseTo(1 - FIRST_WEIGHT[t]!, 6);
    });
    expect(routed.auxLoss).toBeCloseTo(1.156845, 6);
  });

  test("GShard top-2 with little room", async () => {
    const routed = await of("gshard-top2", 2);
    const keptFirst = [1, 1, 1, 1, 1, 0, 1, 0];
    const keptSecond = [1, 0, 0, 1, 0, 0, 0, 0];
    keptFirst.forEach((kept, t) => {
      expect(expertsOf(routed, t).length).toBe(kept + keptSecond[t]!);
    });
    expect(routed.dropped).toBeCloseTo(2 / 8, 12);
    expect(routed.auxLoss).toBeCloseTo(1.156845, 6);
  });

  test("Switch top-1", async () => {
    const slots = slotsPerExpert(8, 4, 1.25);
    expect(slots).toBe(2);
    const routed = await of("switch-top1", slots);
    const kept = [1, 1, 1, 1, 1, 0, 1, 0];
    const gates = [0.462752, 0.707071, 0.567519, 0.783254, 0.329988, 0, 0.645924, 0];
    kept.forEach((flag, t) => {
      const got = expertsOf(routed, t);
      expect(got.map(({ expert }) => expert)).toEqual(flag ? [FIRST[t]] : []);
      if (flag) expect(got[0]!.weight).toBeCloseTo(gates[t]!, 6);
    });
    expect(routed.auxLoss).toBeCloseTo(1.156845, 6);
  });

  test.each([false, true])("capped expert choice (hard: %s)", async (hard) => {
    const routed = await of("expert-choice-capped", 2, { cap: 1, hard });
    expect(tokensOf(routed).map((list) => list.sort((a, b) => a - b))).toEqual([
      [2, 5],
      [1, 4],
      [0, 7],
      [3, 6],
    ]);
    const total = routed.seats.reduce((sum, { weight }) => sum + weight, 0);
    expect(total).toBeCloseTo(4.211985, 6);
  });
});
