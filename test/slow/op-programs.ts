/** @file Every sample of every op as programs for an engine, here or in a browser, and where the engine disagrees. */

import { apply } from "../../src/core/builder.ts";
import { interpret } from "../../src/core/interpret.ts";
import { at, type NdArray } from "../../src/core/ndarray.ts";
import type { Op } from "../../src/core/op.ts";
import type { Program } from "../../src/core/program.ts";
import type { Sample } from "../../src/core/samples.ts";
import { aval } from "../../src/core/shape.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { verify } from "../../src/core/verify.ts";
import type { Engine } from "../../src/engines/engine.ts";
import type { OnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { directions, inFloat, inputsOf, programOf, runOn } from "../../src/testing/laws.ts";
import { difference, type Tolerance } from "../../src/testing/matchers.ts";
import { jvp } from "../../src/transforms/jvp.ts";
import { simplify } from "../../src/transforms/simplify.ts";
import { abstract, trace } from "../../src/transforms/trace.ts";
import { vjp } from "../../src/transforms/vjp.ts";

const SINGLE: Tolerance = { rtol: 2e-5, atol: 2e-6 };
const DERIVATIVE: Tolerance = { rtol: 2e-4, atol: 2e-5 }; // several roundings, and sums in another order
const HALF: Tolerance = { rtol: 2 ** -6, atol: 2 ** -8 }; // lowerings of several lines, and loops, round at each

interface OpProgram {
  readonly label: string;
  readonly program: Program;
  readonly inputs: readonly NdArray[];
  readonly tolerance: Tolerance;
}

/** Value, value in float16, tangents and cotangents of one sample. */
function programsOf(op: Op, sample: Sample): readonly OpProgram[] {
  const { label, params } = sample;
  const inputs = inputsOf(sample, false);
  const n = inputs.length;
  const program = programOf(op, sample);
  const value: OpProgram = { label, program, inputs, tolerance: SINGLE };
  const half = inFloat(sample, "float16");
  const values =
    half === undefined
      ? [value]
      : [
          value,
          {
            label: `${label}, in float16`,
            program: programOf(op, half),
            inputs: inputsOf(half, false),
            tolerance: HALF,
          },
        ];
  if (!sample.differentiable) return values;
  const f = (...xs: Tensor[]) => [...apply(op, xs, params)];
  const derived = (
    name: string,
    directed: readonly NdArray[],
    g: (...xs: Tensor[]) => readonly Tensor[],
  ): OpProgram => {
    const all = [...inputs, ...directed];
    const forms = all.map((x) => abstract(aval(x.dtype, x.dims)));
    const { program } = trace(name, (...xs: Tensor[]) => [...g(...xs)], forms);
    return {
      label: `${label}, ${name}`,
      program: verify(program, name),
      inputs: all,
      tolerance: DERIVATIVE,
    };
  };
  const forward = derived("jvp", directions(inputs, 100), (...xs) =>
    jvp(f, xs.slice(0, n), xs.slice(n)).flat(),
  );
  if (op.transpose.kind === "irreversible") return [...values, forward];
  const reverse = derived("vjp", directions(interpret(program, inputs), 500), (...xs) =>
    vjp(f, ...xs.slice(0, n))[1](xs.slice(n)),
  );
  return [...values, forward, reverse];
}

export interface Agreement {
  readonly agreed: number;
  /** What the engine computes otherwise than the op's record, or refuses: one line each. */
  readonly wrong: readonly string[];
  /** The same, where a NaN or an infinity is involved and the engine promises nothing about them. */
  readonly unspecified: readonly string[];
}

/** Runs all programs of an op, simplified, and holds the results against the record's own evaluation. */
export async function agreement(engine: OnnxEngine, op: Op): Promise<Agreement> {
  const { name, target } = engine.transport;
  const wrong: string[] = [];
  const unspecified: string[] = [];
  let agreed = 0;
  for (const one of op.samples().flatMap((sample) => programsOf(op, sample))) {
    const { label, program } = one;
    if (program.outputs.length === 0) continue; // the pullback of an op without inputs
    const values = [...program.inputs, ...program.outputs];
    if (values.some(({ aval }) => target.lacks?.includes(aval.dtype))) continue;
    // WGSL allows several units in the last place for a division or a root.
    const tolerance = name === "webgpu" && one.tolerance === SINGLE ? DERIVATIVE : one.tolerance;
    const problem = await problemWith(engine, { ...one, tolerance });
    if (problem === undefined) agreed++;
    // WGSL lets a shader assume that neither occurs (its section on floating point evaluation).
    else if (name === "webgpu" && !problem.includes("Error") && !isAllFinite(one))
      unspecified.push(`${op.name}: ${label}`);
    else wrong.push(`${op.name}: ${label}: ${problem}`);
  }
  return { agreed, wrong, unspecified };
}

async function problemWith(
  engine: Engine,
  { program, inputs, tolerance }: OpProgram,
): Promise<string | undefined> {
  const expected = interpret(program, inputs);
  try {
    const actual = await runOn(engine, simplify(program), inputs);
    return expected
      .map((y, i) => {
        const x = actual[i];
        return x === undefined ? "no result" : difference(x, y, tolerance);
      })
      .find((text) => text !== undefined);
  } catch (error) {
    return String(error).replaceAll(/\s+/g, " ");
  }
}

function isAllFinite({ program, inputs }: OpProgram): boolean {
  return [...inputs, ...interpret(program, inputs)].every((x) =>
    Array.from({ length: x.data.length }, (_, i) => at(x, i)).every(Number.isFinite),
  );
}
