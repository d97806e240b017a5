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
import {
  directions,
  inFloat,
  inputsOf,
  programOf,
  runOn,
  together,
} from "../../src/testing/laws.ts";
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
  const runnable = op
    .samples()
    .flatMap((sample) => programsOf(op, sample))
    .filter(({ program }) => {
      const values = [...program.inputs, ...program.outputs];
      // The pullback of an op without inputs has nothing to give.
      return (
        program.outputs.length > 0 && !values.some(({ aval }) => target.lacks?.includes(aval.dtype))
      );
    });
  for (let from = 0; from < runnable.length; from += PER_SESSION) {
    const some = runnable.slice(from, from + PER_SESSION);
    const results = await resultsOf(engine, some);
    for (const [i, one] of some.entries()) {
      // WGSL allows several units in the last place for a division or a root.
      const tolerance = name === "webgpu" && one.tolerance === SINGLE ? DERIVATIVE : one.tolerance;
      const problem = problemWith({ ...one, tolerance }, results[i] ?? "no result");
      if (problem === undefined) agreed++;
      // WGSL lets a shader assume that neither occurs (its section on floating point evaluation).
      else if (name === "webgpu" && !problem.includes("Error") && !isAllFinite(one))
        unspecified.push(`${op.name}: ${one.label}`);
      else wrong.push(`${op.name}: ${one.label}: ${problem}`);
    }
  }
  return { agreed, wrong, unspecified };
}

/** A session takes far longer to make than these programs to run. */
const PER_SESSION = 12;

/** Results of several programs from one session; where one of them breaks it, each by itself, or its error. */
async function resultsOf(
  engine: Engine,
  some: readonly OpProgram[],
): Promise<readonly (readonly NdArray[] | string)[]> {
  const run = async (list: readonly OpProgram[]) => {
    const programs = list.map(({ program }) => program);
    const outputs = await runOn(
      engine,
      simplify(together("programs", programs)),
      list.flatMap(({ inputs }) => inputs),
    );
    let from = 0;
    return programs.map(({ outputs: own }) => {
      from += own.length;
      return outputs.slice(from - own.length, from);
    });
  };
  try {
    return await run(some);
  } catch {
    const alone: (readonly NdArray[] | string)[] = [];
    for (const one of some) {
      try {
        alone.push(...(await run([one])));
      } catch (error) {
        alone.push(String(error).replaceAll(/\s+/g, " "));
      }
    }
    return alone;
  }
}

function problemWith(
  { program, inputs, tolerance }: OpProgram,
  actual: readonly NdArray[] | string,
): string | undefined {
  if (typeof actual === "string") return actual;
  return interpret(program, inputs)
    .map((y, i) => {
      const x = actual[i];
      return x === undefined ? "no result" : difference(x, y, tolerance);
    })
    .find((text) => text !== undefined);
}

function isAllFinite({ program, inputs }: OpProgram): boolean {
  return [...inputs, ...interpret(program, inputs)].every((x) =>
    Array.from({ length: x.data.length }, (_, i) => at(x, i)).every(Number.isFinite),
  );
}
