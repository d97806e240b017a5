/** @file Sparse layers of transformers, recorded: Mixtral, DeepSeek-V3 with its shared experts, OLMoE's router. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../../src/core/tensor.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { jit } from "../../src/engines/jit.ts";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../../src/engines/reference/reference.ts";
import { type Moe, type MoeCall, moe } from "../../src/nn/moe.ts";
import { type RouterOptions, routerOf } from "../../src/nn/routing/rules.ts";
import { differs, filled, numbers } from "../../src/testing/tensors.ts";
import { seatsOf } from "./routers.ts";

interface Recorded {
  readonly dims: readonly number[];
  readonly values: readonly number[];
}
type Block = Readonly<Record<string, Recorded>>;

const recorded = JSON.parse(
  readFileSync(new URL("../recorded/routers.json", import.meta.url), "utf8"),
) as {
  readonly mixtral: Block & { readonly auxLoss: number; readonly auxLossWithoutLastTwo: number };
  readonly deepseek: Block;
  readonly olmoe: Block;
};

// Both sides compute in single precision; sums of a few dozen terms.
const SINGLE = { rtol: 1e-5, atol: 2e-6 };
const TOKENS = 10;

function tensorOf({ dims, values }: Recorded, axes: string): Tensor {
  return fromData("float32", dims, Float32Array.from(values), axes);
}

function expertsOf(block: Block): Moe<Tensor> {
  return {
    gate: tensorOf(block["gate"]!, "embed expert"),
    wi: tensorOf(block["wi"]!, "expert embed mlp"),
    wg: tensorOf(block["wg"]!, "expert embed mlp"),
    wo: tensorOf(block["wo"]!, "expert mlp embed"),
  };
}

const inputOf = (block: Block) => tensorOf(block["x"]!, "batch pos embed");

function layer(name: string, options: RouterOptions, rest: Partial<MoeCall> = {}) {
  const router = routerOf(name, options);
  return (p: Moe<Tensor>, x: Tensor) => {
    const call = { router, grouping: "leaky-batch", activation: "silu", ...rest } as const;
    const [y, { assignment, auxLoss }] = moe(p, x, call);
    return { y, assignment: { ...assignment }, auxLoss };
  };
}

/** Choices of every token, in rising order of experts: `topk` need not say its own. */
function expectChoices(assignment: Parameters<typeof seatsOf>[0], block: Block): void {
  const seats = seatsOf(assignment);
  const k = block["expert"]!.dims[1]!;
  for (let t = 0; t < TOKENS; t++) {
    const ours = seats
      .filter(({ token }) => token === t)
      .map(({ expert, weight }) => [expert, weight] as const);
    const theirs = Array.from({ length: k }, (_, i) => [
      block["expert"]!.values[t * k + i]!,
      block["weight"]!.values[t * k + i]!,
    ]);
    const rising = (list: readonly (readonly number[])[]) =>
      [...list].sort((a, b) => a[0]! - b[0]!);
    expect(rising(ours).map(([expert]) => expert)).toEqual(rising(theirs).map(([e]) => e));
    rising(ours).forEach(([, weight], i) => {
      expect(Math.abs(weight! - rising(theirs)[i]![1]!)).toBeLessThan(2e-6);
    });
  }
}

const ENGINES: readonly Engine[] = [referenceEngine, await createOnnxEngine()];

describe.each(ENGINES)("on $name", (engine) => {
  const { mixtral, deepseek, olmoe } = recorded;

  test.each([{ slots: undefined }, { slots: TOKENS }])("Mixtral's layer, %o", async ({ slots }) => {
    const run = jit(layer("top-k", { k: 3 }, { slots }), { engine });
    const { y, assignment, auxLoss } = await run(expertsOf(mixtral), inputOf(mixtral));
    expectChoices(assignment as Parameters<typeof seatsOf>[0], mixtral);
    expect(differs(y, mixtral["y"]!.values, SINGLE)).toBeUndefined();
    expect(auxLoss.item() * 3).toBeCloseTo(mixtral.auxLoss, 5);
  });

  test("Mixtral's balance loss without padding", async () => {
    const mask = filled({ batch: 1, pos: TOKENS }, (i) => Number(i < TOKENS - 2), "bool");
    const run = jit(layer("top-k", { k: 3 }, { mask }), { engine });
    const { auxLoss } = await run(expertsOf(mixtral), inputOf(mixtral));
    expect(auxLoss.item() * 3).toBeCloseTo(mixtral.auxLossWithoutLastTwo, 5);
  });

  test("DeepSeek-V3's layer: groups of experts, bias, shared experts, scale", async () => {
    const options = { k: 3, expertGroups: 4, groupsPerToken: 2 };
    const state = { bias: tensorOf(deepseek["bias"]!, "expert") };
    const p = {
      ...expertsOf(deepseek),
      shared: {
        wi: tensorOf(deepseek["sharedWi"]!, "embed mlp"),
        gate: tensorOf(deepseek["sharedWg"]!, "embed mlp"),
        wo: tensorOf(deepseek["sharedWo"]!, "mlp embed"),
      },
    };
    const run = jit(layer("sigmoid-bias", options, { state, routedScale: 2.5 }), { engine });
    const { y, assignment } = await run(p, inputOf(deepseek));
    // Theirs are scaled already.
    const weight = {
      ...deepseek["weight"]!,
      values: deepseek["weight"]!.values.map((w) => w / 2.5),
    };
    expectChoices(assignment as Parameters<typeof seatsOf>[0], { ...deepseek, weight });
    expect(differs(y, deepseek["y"]!.values, SINGLE)).toBeUndefined();
  });

  test("OLMoE's router, whose weights are not normalised", async () => {
    const run = jit(layer("top-k", { k: 4, normalised: false }), { engine });
    const p = { ...expertsOf(recorded.mixtral), gate: tensorOf(olmoe["gate"]!, "embed expert") };
    const { assignment } = await run(p, inputOf(olmoe));
    expectChoices(assignment as Parameters<typeof seatsOf>[0], olmoe);
  });
});

test("the record holds numbers of every block", () => {
  expect(numbers(inputOf(recorded.deepseek)).length).toBe(60);
});
