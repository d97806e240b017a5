/** @file Every router against plain loops, over drawn groups of all small sizes and over large ones. */

import fc from "fast-check";
import { describe, test } from "vitest";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { random } from "../../src/numpy/index.ts";
import { drawn, filled, numbers } from "../../src/testing/tensors.ts";
import { expectClose, expected } from "../routing/beside.ts";
import { ORACLES } from "../routing/oracles.ts";
import { CASES, questionOf, run } from "../routing/routers.ts";

const onnx = await createOnnxEngine();

describe.each(CASES.filter(({ router }) => router.name in ORACLES))("$title", (c) => {
  const even = c.title.includes("expertGroups");
  const sizes = {
    group: fc.integer({ min: 1, max: 2 }),
    token: fc.integer({ min: 1, max: 9 }),
    // Groups of experts are equal; a table names experts 0 to 3.
    expert: even || c.title.includes(",") ? fc.constant(4) : fc.integer({ min: 1, max: 5 }),
    seed: fc.nat(10_000),
  };

  test.each(["apart", "tied"] as const)("any group with logits %s", async (kind) => {
    const cases = fc.record(sizes).chain((dims) =>
      fc.record({
        dims: fc.constant(dims),
        slots: fc.option(fc.integer({ min: 1, max: dims.token }), { nil: undefined }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ({ dims: { group, token, expert, seed }, slots }) => {
        const fine = drawn(seed, { group, token, expert }, 2);
        const coarse = numbers(fine).map(Math.round);
        const logits =
          kind === "apart" ? fine : filled({ group, token, expert }, (i) => coarse[i]!);
        const full = c.router.chooses === "experts" ? (slots ?? token) : slots;
        const question = {
          ...questionOf(c, seed, logits),
          ...(c.draws && seed % 2 === 0 && { key: random.key(seed) }),
        };
        const { combine } = await run(c.router.route, full, question);
        // Doubles; bits of the drawn numbers may differ by the rounding of a logarithm.
        expectClose(combine, await expected(c, full, question), 1e-12);
      }),
      { seed: 12, numRuns: 40 },
    );
  });

  test("a large group on the onnx engine", async () => {
    const logits = drawn(77, { group: 2, token: 150, expert: 4 }, 2);
    const question = questionOf(c, 77, logits);
    const { combine } = await run(c.router.route, 40, question, onnx);
    expectClose(combine, await expected(c, 40, question), 1e-5); // single precision
  });

  test("a large group of equals on the onnx engine", async () => {
    const logits = filled({ group: 1, token: 300, expert: 4 }, () => 0.5);
    const question = questionOf(c, 78, logits);
    const { combine } = await run(c.router.route, 70, question, onnx);
    expectClose(combine, await expected(c, 70, question), 1e-6); // single precision
  });
});
