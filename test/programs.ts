/** @file Small float64 programs for tests of the transforms: traced, printed, run, refused. */

import { expect } from "vitest";
import { interpret } from "../src/core/interpret.ts";
import { type NdArray, ndarray } from "../src/core/ndarray.ts";
import type { Program } from "../src/core/program.ts";
import { printProgram } from "../src/core/program-text.ts";
import { type Aval, aval } from "../src/core/shape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { verify } from "../src/core/verify.ts";
import { sum } from "../src/ops/sum.ts";
import { difference } from "../src/testing/matchers.ts";
import { simplify } from "../src/transforms/simplify.ts";
import { abstract, trace } from "../src/transforms/trace.ts";

const DOUBLE = { rtol: 1e-12, atol: 1e-14 };

export const f64 = (dims: readonly number[], names?: readonly (string | null)[]): Aval =>
  aval("float64", dims, names);
export const array = (dims: readonly number[], ...values: number[]): NdArray =>
  ndarray("float64", dims, values);

/** The verified program of a function. */
export function programOf(f: (...xs: Tensor[]) => unknown, ...forms: Aval[]): Program {
  return verify(trace("f", f, forms.map(abstract)).program, "trace");
}

/** Traced, simplified or not, and run: both must agree. */
export function run(f: (...xs: Tensor[]) => unknown, ...inputs: NdArray[]): readonly NdArray[] {
  const program = programOf(f, ...inputs.map(({ dtype, dims }) => aval(dtype, dims)));
  const outputs = interpret(program, inputs);
  interpret(verify(simplify(program), "simplify"), inputs).forEach((y, i) => {
    expect(difference(y, outputs[i]!, DOUBLE), "simplified").toBeUndefined();
  });
  return outputs;
}

/** The program without source lines, on lines of its own. */
export const text = (program: Program): string =>
  `\n${printProgram(program, { sources: false })}\n`;

/** Equal up to rounding. */
export function close(actual: NdArray | undefined, expected: NdArray | undefined): void {
  expect(difference(actual!, expected!, DOUBLE)).toBeUndefined();
}

/** What the refusal says, with line numbers taken out. */
export function refusal(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    return `\n${(error as Error).message.replace(/\.test\.ts:\d+/g, ".test.ts:LINE")}\n`;
  }
  throw new Error("nothing was refused");
}

/** What tracing is refused with. */
export const traced = (f: (...xs: Tensor[]) => unknown, ...forms: Aval[]): string =>
  refusal(() => trace("f", f, forms.map(abstract)));

/** The sum of all elements. */
export const all = (x: Tensor): Tensor =>
  sum(
    x,
    x.dims.map((_, i) => i),
  );
