/** @file The law of export and import: a program that goes out as a file comes back with its values and gradients. */

import { expect } from "vitest";
import { apply } from "../src/core/builder.ts";
import { isFloat } from "../src/core/dtype.ts";
import { GradError, MeshloomError } from "../src/core/errors.ts";
import { interpret } from "../src/core/interpret.ts";
import type { NdArray } from "../src/core/ndarray.ts";
import type { Op } from "../src/core/op.ts";
import type { Program } from "../src/core/program.ts";
import type { Sample } from "../src/core/samples.ts";
import { aval } from "../src/core/shape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { importOnnx } from "../src/engines/onnx/import/import.ts";
import { lowerToOnnx } from "../src/engines/onnx/index.ts";
import { encodeModel } from "../src/engines/onnx/proto.ts";
import { directions, forward, inputsOf, programOf } from "../src/testing/laws.ts";
import { difference } from "../src/testing/matchers.ts";
import { simplify } from "../src/transforms/simplify.ts";
import { abstract, trace } from "../src/transforms/trace.ts";
import { vjp } from "../src/transforms/vjp.ts";

// Both sides run on the reference, but exported models compute some ops by other formulas, in single precision.
export const SINGLE = { rtol: 1e-5, atol: 2e-6 };

/** The file; undefined for ops without an ONNX form (their lowering refuses), such as collectives. */
function exported(program: Program): Uint8Array | undefined {
  try {
    return encodeModel(lowerToOnnx(simplify(program)));
  } catch (error) {
    if (error instanceof MeshloomError) return undefined;
    throw error;
  }
}

export function arrayOf(x: Tensor): NdArray {
  return { dtype: x.dtype, dims: x.dims, data: x.data() };
}

/** The values of a function on the reference; tensors that it closes over hold data. */
function evaluated(
  f: (...xs: Tensor[]) => readonly Tensor[],
  inputs: readonly NdArray[],
): readonly NdArray[] {
  const forms = inputs.map((x) => abstract(aval(x.dtype, x.dims)));
  const { program, captured } = trace("imported", (...xs: Tensor[]) => [...f(...xs)], forms);
  return interpret(program, [...inputs, ...captured.map(arrayOf)]);
}

/** Ops whose ONNX form has sizes that are data, which a program here cannot have, but for empty ones. */
const DATA_SIZED = new Set(["raggedDot", "raggedOuter"]);
/** Ops whose ONNX form chooses between formulas, of which the one not chosen has a slope of NaN. */
const SLOPELESS = new Set(["erfInv"]);

/** Holds one sample of an op to the law. */
export async function comesBack(op: Op, sample: Sample): Promise<void> {
  const bytes = exported(programOf(op, sample));
  if (bytes === undefined) return;
  const f = await importOnnx(bytes);
  const inputs = inputsOf(sample, false);
  let values: readonly NdArray[];
  try {
    values = evaluated((...xs) => f(...xs), inputs);
  } catch (error) {
    if (!DATA_SIZED.has(op.name)) throw error;
    expect(String(error)).toContain("depends on input");
    return;
  }
  const expected = forward(op, sample);
  values.forEach((y, i) => {
    expect(y.dtype).toBe(expected[i]?.dtype);
    expect(difference(y, expected[i] as NdArray, SINGLE)).toBeUndefined();
  });
  if (!sample.differentiable || SLOPELESS.has(op.name)) return;
  const cotangents = directions(expected, 7);
  const pulled = (g: (...xs: Tensor[]) => readonly Tensor[]) =>
    evaluated(
      (...xs) => {
        const [, pull] = vjp((...ys: Tensor[]) => [...g(...ys)], ...xs.slice(0, inputs.length));
        const all = pull(xs.slice(inputs.length));
        return all.filter((_, i) => isFloat(inputs[i]?.dtype ?? "bool"));
      },
      [...inputs, ...cotangents],
    );
  let own: readonly NdArray[];
  try {
    own = pulled((...xs) => apply(op, xs, sample.params));
  } catch (error) {
    if (error instanceof GradError) return; // a while loop has no way back on either side
    throw error;
  }
  pulled((...xs) => f(...xs)).forEach((ct, i) => {
    expect(difference(ct, own[i] as NdArray, SINGLE)).toBeUndefined();
  });
}
