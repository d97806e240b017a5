/** @file The sparse layer against loops over tokens and experts. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { random } from "../numpy/index.ts";
import { doubleEngine } from "../testing/double.ts";
import {
  differs,
  drawn,
  drawnIds,
  filled,
  indices,
  inSingle,
  nudged,
  numbers,
  read,
} from "../testing/tensors.ts";
import { abstract } from "../transforms/trace.ts";
import { grad } from "../transforms/vjp.ts";
import { type Moe, type MoeCall, moe, moeParams } from "./moe.ts";
import { abstractParams, initialise } from "./param.ts";
import { GROUPINGS, type Grouping, parseGrouping, tokensPerGroup } from "./routing/grouping.ts";
import { type Choices, initialRouterState, type Seats } from "./routing/routing.ts";
import { ROUTING_RULES, routerOf } from "./routing/rules.ts";

// More tokens than are few, which all experts answer.
const [BATCH, POS, EMBED, MLP, EXPERTS] = [9, 4, 5, 7, 4];
const CONFIG = { embed: EMBED, mlp: MLP, expert: EXPERTS } as const;
const DOUBLE = { rtol: 1e-11, atol: 1e-12 };
const x = drawn(5, { batch: BATCH, pos: POS, embed: EMBED });
const ids = drawnIds(6, { batch: BATCH, pos: POS }, 11);
const onnx = await createOnnxEngine();

const ACTIVATIONS = {
  relu: (v: number) => Math.max(v, 0),
  // The tanh approximation.
  gelu: (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
  silu: (v: number) => v / (1 + Math.exp(-v)),
} as const;

const begin = (config: Parameters<typeof moeParams>[0]) =>
  jit((key: Tensor) => initialise(moeParams(config), key), { engine: doubleEngine })(
    random.key(3),
  ) as Promise<Moe<Tensor>>;
const plain = begin(CONFIG);
const rich = begin({ ...CONFIG, gated: true, shared: 2 });

/** What one expert answers for one token; `own` are its matrices, row-major. */
function answer(
  own: { readonly wi: number[]; readonly wg?: number[] | undefined; readonly wo: number[] },
  token: readonly number[],
  activation: (v: number) => number,
): number[] {
  const width = own.wi.length / EMBED;
  const into = (w: readonly number[]) =>
    Array.from({ length: width }, (_, m) =>
      token.reduce((sum, v, e) => sum + v * w[e * width + m]!, 0),
    );
  const hidden = into(own.wi);
  const gates = own.wg === undefined ? undefined : into(own.wg);
  const active = hidden.map((h, m) =>
    gates === undefined ? activation(h) : activation(gates[m]!) * h,
  );
  return token.map((_, e) => active.reduce((sum, v, m) => sum + v * own.wo[m * EMBED + e]!, 0));
}

/** `y = Σ over experts of weight · answer`, token by token, from the assignment that was made. */
function oracle(
  p: Moe<Tensor>,
  assignment: Seats | Choices,
  grouping: Grouping,
  activation: (v: number) => number,
  scale = 1,
): number[] {
  const at = read(x);
  const piece = (w: Tensor | undefined, expert: number) =>
    w === undefined
      ? undefined
      : numbers(w).slice(expert * EMBED * MLP, (expert + 1) * EMBED * MLP);
  const bySlot = "token" in assignment;
  const other = bySlot ? assignment.token : assignment.expert;
  const [found, weight] = [read(other), read(assignment.weight)];
  const y = new Float64Array(numbers(x).length);
  const add = (b: number, i: number, w: number, values: readonly number[]) =>
    values.forEach((v, c) => {
      y[(b * POS + i) * EMBED + c]! += w * v;
    });
  const row = (b: number, i: number) => Array.from({ length: EMBED }, (_, c) => at(b, i, c));
  for (const place of indices(...other.dims) as [number, number, number][]) {
    const value = found(...place);
    if (value < 0) continue;
    const [t, e] = bySlot ? [value, place[1]] : [place[1], value];
    const [b, i] = grouping === "position" ? [t, place[0]] : [Math.floor(t / POS), t % POS];
    const own = { wi: piece(p.wi, e)!, wg: piece(p.wg, e), wo: piece(p.wo, e)! };
    add(b, i, scale * weight(...place), answer(own, row(b, i), activation));
  }
  const { shared } = p;
  if (shared === undefined) return [...y];
  const all = {
    wi: numbers(shared.wi),
    wg: "gate" in shared ? numbers(shared.gate) : undefined,
    wo: numbers(shared.wo),
  };
  for (const [b, i] of indices(BATCH, POS) as [number, number][])
    add(b, i, 1, answer(all, row(b, i), activation));
  return [...y];
}

