/**
 * @file Every engine computes what an op's record evaluates, for every sample of every op, in float32 and
 * in 16 bits. All samples of an op are one program, so that an engine compiles once.
 */

import { afterAll, describe, expect, test } from "vitest";
import { interpret } from "../src/core/interpret.ts";
import type { NdArray } from "../src/core/ndarray.ts";
import type { Op } from "../src/core/op.ts";
import type { Program } from "../src/core/program.ts";
import { showParams } from "../src/core/program-text.ts";
import type { Sample } from "../src/core/samples.ts";
import type { Engine } from "../src/engines/engine.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../src/engines/reference/reference.ts";
import { OPS } from "../src/ops/registry.ts";
import { forward, inFloat, inputsOf, programOf, runOn, together } from "../src/testing/laws.ts";
import { difference, ofSample, type Tolerance } from "../src/testing/matchers.ts";

const SINGLE: Tolerance = { rtol: 2e-5, atol: 2e-6 };
/** The engine computes in float32 and rounds once or twice; the record in float64 and rounds once. */
const HALF: Tolerance = { rtol: 2 ** -9, atol: 2 ** -20 };
const BRAIN: Tolerance = { rtol: 2 ** -6, atol: 2 ** -20 };
const DOUBLE: Tolerance = { rtol: 1e-12, atol: 1e-13 };
/** Ops of which ONNX Runtime lacks kernels for float64. */
const SINGLE_ALONE = [
  ...["tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh"],
  ...["convolve", "convolveKernel", "windowSum"],
];

const native = await createOnnxEngine({ transport: "c-api" });
const binding = await createOnnxEngine({ transport: "binding" });

/** An engine and a float; samples without floats are the same in all, and asked in float32 only. */
interface Setting {
  readonly name: string;
  readonly engine: Engine;
  readonly tolerance: Tolerance;
  /** Ops that are refused, or some of their forms. */
  readonly lacks?: readonly string[];
  change(sample: Sample): Sample | undefined;
}

const same = (sample: Sample): Sample => sample;
const SETTINGS: readonly Setting[] = [
  { name: "reference", engine: referenceEngine, tolerance: SINGLE, change: same },
  { name: "onnx over the C API", engine: native, tolerance: SINGLE, change: same },
  { name: "onnx over the package's binding", engine: binding, tolerance: SINGLE, change: same },
  {
    name: "onnx in float16",
    engine: native,
    tolerance: HALF,
    change: (s) => inFloat(s, "float16"),
  },
  {
    name: "onnx in bfloat16",
    engine: native,
    tolerance: BRAIN,
    change: (s) => inFloat(s, "bfloat16"),
  },
  {
    name: "onnx in float64",
    engine: native,
    tolerance: DOUBLE,
    lacks: SINGLE_ALONE,
    change: (s) => inFloat(s, "float64"),
  },
];

const counts = { laws: 0, samples: 0 };
afterAll(() => {
  const engines = new Set(SETTINGS.map(({ engine }) => engine)).size;
  process.stdout.write(
    `laws: ${counts.laws} of values held over ${counts.samples} samples of ${OPS.length} ops on ${engines} engines, in float32, float16, bfloat16 and float64\n`,
  );
});

interface Case {
  readonly sample: Sample;
  readonly program: Program;
  readonly inputs: readonly NdArray[];
}

/** Results of all cases; where one of them breaks the common program, each by itself. */
async function resultsOf(
  op: Op,
  engine: Engine,
  cases: readonly Case[],
): Promise<readonly (() => Promise<readonly NdArray[]>)[]> {
  const alone = cases.map(
    ({ program, inputs }) =>
      () =>
        runOn(engine, program, inputs),
  );
  try {
    const all = together(
      op.name,
      cases.map(({ program }) => program),
    );
    const outputs = await runOn(
      engine,
      all,
      cases.flatMap(({ inputs }) => inputs),
    );
    let from = 0;
    return cases.map(({ program }) => {
      const own = outputs.slice(from, from + program.outputs.length);
      from += program.outputs.length;
      return () => Promise.resolve(own);
    });
  } catch {
    return alone;
  }
}

describe.each([...OPS].map((op) => ({ name: op.name, op })))("$name", ({ op }) => {
  const samples = op.samples();
  counts.samples += samples.length;
  const settings = SETTINGS.map((setting) => ({
    ...setting,
    cases: samples.flatMap((sample): Case[] => {
      const changed = setting.change(sample);
      if (changed === undefined) return [];
      const program = programOf(op, changed);
      return [{ sample: changed, program, inputs: inputsOf(changed, false) }];
    }),
  })).filter(({ cases }) => cases.length > 0);
  const [able, unable] = [false, true].map((want) =>
    settings.filter(({ lacks = [] }) => lacks.includes(op.name) === want),
  ) as [typeof settings, typeof settings];
  // One test for all samples: a test of its own costs more than most of these programs.
  test.each(able)("$name computes what the record evaluates", async ({ cases, ...setting }) => {
    const results = await resultsOf(op, setting.engine, cases);
    for (const [i, { sample, program, inputs }] of cases.entries()) {
      await ofSample(sample, async () => {
        const actual = (await results[i]?.()) ?? [];
        const half = setting.change !== same;
        const expected = half ? interpret(program, inputs) : forward(op, sample);
        // A program inside the op rounds at each of its equations.
        const steps = half && showParams(sample.params).includes("program ") ? 4 : 1;
        const { rtol, atol } = setting.tolerance;
        expect(actual.length).toBe(expected.length);
        actual.forEach((x, k) => {
          const off = difference(x, expected[k] as NdArray, {
            rtol: steps * rtol,
            atol: steps * atol,
          });
          expect(off, `result ${k}`).toBeUndefined();
        });
        counts.laws++;
      });
    }
  });

  test.each(unable)("$name refuses it by name", async ({ engine, cases, tolerance }) => {
    let refusals = 0;
    for (const { program, inputs } of cases) {
      // A kernel's gradient may be products of matrices, which there are.
      const off = await runOn(engine, program, inputs).then(
        (found) => found.map((x, k) => difference(x, interpret(program, inputs)[k] as NdArray, tolerance)), // biome-ignore format: one line
        (error: Error) => error,
      );
      if (off instanceof Error) {
        expect(off.message).toMatch(
          /onnx: ONNX Runtime has no kernel of \w+ for float64[\s\S]*ENGINE-02/,
        );
        refusals++;
      } else expect(off.filter((each) => each !== undefined)).toEqual([]);
      counts.laws++;
    }
    expect(refusals).toBeGreaterThan(0);
  });
});
