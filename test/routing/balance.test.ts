/** @file Balance without a loss: a bias that follows the load evens out what the scores make uneven. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../../src/core/tensor.ts";
import { jit } from "../../src/engines/jit.ts";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { routingFacts } from "../../src/nn/routing/facts.ts";
import type { RouterState } from "../../src/nn/routing/routing.ts";
import { type RouterOptions, routerOf } from "../../src/nn/routing/rules.ts";
import { random } from "../../src/numpy/index.ts";
import { filled, numbers } from "../../src/testing/tensors.ts";

const [TOKENS, EXPERTS] = [256, 8];
const onnx = await createOnnxEngine();

/** Loads over steps; scores favour low experts, and every step brings other tokens. */
async function loads(options: RouterOptions, steps: number, dropless = true) {
  const router = routerOf("sigmoid-bias", { k: 2, ...options });
  const step = jit(
    (state: RouterState, key: Tensor, t: Tensor) => {
      const noise = random.normal(random.fold(key, t), [1, TOKENS, EXPERTS], {
        axes: "group token expert",
      });
      const skew = filled({ expert: EXPERTS }, (e) => 1 - (2 * e) / EXPERTS);
      const logits = noise.add(skew);
      const slots = dropless ? undefined : (2 * TOKENS) / EXPERTS;
      const { assignment, observed } = router.route({ logits, state, slots });
      const { load, dropped } = routingFacts(assignment, logits, undefined);
      return { next: router.nextState(state, observed, t), load, dropped };
    },
    { engine: onnx },
  );
  let state: RouterState = { bias: filled({ expert: EXPERTS }, () => 0) };
  const seen: { readonly most: number; readonly dropped: number }[] = [];
  for (let t = 0; t < steps; t++) {
    const { next, load, dropped } = await step(
      state,
      random.key(3),
      filled({}, () => t, "int32"),
    );
    state = { ...next };
    seen.push({ most: Math.max(...numbers(load)), dropped: dropped.item() });
  }
  return { seen, bias: numbers(state["bias"]!) };
}

const mean = (list: readonly number[]) => list.reduce((a, b) => a + b) / list.length;

describe("a bias that follows the load", () => {
  test("brings the fullest expert near the mean, from twice as much", async () => {
    const { seen, bias } = await loads({ rate: 0.02 }, 60);
    expect(seen[0]!.most).toBeGreaterThan(1.8);
    // A load of 64 tokens has a spread of an eighth by chance alone; the fullest of 8 lies above.
    expect(mean(seen.slice(-20).map(({ most }) => most))).toBeLessThan(1.3);
    // Experts that the scores favour less get more.
    expect([...bias].sort((a, b) => a - b)).toEqual(bias);
    expect(bias.at(-1)! - bias[0]!).toBeGreaterThan(0.2);
  });

  test("that does not move leaves the load as it is", async () => {
    const { seen, bias } = await loads({ rate: 0 }, 20);
    expect(mean(seen.slice(-10).map(({ most }) => most))).toBeGreaterThan(1.8);
    expect(bias.every((b) => b === 0)).toBe(true);
  });

  test("lets a capacity drop fewer tokens", async () => {
    const { seen } = await loads({ rate: 0.01 }, 60, false);
    const dropped = (steps: typeof seen) => mean(steps.map((step) => step.dropped));
    expect(dropped(seen.slice(0, 5))).toBeGreaterThan(0.03);
    expect(dropped(seen.slice(-20))).toBeLessThan(dropped(seen.slice(0, 5)) / 3);
  });
});