const stateless = { ids, key: undefined };
type Rest = Partial<Omit<MoeCall, "router">>;

/** The layer with a fresh state, as a function of parameters and input. */
function layer(name: string, rest: Rest) {
  const router = routerOf(name);
  return (p: Moe<Tensor>, y: Tensor) => {
    const state = initialRouterState(router, EXPERTS);
    const call = { router, state, grouping: "position", activation: "gelu", ...stateless } as const;
    const [out, routing] = moe(p, y, { ...call, ...rest });
    return { out, routing: { ...routing } };
  };
}

const paramsFor = async (name: string): Promise<Moe<Tensor>> => {
  const { gate, ...rest } = await plain;
  return routerOf(name).learned && gate !== undefined ? { gate, ...rest } : rest;
};

describe.each(
  ROUTING_RULES.flatMap(({ name }) => GROUPINGS.map((grouping) => ({ name, grouping }))),
)("$name in groups by $grouping", ({ name, grouping }) => {
  const slots = tokensPerGroup(grouping, BATCH, POS) / 3;
  const choosing = routerOf(name).chooses === "tokens";

  test.each([
    { kind: "with slots", rest: { slots } },
    { kind: "deployed", rest: { deployed: true } },
    ...(choosing ? [{ kind: "dropless", rest: {} }] : []),
  ])("$kind is what the loops compute", async ({ rest }) => {
    const p = await paramsFor(name);
    const run = jit(layer(name, { grouping, ...rest }), { engine: doubleEngine });
    const { out, routing } = await run(p, x);
    expect(out.aval).toEqual(x.aval);
    const { assignment } = routing as { assignment: Seats | Choices };
    expect("token" in assignment).toBe("slots" in rest);
    const expected = oracle(p, assignment, grouping, ACTIVATIONS.gelu);
    expect(differs(out, expected, DOUBLE)).toBeUndefined();
  });

  test("gate and experts all get a gradient", async () => {
    const p = await paramsFor(name);
    const loss = (q: Moe<Tensor>) => layer(name, { grouping, slots })(q, x).out.square().sum();
    const slopes = await jit(grad(loss), { engine: doubleEngine })(p);
    expect(slopes.gate !== undefined).toBe(routerOf(name).learned);
    if (slopes.gate !== undefined) expect(numbers(slopes.gate).some((v) => v === 0)).toBe(false);
    for (let e = 0; e < EXPERTS; e++) {
      const own = numbers(slopes.wo).slice(e * MLP * EMBED, (e + 1) * MLP * EMBED);
      const some = own.some((v) => v !== 0);
      expect(some, `expert ${e}`).toBe(true);
    }
  });
});

describe("gated experts with shared ones beside them and a scale", () => {
  test.each(["silu", "relu", "gelu"] as const)(
    "are what the loops compute, %s",
    async (activation) => {
      const p = await rich;
      for (const slots of [2, undefined]) {
        const run = jit(layer("top-k", { slots, activation, routedScale: 2.5 }), {
          engine: doubleEngine,
        });
        const { out, routing } = await run(p, x);
        const { assignment } = routing as { assignment: Seats | Choices };
        const expected = oracle(p, assignment, "position", ACTIVATIONS[activation], 2.5);
        expect(differs(out, expected, DOUBLE)).toBeUndefined();
      }
    },
  );

  test("declare a joint matrix of the shared experts' width, and no gate where nothing is learned", () => {
    const p = abstractParams(moeParams({ ...CONFIG, gated: true, shared: 2, learned: false }));
    expect(Object.keys(p)).toEqual(["wi", "wg", "wo", "shared"]);
    expect(p.shared?.wo.dims).toEqual([2 * MLP, EMBED]);
  });
});

