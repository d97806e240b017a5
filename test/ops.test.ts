/**
 * @file Laws that every op obeys by itself: derivatives, batches, pieces, text. A new op needs samples in
 * its record and nothing here; test/engines.test.ts asks the engines.
 */

import { afterAll, describe, expect, test } from "vitest";
import { interpret } from "../src/core/interpret.ts";
import type { NdArray } from "../src/core/ndarray.ts";
import type { Op } from "../src/core/op.ts";
import { parseProgram, printProgram } from "../src/core/program-text.ts";
import type { Sample } from "../src/core/samples.ts";
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
import { difference, ofSample, type Tolerance } from "../src/testing/matchers.ts";
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

/** What every sample of every op obeys. */
const LAWS: Readonly<Record<string, (op: Op, sample: Sample) => void>> = {
  "simplification leaves the value alone": (op, sample) => {
    const simpler = verify(simplify(programOf(op, sample, true)), "simplify");
    expectClose(interpret(simpler, inputsOf(sample, true)), forward(op, sample, true), DOUBLE);
  },
  "printed and parsed, it is the same program": (op, sample) => {
    const text = printProgram(programOf(op, sample), { sources: false });
    const again = verify(parseProgram(text, OPS_BY_NAME), "parse");
    expect(printProgram(again, { sources: false })).toBe(text);
    expectClose(interpret(again, inputsOf(sample, false)), forward(op, sample), EXACT);
  },
  // For integers as well: they pass through jvp with zero tangents.
  "differentiating leaves the value alone": (op, sample) => {
    expectClose(jvpAt(op, sample).primal, forward(op, sample, true), EXACT);
  },
  "the tangent is the slope": (op, sample) => {
    if (!sample.differentiable) return;
    const { tangent, direction } = jvpAt(op, sample);
    const none = op.jvp.kind === "none";
    const slope = none ? tangent : centralDifference(op, sample, direction);
    expectClose(tangent, slope, SLOPE);
  },
  "the pullback is the transpose: ⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩": (op, sample) => {
    if (!sample.differentiable) return;
    const { tangent, direction } = jvpAt(op, sample);
    const cotangent = directions(tangent, 500);
    counts.laws++;
    if (op.transpose.kind === "irreversible") {
      expect(() => pullback(op, sample, cotangent)).toThrow(op.transpose.reason);
      return;
    }
    const back = inner(pullback(op, sample, cotangent), direction);
    expect(back).toBeCloseTo(inner(cotangent, tangent), 9);
  },
  "batched over any of its inputs, it is the loop": (op, sample) => {
    const n = sample.inputs.length;
    for (let choice = 1; choice < 2 ** Math.min(n, 3); choice++) {
      const mapped = sample.inputs.map((_, i) => (choice & (1 << i)) !== 0);
      const [batched, looped] = batchedAndLooped(op, sample, mapped);
      expectClose(batched, looped, DOUBLE);
    }
  },
  "split along any factor of its sharding rule, the pieces make up the whole": (op, sample) => {
    for (const factor of factorsOf(op, sample)) {
      const pieces = piecesOfWhole(op, sample, factor);
      if (pieces !== undefined) expectClose(pieces.joined, pieces.whole, DOUBLE);
    }
  },
};

describe.each([...OPS].map((op) => ({ name: op.name, op })))("$name", ({ op }) => {
  const samples = op.samples();
  counts.samples += samples.length;

  // One test for all samples: a test of its own costs more than most of these laws.
  test.each(Object.entries(LAWS))("%s", async (_name, law) => {
    for (const sample of samples) await ofSample(sample, () => law(op, sample));
  });

  test.each([...op.rejects()])("rejects $label, and says why", ({ inputs, params, message }) => {
    counts.laws++;
    expect(() => op.infer(inputs, params)).toThrow(message);
  });
});
