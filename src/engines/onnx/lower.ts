/** @file A program as one ONNX graph: every op writes its own nodes. */

import { EngineError, MeshloomError } from "../../core/errors.ts";
import type { OnnxEmitter, OnnxValue } from "../../core/lowering.ts";
import type { Equation, Program, Variable } from "../../core/program.ts";
import { showAval } from "../../core/shape.ts";
import { showSource } from "../../core/source.ts";
import type { Tensor } from "../../core/tensor.ts";
import { createEmitter, type Target } from "./emitter.ts";
import { withOutputsInPlace } from "./in-place.ts";
import type { OnnxGraph, OnnxTensor, OnnxValueInfo } from "./proto.ts";
import { HOST_NODES } from "./transport.ts";

/**
 * Lowers a simplified program.
 *
 * @param options - names of the inputs and outputs, `input_0 …` and `output_0 …` when absent; and values
 *   of last inputs that become constants of the graph, which ONNX Runtime then folds
 * @throws EngineError for a dtype that the engine lacks
 */
export function lowerToOnnx(program: Program, options: LoweringOptions = {}): OnnxGraph {
  return lowerWithValues(program, options).graph;
}

export interface LoweringOptions {
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly constants?: readonly Tensor[];
  /** Whether nodes are named after the op and the user's line, for a profile to tell. */
  readonly labelled?: boolean;
  readonly target?: Target;
}

/** The graph, and the form of every value that its nodes make. */
export function lowerWithValues(
  program: Program,
  options: LoweringOptions = {},
): { readonly graph: OnnxGraph; readonly values: ReadonlyMap<string, OnnxValue> } {
  const parts = createEmitter(writeProgram, options.target);
  const { emitter, publish, nodes, initializers, values: made } = parts;
  const announce = (equation: Equation) =>
    parts.label(options.labelled === true ? nodeLabel(equation) : "");
  const values = new Map<Variable, OnnxValue>();
  const constants = options.constants ?? [];
  const free = program.inputs.length - constants.length;
  const inputs = program.inputs.slice(0, free).map((v, i): OnnxValueInfo => {
    const name = options.inputs?.[i] ?? `input_${i}`;
    const value = { name, dtype: v.aval.dtype, dims: v.aval.dims };
    values.set(v, value);
    return value;
  });
  const fixed = program.inputs.slice(free).map((v, i): OnnxTensor => {
    const value = { name: `constant_${i}`, dtype: v.aval.dtype, dims: v.aval.dims };
    values.set(v, value);
    return { ...value, data: constants[i]?.data() ?? new Float32Array() };
  });
  writeEquations(emitter, program, values, announce);
  parts.label("");
  const outputs = program.outputs.map((v, i): OnnxValueInfo => {
    const name = options.outputs?.[i] ?? `output_${i}`;
    publish(emitter.exact(lookUp(values, v), v.aval.dims), name);
    return { name, dtype: v.aval.dtype, dims: v.aval.dims };
  });
  const graph: OnnxGraph = {
    name: program.name,
    nodes,
    initializers: [...initializers, ...fixed],
    inputs,
    outputs,
    metadata: parts.hostNodes.length === 0 ? {} : { [HOST_NODES]: parts.hostNodes.join("\n") },
  };
  return { graph: withOutputsInPlace(graph), values: made };
}

const SEPARATOR = " @ ";

function nodeLabel({ op, source }: Equation): string {
  return `${op.name}${SEPARATOR}${showSource(source)}${SEPARATOR}`;
}

/** Op and line of a node that was labelled; a node that ONNX Runtime made of several has the name of one. */
export function readLabel(nodeName: string): { readonly op: string; readonly line: string } {
  const [op = "", line] = nodeName.split(SEPARATOR);
  return line === undefined ? { op: "(engine)", line: "" } : { op, line };
}

/** Writes the program's nodes; `values` holds its inputs and receives the rest. */
function writeEquations(
  emitter: OnnxEmitter,
  program: Program,
  values: Map<Variable, OnnxValue>,
  announce: (equation: Equation) => void = () => undefined,
): void {
  for (const equation of program.equations) {
    const { op, params, source, inputs, outputs } = equation;
    announce(equation);
    const operands = inputs.map((v) => lookUp(values, v));
    const avals = { inputs: inputs.map((v) => v.aval), outputs: outputs.map((v) => v.aval) };
    try {
      const results = op.lower.onnx(emitter, operands, params, avals);
      outputs.forEach((v, i) => {
        const result = results[i];
        if (result !== undefined) values.set(v, result);
      });
    } catch (error) {
      if (error instanceof MeshloomError) error.tell("where", showSource(source));
      throw error;
    }
  }
}

/** The program inside another graph. */
function writeProgram(
  emitter: OnnxEmitter,
  program: Program,
  inputs: readonly OnnxValue[],
): readonly OnnxValue[] {
  const values = new Map<Variable, OnnxValue>();
  program.inputs.forEach((v, i) => {
    const input = inputs[i];
    if (input !== undefined) values.set(v, input);
  });
  writeEquations(emitter, program, values);
  return program.outputs.map((v) => emitter.exact(lookUp(values, v), v.aval.dims));
}

function lookUp(values: ReadonlyMap<Variable, OnnxValue>, v: Variable): OnnxValue {
  const value = values.get(v);
  if (value === undefined)
    throw new EngineError("ENGINE-02", `onnx lower: ${showAval(v.aval)} has no value`);
  return value;
}