describe("without a capacity", () => {
  test("the gradient by every parameter and the input is the slope", async () => {
    const p = await rich;
    const value = (q: Moe<Tensor>, y: Tensor) => {
      const { out } = layer("top-k", {})(q, y);
      const pull = filled({ batch: BATCH, pos: POS, embed: EMBED }, (i) => Math.sin(3 * i + 1));
      return out.mul(pull).sum();
    };
    const objective = jit((q: Moe<Tensor>, y: Tensor) => value(q, y), { engine: doubleEngine });
    const slopes = await jit(
      grad((both: { p: Moe<Tensor>; y: Tensor }) => value(both.p, both.y)),
      { engine: doubleEngine },
    )({ p, y: x });
    const expectSlope = async (
      slope: Tensor,
      at: number,
      moved: (by: number) => Promise<Tensor>,
    ) => {
      const central = ((await moved(1e-6)).item() - (await moved(-1e-6)).item()) / 2e-6;
      expect(numbers(slope)[at]).toBeCloseTo(central, 7);
    };
    for (const name of ["gate", "wi", "wg", "wo"] as const) {
      for (const at of [0, 7, 19]) {
        await expectSlope(slopes.p[name]!, at, (by) =>
          objective({ ...p, [name]: nudged(p[name]!, at, by) }, x),
        );
      }
    }
    for (const at of [3, 50]) {
      await expectSlope(slopes.y, at, (by) => objective(p, nudged(x, at, by)));
    }
  });

  test("an expert computes its own rows only: work is that of the tokens served", () => {
    const form = abstractParams(moeParams(CONFIG)) as Moe<Tensor>;
    for (const { name, rows } of [
      { name: "switch-top1", rows: 36 },
      { name: "top-k", rows: 72 },
      { name: "gshard-top2", rows: 72 },
    ]) {
      const program = jit(
        (p: Moe<Tensor>, y: Tensor) => layer(name, { deployed: true })(p, y).out,
      ).lower(form, abstract(x.aval));
      const products = program.equations.filter(({ op }) => op.name === "raggedDot");
      expect(products.map(({ inputs }) => inputs[0]!.aval.dims[0])).toEqual([rows, rows]);
      // Nothing else meets the experts' matrices.
      const dense = program.equations.filter(
        ({ op, inputs }) =>
          op.name === "contract" && inputs.some((v) => v.aval.names.includes("mlp")),
      );
      expect(dense).toEqual([]);
    }
  });

  test.each(ROUTING_RULES.map(({ name }) => name))(
    "few tokens, which all experts answer, get what they get among many: %s",
    async (name) => {
      const p = await paramsFor(name);
      const few = (y: Tensor) => y.slice("batch", 0, 2);
      const run = jit(
        (q: Moe<Tensor>, y: Tensor) => {
          const alone = layer(name, { deployed: true, ids: few(ids) })(q, few(y)).out;
          return { alone, among: few(layer(name, { deployed: true })(q, y).out) };
        },
        { engine: doubleEngine },
      );
      const { alone, among } = await run(p, x);
      expect(differs(alone, numbers(among), DOUBLE)).toBeUndefined();
    },
  );

  test.each([2, BATCH])("experts that nobody chose may hold anything, batch of %d", async (n) => {
    const p = inSingle(await plain);
    const spoiled = { ...p, wi: spoil(p.wi, 3), wo: spoil(p.wo, 3) };
    // All go to expert 0, second choice 1.
    const gate = filled({ embed: EMBED, expert: EXPERTS }, (i) => 0 * i);
    const run = jit(
      (q: Moe<Tensor>, y: Tensor) =>
        layer("top-k", { deployed: true, ids: ids.slice("batch", 0, n) })(q, y.slice("batch", 0, n))
          .out,
      { engine: onnx },
    );
    const [clean, dirty] = [await run({ ...p, gate }, x), await run({ ...spoiled, gate }, x)];
    expect(numbers(dirty)).toEqual(numbers(clean));
    expect(numbers(clean).every(Number.isFinite)).toBe(true);
  });
});

