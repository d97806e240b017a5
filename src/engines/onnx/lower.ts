/** @file A program as one ONNX graph: every op writes its own nodes. */

import { EngineError, MeshloomError } from "../../core/errors.ts";
import type { OnnxValue } from "../../core/lowering.ts";
import type { Program, Variable } from "../../core/program.ts";
import { showAval } from "../../core/shape.ts";
import { showSource } from "../../core/source.ts";
import { createEmitter } from "./emitter.ts";
import type { OnnxGraph, OnnxValueInfo } from "./proto.ts";

/**
 * Lowers a simplified program.
 *
 * @param names - names of the inputs and outputs; `input_0 …` and `output_0 …` when absent
 * @throws EngineError for a dtype that the engine lacks
 */
export function lowerToOnnx(
  program: Program,
  names: { readonly inputs?: readonly string[]; readonly outputs?: readonly string[] } = {},
): OnnxGraph {
  const { emitter, nodes, initializers } = createEmitter();
  const values = new Map<Variable, OnnxValue>();
  const inputs = program.inputs.map((v, i): OnnxValueInfo => {
    const value = {
      name: names.inputs?.[i] ?? `input_${i}`,
      dtype: v.aval.dtype,
      dims: v.aval.dims,
    };
    values.set(v, value);
    return value;
  });
  for (const equation of program.equations) {
    const { op, params, source } = equation;
    const operands = equation.inputs.map((v) => valueOf(values, v));
    const avals = {
      inputs: equation.inputs.map((v) => v.aval),
      outputs: equation.outputs.map((v) => v.aval),
    };
    const wide = avals.outputs.find(({ dtype }) => dtype === "float64");
    if (wide !== undefined) throw unsupported(op.name, showAval(wide), showSource(source));
    try {
      const results = op.lower.onnx(emitter, operands, params, avals);
      equation.outputs.forEach((v, i) => {
        const result = results[i];
        if (result !== undefined) values.set(v, result);
      });
    } catch (error) {
      if (error instanceof MeshloomError) error.tell("where", showSource(source));
      throw error;
    }
  }
  const outputs = program.outputs.map((v, i): OnnxValueInfo => {
    const whole = emitter.exact(valueOf(values, v), v.aval.dims);
    // Outputs need names of their own: a value may be an input, or leave twice.
    const form = { dtype: v.aval.dtype, dims: v.aval.dims };
    const named = emitter.node("Identity", [whole], form);
    return { ...form, name: rename(nodes, named.name, names.outputs?.[i] ?? `output_${i}`) };
  });
  return { name: program.name, nodes, initializers, inputs, outputs, metadata: {} };
}

/** Gives the output of the last node its public name. */
function rename(
  nodes: readonly { readonly outputs: readonly string[] }[],
  from: string,
  to: string,
): string {
  const last = nodes[nodes.length - 1];
  if (last?.outputs[0] !== from)
    throw new EngineError("ENGINE-02", `onnx lower: output ${to} lost its node`);
  (last.outputs as string[])[0] = to;
  return to;
}

function valueOf(values: ReadonlyMap<Variable, OnnxValue>, v: Variable): OnnxValue {
  const value = values.get(v);
  if (value === undefined)
    throw new EngineError("ENGINE-02", `onnx lower: ${showAval(v.aval)} has no value`);
  return value;
}

function unsupported(op: string, form: string, where: string): EngineError {
  return new EngineError(
    "ENGINE-02",
    `onnx: ${op} makes ${form}, a dtype that this engine does not run.`,
    [
      ["where", where],
      ["fix", "use float32, or jit(f, { engine: referenceEngine }) for float64"],
    ],
  );
}
