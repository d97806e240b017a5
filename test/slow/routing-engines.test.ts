/** @file Every router on the onnx engine as on the reference, forward and backward. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../../src/core/tensor.ts";
import { jit } from "../../src/engines/jit.ts";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../../src/engines/reference/reference.ts";
import { random } from "../../src/numpy/index.ts";
import { differs, numbers } from "../../src/testing/tensors.ts";
import { grad } from "../../src/transforms/vjp.ts";
import { CASES, questionOf, type Routed, run } from "../routing/routers.ts";

const SINGLE = { rtol: 1e-5, atol: 1e-6 };
const onnx = await createOnnxEngine();

describe.each(CASES)("$title", (c) => {
  const asked = { ...questionOf(c, 5), ...(c.draws && { key: random.key(7) }) };
  const byTokens = c.router.chooses === "tokens";

  test.each([3, ...(byTokens ? [undefined] : [])])("with %s slots", async (slots) => {
    const [expected, actual] = [
      await run(c.router.route, slots, asked, referenceEngine),
      await run(c.router.route, slots, asked, onnx),
    ];
    // In any order: shares of the capped rule that are as good as whole rank by their rounding.
    const who = (routed: Routed) =>
      routed.seats.map(({ group, expert, token }) => `${group} ${expert} ${token}`).sort();
    expect(who(actual)).toEqual(who(expected));
    actual.combine.forEach((weight, i) => {
      expect(weight).toBeCloseTo(expected.combine[i]!, 5);
    });
    for (const name of ["auxLoss", "dropped", "entropy", "zLoss"] as const) {
      expect(actual[name], name).toBeCloseTo(expected[name], 5);
    }
    expect(actual.load).toEqual(expected.load);
  });

  test("deployed", async () => {
    const { key: _, ...still } = asked;
    const [expected, actual] = [
      await run(c.router.deployed, undefined, still, referenceEngine),
      await run(c.router.deployed, undefined, still, onnx),
    ];
    actual.combine.forEach((weight, i) => {
      expect(weight).toBeCloseTo(expected.combine[i]!, 5);
    });
  });

  test("backward", async () => {
    const by = grad((logits: Tensor) => {
      const { assignment, auxLoss } = c.router.route({ ...asked, logits, slots: 3 });
      return assignment.weight.square().sum().add(auxLoss);
    });
    const [expected, actual] = [
      await jit(by, { engine: referenceEngine })(asked.logits),
      await jit(by, { engine: onnx })(asked.logits),
    ];
    expect(differs(actual, numbers(expected), SINGLE)).toBeUndefined();
  });
});