/** NaN in one expert's matrix. */
function spoil(w: Tensor, expert: number): Tensor {
  const values = numbers(w);
  const size = values.length / EXPERTS;
  const sizes = Object.fromEntries(w.names.map((name, i) => [name ?? "", w.dims[i]!]));
  return filled(sizes, (i) => (Math.floor(i / size) === expert ? NaN : values[i]!));
}

describe("what a router is given", () => {
  test("is single precision, whatever the layer computes in", () => {
    const half = { ...x.aval, dtype: "bfloat16" } as const;
    const form = abstractParams(moeParams(CONFIG)) as Moe<Tensor>;
    const program = jit((p: Moe<Tensor>, y: Tensor) => {
      const p16 = { ...p, wi: p.wi.astype("bfloat16"), wo: p.wo.astype("bfloat16") };
      const { out, routing } = layer("top-k", { slots: 2 })(p16, y);
      return { out, weight: routing.assignment.weight, entropy: routing.entropy };
    }).lower(form, abstract(half));
    expect(program.outputs.map(({ aval }) => aval.dtype)).toEqual([
      "bfloat16",
      "float32",
      "float32",
    ]);
    const gates = program.equations.filter(({ op }) => op.name === "softmax");
    expect(gates.map(({ inputs }) => inputs[0]!.aval.dtype)).toEqual(["float32"]);
  });

  test("is jittered by up to 1 % with a key, for Switch, and by nothing in evaluation", async () => {
    const p = await plain;
    const zLoss = (rest: Rest) =>
      jit((q: Moe<Tensor>, y: Tensor) => layer("switch-top1", rest)(q, y).routing.zLoss, {
        engine: doubleEngine,
      })(p, x);
    const [still, moved, again, other] = [
      await zLoss({}),
      await zLoss({ key: random.key(1) }),
      await zLoss({ key: random.key(1) }),
      await zLoss({ key: random.key(2) }),
    ].map((y) => y.item());
    expect(moved).not.toBe(still);
    expect(Math.abs(moved! / still! - 1)).toBeLessThan(0.02);
    expect(again).toBe(moved);
    expect(other).not.toBe(moved);
    const deployed = await zLoss({ key: random.key(1), deployed: true });
    expect(deployed.item()).toBe(still);
  });
});

describe("padding", () => {
  const mask = filled({ batch: BATCH, pos: POS }, (i) => Number(i % 5 > 0), "bool");

  test.each([{ slots: 2 }, { slots: undefined }, { deployed: true }])(
    "gets nothing from routed experts, and moves nobody (%o)",
    async (rest) => {
      const p = await plain;
      const run = jit((q: Moe<Tensor>, y: Tensor) => layer("top-k", { mask, ...rest })(q, y).out, {
        engine: doubleEngine,
      });
      const before = numbers(await run(p, x));
      const padding = (i: number) => Math.floor(i / EMBED) % 5 === 0;
      const other = filled({ batch: BATCH, pos: POS, embed: EMBED }, (i) =>
        padding(i) ? 9 - i / 10 : numbers(x)[i]!,
      );
      const after = numbers(await run(p, other));
      expect(after).toEqual(before);
      expect(before.filter((_, i) => padding(i)).every((v) => v === 0)).toBe(true);
      expect(before.filter((_, i) => !padding(i)).some((v) => v !== 0)).toBe(true);
    },
  );
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
