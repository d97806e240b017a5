/**
 * @file XLA as a peer of the reference engine: every sample of every op, its jvp and its vjp, as
 * StableHLO text, compiled and run in one Python process; skipped where there is no jaxlib.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apply } from "../../src/core/builder.ts";
import { interpret } from "../../src/core/interpret.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import type { Op } from "../../src/core/op.ts";
import type { Program } from "../../src/core/program.ts";
import {
  integers,
  materialise,
  random,
  type Sample,
  type SampleInput,
} from "../../src/core/samples.ts";
import { aval } from "../../src/core/shape.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { verify } from "../../src/core/verify.ts";
import { printStablehlo } from "../../src/engines/xla/stablehlo.ts";
import { gelu } from "../../src/ops/activations.ts";
import { add, mul, sub } from "../../src/ops/arithmetic.ts";
import { contract, labels } from "../../src/ops/contract.ts";
import { broadcast, full, literal } from "../../src/ops/creation.ts";
import { cumsum } from "../../src/ops/cumulative.ts";
import { reduceMax } from "../../src/ops/extremes.ts";
import { gather } from "../../src/ops/indexing.ts";
import { reshape } from "../../src/ops/layout.ts";
import { rmsNorm } from "../../src/ops/normalisation.ts";
import { OPS } from "../../src/ops/registry.ts";
import { logSumExp, softmax } from "../../src/ops/softmax.ts";
import { sum } from "../../src/ops/sum.ts";
import { topK } from "../../src/ops/top-k.ts";
import { directions, inFloat, inputsOf, programOf, together } from "../../src/testing/laws.ts";
import { difference, largestError, type Tolerance } from "../../src/testing/matchers.ts";
import { arrayOf } from "../../src/testing/tensors.ts";
import { jvp } from "../../src/transforms/jvp.ts";
import { simplify } from "../../src/transforms/simplify.ts";
import { abstract, trace } from "../../src/transforms/trace.ts";
import { valueAndGrad, vjp } from "../../src/transforms/vjp.ts";
import { CELLS } from "../numerics.ts";
import { type Answer, XlaProcess } from "./xla-process.ts";

const SINGLE: Tolerance = { rtol: 2e-5, atol: 2e-6 };
const HALF: Tolerance = { rtol: 2 ** -6, atol: 2 ** -6 }; // a lowering of several lines rounds at each
const DOUBLE: Tolerance = { rtol: 1e-10, atol: 1e-12 };

/** One program with its data, and what it must compute. */
interface Case {
  readonly group: string;
  readonly label: string;
  readonly program: Program;
  readonly inputs: readonly NdArray[];
  readonly tolerance: Tolerance;
}

function programFor(
  name: string,
  f: (...xs: Tensor[]) => readonly Tensor[],
  inputs: readonly NdArray[],
): Program {
  const forms = inputs.map((x) => abstract(aval(x.dtype, x.dims)));
  const { program } = trace(name, (...xs: Tensor[]) => [...f(...xs)], forms);
  return verify(program, name);
}

function halfCase(op: Op, sample: Sample): readonly Case[] {
  const half = inFloat(sample, "float16");
  if (half === undefined) return [];
  const label = `${sample.label}, value in float16`;
  const inputs = inputsOf(half, false);
  return [{ group: op.name, label, program: programOf(op, half), inputs, tolerance: HALF }];
}

/** Value, value in double precision, tangents and cotangents of one sample. */
function casesOf(op: Op, sample: Sample): readonly Case[] {
  const { label, params } = sample;
  const group = op.name;
  const inputs = inputsOf(sample, false);
  const n = inputs.length;
  const f = (...xs: Tensor[]) => [...apply(op, xs, params)];
  const program = programOf(op, sample);
  const doubled = { program: programOf(op, sample, true), inputs: inputsOf(sample, true) };
  const values: Case[] = [
    { group, label: `${label}, value`, program, inputs, tolerance: SINGLE },
    { group, label: `${label}, value in float64`, ...doubled, tolerance: DOUBLE },
    ...halfCase(op, sample),
  ];
  if (!sample.differentiable) return values;
  const moved = [...inputs, ...directions(inputs, 100)];
  const pulled = [...inputs, ...directions(interpret(program, inputs), 500)];
  const forward = (...xs: Tensor[]) => jvp(f, xs.slice(0, n), xs.slice(n)).flat();
  const oneWay = op.transpose.kind === "irreversible";
  const reverse = (...xs: Tensor[]) => vjp(f, ...xs.slice(0, n))[1](xs.slice(n));
  return [
    ...values,
    {
      group,
      label: `${label}, jvp`,
      program: programFor("jvp", forward, moved),
      inputs: moved,
      tolerance: SINGLE,
    },
    ...(oneWay
      ? []
      : [
          {
            group,
            label: `${label}, vjp`,
            program: programFor("vjp", reverse, pulled),
            inputs: pulled,
            tolerance: SINGLE,
          },
        ]),
  ];
}

