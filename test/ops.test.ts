/**
 * @file Laws that every op obeys by itself: derivatives, batches, pieces, text. A new op needs samples in
 * its record and nothing here; test/engines.test.ts asks the engines.
 */

import { afterAll, describe, expect, test } from "vitest";
import { interpret } from "../src/core/interpret.ts";
import type { NdArray } from "../src/core/ndarray.ts";
import { parseProgram, printProgram } from "../src/core/program-text.ts";
import { verify } from "../src/core/verify.ts";
import { OPS, OPS_BY_NAME } from "../src/ops/registry.ts";
import {
  batchedAndLooped,
  centralDifference,
  directions,
  factorsOf,
  forward,
  inner,
  inputsOf,
  jvpAt,
  piecesOfWhole,
  programOf,
  pullback,
} from "../src/testing/laws.ts";
import { difference, type Tolerance } from "../src/testing/matchers.ts";
import { simplify } from "../src/transforms/simplify.ts";

const EXACT: Tolerance = { rtol: 0, atol: 0 };
const DOUBLE: Tolerance = { rtol: 1e-10, atol: 1e-12 };
const SLOPE: Tolerance = { rtol: 1e-6, atol: 1e-8 };

const counts = { ops: OPS.length, samples: 0, laws: 0 };
afterAll(() => {
  process.stdout.write(
    `laws: ${counts.laws} of shapes, derivatives, batches and pieces held over ${counts.samples} samples of ${counts.ops} ops\n`,
  );
});

function expectClose(
  actual: readonly NdArray[],
  expected: readonly NdArray[],
  tolerance: Tolerance,
): void {
  counts.laws++;
  expect(actual.length).toBe(expected.length);
  actual.forEach((x, i) => {
    expect(difference(x, expected[i] as NdArray, tolerance), `result ${i}`).toBeUndefined();
  });
}

describe.each([...OPS].map((op) => ({ name: op.name, op })))("$name", ({ op }) => {
  describe.each([...op.samples()].map((sample) => ({ label: sample.label, sample })))(
    "$label",
    ({ sample }) => {
      counts.samples++;
      const expected = forward(op, sample);

      test("simplification leaves the value alone", () => {
        const simpler = verify(simplify(programOf(op, sample, true)), "simplify");
        expectClose(interpret(simpler, inputsOf(sample, true)), forward(op, sample, true), DOUBLE);
      });

      test("printed and parsed, it is the same program", () => {
        const text = printProgram(programOf(op, sample), { sources: false });
        const again = verify(parseProgram(text, OPS_BY_NAME), "parse");
        expect(printProgram(again, { sources: false })).toBe(text);
        expectClose(interpret(again, inputsOf(sample, false)), expected, EXACT);
      });

      // For integers as well: they pass through jvp with zero tangents.
      test("differentiating leaves the value alone", () => {
        expectClose(jvpAt(op, sample).primal, forward(op, sample, true), EXACT);
      });

      test.skipIf(!sample.differentiable)("the tangent is the slope", () => {
        const { tangent, direction } = jvpAt(op, sample);
        const none = op.jvp.kind === "none";
        const slope = none ? tangent : centralDifference(op, sample, direction);
        expectClose(tangent, slope, SLOPE);
      });

      test.skipIf(!sample.differentiable)(
        "the pullback is the transpose: ⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩",
        () => {
          const { tangent, direction } = jvpAt(op, sample);
          const cotangent = directions(tangent, 500);
          counts.laws++;
          if (op.transpose.kind === "irreversible") {
            expect(() => pullback(op, sample, cotangent)).toThrow(op.transpose.reason);
            return;
          }
          expect(inner(pullback(op, sample, cotangent), direction)).toBeCloseTo(
            inner(cotangent, tangent),
            9,
          );
        },
      );

      test("batched over any of its inputs, it is the loop", () => {
        const n = sample.inputs.length;
        for (let choice = 1; choice < 2 ** Math.min(n, 3); choice++) {
          const mapped = sample.inputs.map((_, i) => (choice & (1 << i)) !== 0);
          const [batched, looped] = batchedAndLooped(op, sample, mapped);
          expectClose(batched, looped, DOUBLE);
        }
      });

      test("split along any factor of its sharding rule, the pieces make up the whole", () => {
        for (const factor of factorsOf(op, sample)) {
          const pieces = piecesOfWhole(op, sample, factor);
          if (pieces !== undefined) expectClose(pieces.joined, pieces.whole, DOUBLE);
        }
      });
    },
  );

  test.each([...op.rejects()])("rejects $label, and says why", ({ inputs, params, message }) => {
    counts.laws++;
    expect(() => op.infer(inputs, params)).toThrow(message);
  });
});
