/**
 * @file `scan`: a loop of known length that carries state, takes one element of its sequences at each
 * step and stacks what the steps give.
 */

import type { AxisName } from "../../core/axes.ts";
import { apply } from "../../core/builder.ts";
import { ShapeError } from "../../core/errors.ts";
import { interpret } from "../../core/interpret.ts";
import { type NdArray, zeros } from "../../core/ndarray.ts";
import { defineOp, type Many, type Op } from "../../core/op.ts";
import type { Program } from "../../core/program.ts";
import { type Aval, showAval, sizeOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { inline } from "../../transforms/trace.ts";
import { fullLike } from "../creation.ts";
import { reshape } from "../layout.ts";
import { checkForms, stackedForm, whole } from "./forms.ts";
import { scanBatch, scanJvp, scanTranspose } from "./scan.derivatives.ts";
import { scanOnnx, scanStablehlo } from "./scan.lowering.ts";
import { scanRejects, scanSamples } from "./scan.samples.ts";

export interface ScanParams {
  /** `(constants, carries, elements) -> (carries, results)`, one step. */
  readonly body: Program;
  readonly constants: number;
  readonly carries: number;
  /** Number of steps. */
  readonly length: number;
  /** From the last element to the first; results keep the places of their elements. */
  readonly reverse: boolean;
  /** Name of the axis of steps in the results. */
  readonly axis: AxisName;
}

/** Operands and results by role. */
export function rolesOf<T>(
  list: readonly T[],
  { constants, carries }: Pick<ScanParams, "constants" | "carries">,
): {
  readonly constants: readonly T[];
  readonly carries: readonly T[];
  readonly elements: readonly T[];
} {
  return {
    constants: list.slice(0, constants),
    carries: list.slice(constants, constants + carries),
    elements: list.slice(constants + carries),
  };
}

/** The operands of the body at one step have the forms of the loop's, elements without their first axis. */
export const scanOp: Op<ScanParams, Many, Many> = defineOp<ScanParams, Many, Many>({
  name: "scan",
  infer(inputs: readonly Aval[], p) {
    const { body, length } = p;
    const given = rolesOf(inputs, p);
    given.elements.forEach((x, i) => {
      if (x.dims[0] !== length)
        throw new ShapeError(
          "SHAPE-01",
          `scan: sequence ${i + 1} is ${showAval(x)}, which does not have ${length} elements along its first axis`,
        );
    });
    const one = given.elements.map((x) => ({
      ...x,
      dims: x.dims.slice(1),
      names: x.names.slice(1),
    }));
    checkForms("scan", "operand", [...given.constants, ...given.carries, ...one], body.inputs);
    const out = body.outputs.map((v) => v.aval);
    checkForms("scan", "new carry", out.slice(0, p.carries), rolesOf(body.inputs, p).carries);
    return [...given.carries, ...out.slice(p.carries).map((y) => stackedForm(y, length, p.axis))];
  },
  jvp: { kind: "joint", apply: scanJvp },
  transpose: { kind: "rule", apply: scanTranspose },
  batch: scanBatch,
  shard: whole,
  evaluate(inputs: readonly NdArray[], p, outputs: readonly Aval[]) {
    const { constants, carries, elements } = rolesOf(inputs, p);
    const results = outputs.slice(p.carries).map(zeros);
    let carry = carries;
    for (let step = 0; step < p.length; step++) {
      const at = p.reverse ? p.length - 1 - step : step;
      const out = interpret(p.body, [...constants, ...carry, ...elements.map((x) => row(x, at))]);
      carry = out.slice(0, p.carries);
      results.forEach((y, i) => {
        const value = out[p.carries + i];
        if (value !== undefined) (row(y, at).data as Float32Array).set(value.data as Float32Array);
      });
    }
    return [...carry, ...results];
  },
  simplify(inputs, p, outputs: readonly Aval[]) {
    const given = inputs.map((x) => x.tensor);
    if (p.length === 0) {
      const { carries } = rolesOf(given, p);
      return [...carries, ...outputs.slice(p.carries).map((y) => fullLike(y, 0))];
    }
    if (p.length > 1) return null;
    const { constants, carries, elements } = rolesOf(given, p);
    const first = elements.map((x) => reshape(x, x.dims.slice(1), x.names.slice(1)));
    return inline(p.body, [...constants, ...carries, ...first]).map((y, i) => {
      const form = outputs[i];
      return form === undefined ? y : reshape(y, form.dims, form.names);
    });
  },
  lower: { onnx: scanOnnx, stablehlo: scanStablehlo },
  samples: scanSamples,
  rejects: scanRejects,
});

/** A view of row `i` along the first axis. */
function row(x: NdArray, i: number): NdArray {
  const dims = x.dims.slice(1);
  const size = sizeOf(dims);
  return { dtype: x.dtype, dims, data: x.data.subarray(i * size, (i + 1) * size) };
}

/** Runs the body `length` times. @returns last carries and stacked results */
export function scan(inputs: readonly Tensor[], params: ScanParams): readonly Tensor[] {
  return apply(scanOp, inputs, params);
}