/** A small transformer's loss with its gradients: many lowerings in one module, once simplified. */
function modelCases(): readonly Case[] {
  const forms: readonly (readonly number[])[] = [[7, 4], [4, 2, 3], [4], [4, 7]]; // table, heads, scale, out
  const loss = (p: Tensor[], tokens: Tensor, targets: Tensor) => {
    const [table = missing(), heads = missing(), scales = missing(), out = missing()] = p;
    const x = gather(table, tokens);
    const q = contract(rmsNorm(x, scales, 1e-6), heads, labels("b p e, e h d -> b p h d"));
    const weights = softmax(contract(q, q, labels("b p h d, b m h d -> b h p m")));
    const mixed = contract(weights, q, labels("b h p m, b m h d -> b p h d"));
    const y = add(x, gelu(contract(mixed, heads, labels("b p h d, e h d -> b p e"))));
    const [best] = topK(y, 2);
    const logits = add(
      contract(y, out, labels("b p e, e v -> b p v")),
      broadcast(sum(cumsum(best, 2), [2]), {
        dims: [2, 3, 7],
        axes: [0, 1],
        names: [null, null, null],
      }),
    );
    const wanted = gather(logits, reshape(targets, [2, 3, 1]), 2);
    return sub(sum(logSumExp(logits), [0, 1]), sum(wanted, [0, 1, 2]));
  };
  const data = inputsFor([
    ...forms.map((dims) => random(...dims)),
    integers(0, 7, 2, 3),
    integers(0, 7, 2, 3),
  ]);
  const f = (...xs: Tensor[]) => {
    const [tokens = missing(), targets = missing()] = xs.slice(4);
    const [value, gradient] = valueAndGrad(loss)(xs.slice(0, 4), tokens, targets);
    return [value, ...gradient];
  };
  const program = programFor("model", f, data);
  const one = { group: "a model", inputs: data, tolerance: { rtol: 1e-4, atol: 1e-5 } }; // sums of sums
  return [
    { ...one, label: "loss and gradients", program },
    { ...one, label: "the same, simplified", program: verify(simplify(program), "simplify") },
  ];
}

function inputsFor(inputs: readonly SampleInput[]): NdArray[] {
  return inputs.map((input, i) => materialise(input, i + 1, false));
}

/** What no sample reaches: int64, numbers with a spelling of their own, no results, odd names. */
function extraCases(): readonly Case[] {
  const long: NdArray = {
    dtype: "int64",
    dims: [2, 2],
    data: new BigInt64Array([-5n, 2n, -9n, -7n]),
  };
  const specials = [-0, 1 / 3, 1e-40, 3.4e38, Infinity, -Infinity, NaN];
  const one = (
    label: string,
    f: (...xs: Tensor[]) => readonly Tensor[],
    ...inputs: NdArray[]
  ): Case => ({
    group: "the text",
    label,
    program: programFor(label, f, inputs),
    inputs,
    tolerance: { rtol: 0, atol: 0 },
  });
  return [
    one("int64", (x = missing()) => [reduceMax(x, [1]), sum(x, [0]), mul(x, x)], long),
    one("splats", () => specials.map((value) => full(value, aval("float32", [2])))),
    one("splats in float64", () => specials.map((value) => full(value, aval("float64", [])))),
    one("literals", () => [
      literal(aval("float32", [7]), specials),
      literal(aval("int32", [0]), []),
    ]),
    one("integers", () => [full(-1, aval("uint32", [2])), full(2 ** 40, aval("int64", []))]),
    one("a result twice, an input as a result", (x = missing()) => [x, add(x, x), x], long),
    one("no results", () => []),
    one('a "quoted" name\\', () => [full(1, aval("bool", [3]))]),
  ];
}

