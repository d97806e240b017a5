/** @file The sparse layer against loops over tokens and experts. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { random } from "../numpy/index.ts";
import { doubleEngine } from "../testing/double.ts";
import { differs, drawn, indices, numbers, read } from "../testing/tensors.ts";
import { grad } from "../transforms/vjp.ts";
import {
  GROUPINGS,
  type Grouping,
  type Moe,
  moe,
  moeParams,
  parseGrouping,
  tokensPerGroup,
} from "./moe.ts";
import { initialise } from "./param.ts";
import type { Routing } from "./routing/routing.ts";
import { ROUTING_RULES } from "./routing/rules.ts";

const CONFIG = { embed: 5, mlp: 7, expert: 4 } as const;
const DOUBLE = { rtol: 1e-11, atol: 1e-12 };
const x = drawn(5, { batch: 6, pos: 4, embed: CONFIG.embed });

const ACTIVATIONS = {
  relu: (v: number) => Math.max(v, 0),
  // The tanh approximation.
  gelu: (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
} as const;

const params = jit((key: Tensor) => initialise(moeParams({ ...CONFIG, activation: "gelu" }), key), {
  engine: doubleEngine,
})(random.key(3)) as Promise<Moe<Tensor>>;

/** What one expert answers for one token. */
function answer(
  p: Moe<Tensor>,
  token: readonly number[],
  expert: number,
  activation: (v: number) => number,
): number[] {
  const [wi, wo] = [read(p.wi), read(p.wo)];
  const hidden = Array.from({ length: CONFIG.mlp }, (_, m) =>
    activation(token.reduce((sum, v, e) => sum + v * wi(expert, e, m), 0)),
  );
  return token.map((_, e) => hidden.reduce((sum, v, m) => sum + v * wo(expert, m, e), 0));
}

/** `y = Σ over experts of weight · answer`, token by token, from the routing that was made. */
function oracle(
  p: Moe<Tensor>,
  routing: Routing,
  grouping: Grouping,
  activation: (v: number) => number,
): number[] {
  const at = read(x);
  const [token, weight] = [read(routing.token), read(routing.weight)];
  const [groups, experts, slots] = routing.token.dims as [number, number, number];
  const y = new Float64Array(numbers(x).length);
  for (const [g, e, s] of indices(groups, experts, slots) as [number, number, number][]) {
    const t = token(g, e, s);
    if (t < 0) continue; // an empty slot
    const [b, i] = grouping === "position" ? [t, g] : [Math.floor(t / 4), t % 4];
    const row = Array.from({ length: CONFIG.embed }, (_, c) => at(b, i, c));
    answer(p, row, e, activation).forEach((v, c) => {
      y[(b * 4 + i) * CONFIG.embed + c]! += weight(g, e, s) * v;
    });
  }
  return [...y];
}

describe.each(
  ROUTING_RULES.flatMap((rule) =>
    GROUPINGS.map((grouping) => ({ rule, grouping, name: rule.name })),
  ),
)("$name in groups by $grouping", ({ rule, grouping }) => {
  const slots = tokensPerGroup(grouping, 6, 4) / 3;

  test.each(["gelu", "relu"] as const)("with %s is what the loops compute", async (activation) => {
    const p = await params;
    const layer = jit(
      (q: Moe<Tensor>, y: Tensor) => {
        const [out, routing] = moe(q, y, { route: rule.route, slots, grouping, activation });
        return { out, routing: { ...routing } };
      },
      { engine: doubleEngine },
    );
    const { out, routing } = await layer(p, x);
    expect(out.aval).toEqual(x.aval);
    expect(routing.token.dims).toEqual([grouping === "position" ? 4 : 1, 4, slots]);
    const expected = oracle(p, routing as Routing, grouping, ACTIVATIONS[activation]);
    expect(differs(out, expected, DOUBLE)).toBeUndefined();
  });

  test("gate and experts all get a gradient", async () => {
    const call = { route: rule.route, slots, grouping, activation: "gelu" } as const;
    const loss = (q: Moe<Tensor>) => moe(q, x, call)[0].square().sum();
    const slopes = await jit(grad(loss), { engine: doubleEngine })(await params);
    expect(numbers(slopes.gate).some((v) => v === 0)).toBe(false);
    const experts = slopes.wo.size("mlp") * CONFIG.embed;
    for (let e = 0; e < 4; e++) {
      const own = numbers(slopes.wo).slice(e * experts, (e + 1) * experts);
      expect(
        own.some((v) => v !== 0),
        `expert ${e}`,
      ).toBe(true);
    }
  });
});

describe("a grouping", () => {
  test("by position holds one token per sequence, by batch all", () => {
    expect(tokensPerGroup("position", 32, 128)).toBe(32);
    expect(tokensPerGroup("leaky-batch", 32, 128)).toBe(4096);
  });

  test("by a wrong name is refused with the nearest one", () => {
    expect(parseGrouping("position")).toBe("position");
    expect(() => parseGrouping("positon")).toThrow(
      'grouping: "positon" is not a grouping; did you mean "position"?',
    );
  });
});