/** The rows of `docs/numerics.md`. */
function numericsCases(): readonly Case[] {
  return CELLS.filter(({ gives }) => gives !== "refused").map(({ name, f, inputs }) => {
    const data = inputs.map(arrayOf);
    return {
      group: "numerics at the edges",
      label: name,
      program: programFor("cell", (...xs) => [f(...xs)], data),
      inputs: data,
      tolerance: { rtol: 1e-6, atol: 0 }, // transcendental functions differ in the last bits
    };
  });
}

function missing(): never {
  throw new Error("an input is missing");
}

/** A module costs XLA some 30 ms, however little it computes: cases share one. */
const PER_MODULE = 12;

const range = (from: number, to: number, step: number) =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + i * step);

/** Answers to some cases from one module; where one of them breaks it, from a module each. */
function answersOf(xla: XlaProcess, some: readonly Case[]): readonly Promise<Answer>[] {
  const all = together(
    "cases",
    some.map(({ program }) => program),
  );
  const joint = xla.run(
    all,
    some.flatMap(({ inputs }) => inputs),
  );
  let from = 0;
  return some.map(async ({ program, inputs }) => {
    const start = from;
    from += program.outputs.length;
    const answer = await joint;
    if ("error" in answer) return xla.run(program, inputs);
    return { outputs: answer.outputs.slice(start, start + program.outputs.length) };
  });
}

const samples = OPS.flatMap((op) => op.samples().map((sample) => ({ op, sample })));
const cases = [
  ...samples.flatMap(({ op, sample }) => casesOf(op, sample)),
  ...modelCases(),
  ...extraCases(),
  ...numericsCases(),
];
const started = await XlaProcess.start();

if ("missing" in started) {
  const why = `${started.missing}. Set MESHLOOM_PYTHON to a Python with jax.`;
  process.stdout.write(`xla: skipped, ${why}\n`);
  test.skip(`XLA computes what the reference engine computes (skipped: ${why})`, () => undefined);
} else {
  const { xla, version } = started;
  let agreed = 0;
  let largest = { error: 0, label: "none" };
  afterAll(() => {
    xla.stop();
    process.stdout.write(
      `xla: ${agreed} of ${cases.length} programs agree, from ${samples.length} samples of ${OPS.length} ops, ${version}; largest error in float32 ${largest.error.toExponential(1)} (${largest.label})\n`,
    );
  });
  describe.each([...new Set(cases.map(({ group }) => group))])("XLA computes %s", (group) => {
    const ours = cases.filter((one) => one.group === group);
    let answers: readonly Promise<Answer>[] = [];
    beforeAll(() => {
      answers = range(0, ours.length, PER_MODULE).flatMap((from) =>
        answersOf(xla, ours.slice(from, from + PER_MODULE)),
      );
    });
    test.each(ours.map((one, i) => ({ ...one, i })))("$label", async (one) => {
      const { program, inputs, tolerance, label, i } = one;
      const answer = (await answers[i]) ?? { error: "no answer" };
      if ("error" in answer) expect.fail(`${answer.error}\n${printStablehlo(program)}`);
      const expected = interpret(program, inputs);
      expect(answer.outputs.map(({ dtype }) => dtype)).toEqual(expected.map(({ dtype }) => dtype));
      expected.forEach((y, k) => {
        const actual = answer.outputs[k] ?? missing();
        expect(difference(actual, y, tolerance), `result ${k + 1}`).toBeUndefined();
        const error = y.dtype === "float32" ? largestError(actual, y) : 0;
        if (error > largest.error) largest = { error, label: `${group}, ${label}` };
      });
      agreed++;
    });
  });
}

test("a module as text", () => {
  const rows: NdArray = { dtype: "float32", dims: [2, 3], data: new Float32Array(6) };
  const f = (x: Tensor) => [sum(mul(x, full(2, x.aval)), [1])];
  expect(`\n${printStablehlo(programFor("double", f as never, [rows]))}`).toMatchInlineSnapshot(`
    "
    module @double {
      func.func public @main(%arg0: tensor<2x3xf32>) -> (tensor<2xf32>) {
        %v0 = stablehlo.constant dense<2.0e+0> : tensor<2x3xf32>
        %v1 = stablehlo.multiply %arg0, %v0 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
        %v2 = stablehlo.constant dense<0.0e+0> : tensor<f32>
        %v3 = stablehlo.reduce(%v1 init: %v2) applies stablehlo.add across dimensions = [1] : (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>
        return %v3 : tensor<2xf32>
      }
    }
    "
  `);
});
