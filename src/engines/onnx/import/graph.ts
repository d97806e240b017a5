/** @file Runs the nodes of a model on values: each node becomes ops of the program being traced, or is known already. */

import { Builder, writing } from "../../../core/builder.ts";
import { MeshloomError, OnnxError } from "../../../core/errors.ts";
import { interpret } from "../../../core/interpret.ts";
import type { NdArray } from "../../../core/ndarray.ts";
import { sizeOf } from "../../../core/shape.ts";
import { Tensor } from "../../../core/tensor.ts";
import type {
  AttributeFile,
  FunctionFile,
  GraphFile,
  NodeFile,
  TensorFile,
} from "../model-file.ts";
import { Call, type Result, type Results } from "./call.ts";
import { isNarrow, type NarrowType, wrapped } from "./elements.ts";
import type { Operator } from "./operator.ts";
import { operatorOf } from "./table.ts";
import type { TypedData } from "./tensor-data.ts";
import { knownValue, type TensorValue, tensorValue, type Value } from "./value.ts";

/** What the nodes of a model may refer to. */
export interface Library {
  readonly functions: ReadonlyMap<string, FunctionFile>;
  decode(tensor: TensorFile): TypedData;
}

/** Values by name, inside those of the graph around. */
export interface Scope {
  readonly values: Map<string, Value>;
  readonly outer: Scope | undefined;
  readonly opsets: ReadonlyMap<string, number>;
  /** Inside a function: its attributes. */
  readonly attributes: ReadonlyMap<string, AttributeFile> | undefined;
}

/** Functions call functions, graphs hold graphs. */
const MAX_DEPTH = 100;
/** Loops are unrolled and functions inlined; past this a model is wrong, or no program for a human. */
const MAX_NODES = 250_000;
/** Results up to this many elements are computed while tracing when all they depend on is known. */
const FOLD_LIMIT = 4096;

/** And no step on the way is larger than this. */
const WORK_LIMIT = 2 ** 20;

/** Key of a function that the model defines. */
export function functionKey(of: {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
}): string {
  return JSON.stringify([of.domain, of.name, of.overload]);
}

/** One run through a model's graph. */
export class Run {
  readonly #library: Library;
  #nodes = 0;
  #depth = 0;

  constructor(library: Library) {
    this.#library = library;
  }

  /** Values of the graph's outputs; `scope` has its inputs and initializers. */
  graph(graph: GraphFile, scope: Scope): readonly Value[] {
    this.#nodesIn(graph.nodes, scope);
    return graph.outputs.map(({ name }) => lookUp(scope, name));
  }

  #nodesIn(nodes: readonly NodeFile[], scope: Scope): void {
    if (this.#depth >= MAX_DEPTH) throw tooMuch(`calls nest deeper than ${MAX_DEPTH}`);
    this.#depth++;
    for (const node of nodes) {
      if (++this.#nodes > MAX_NODES) throw tooMuch(`it unrolls to more than ${MAX_NODES} nodes`);
      try {
        this.#node(node, scope);
      } catch (error) {
        if (error instanceof MeshloomError) error.tell("node", showNode(node, scope));
        throw error;
      }
    }
    this.#depth--;
  }

  #node(node: NodeFile, scope: Scope): void {
    const inputs = node.inputs.map((name) => (name === "" ? undefined : lookUp(scope, name)));
    const bound = { ...node, attributes: boundAttributes(node, scope.attributes) };
    const own = this.#library.functions.get(functionKey({ ...node, name: node.op }));
    const outputs =
      own === undefined ? this.#operator(bound, inputs, scope) : this.#function(own, bound, inputs);
    node.outputs.forEach((name, i) => {
      if (name === "") return;
      const value = outputs[i];
      if (value === undefined) {
        throw new OnnxError("ONNX-02", `importOnnx: ${node.op}: output ${i + 1} is not supported.`);
      }
      scope.values.set(name, value);
    });
  }

  #function(
    of: FunctionFile,
    node: NodeFile,
    inputs: readonly (Value | undefined)[],
  ): readonly (Value | undefined)[] {
    const values = new Map<string, Value>();
    of.inputs.forEach((name, i) => {
      const value = inputs[i];
      if (value !== undefined) values.set(name, value);
    });
    const attributes = new Map([...of.defaults, ...node.attributes]);
    const scope = { values, outer: undefined, opsets: of.opsets, attributes };
    this.#nodesIn(of.nodes, scope);
    return of.outputs.map((name) => values.get(name));
  }

  #operator(
    node: NodeFile,
    inputs: readonly (Value | undefined)[],
    scope: Scope,
  ): readonly (Value | undefined)[] {
    const opset = scope.opsets.get(node.domain) ?? 1;
    const operator = operatorOf(node, opset);
    const call = new Call(node, opset, inputs, {
      decode: (tensor) => this.#library.decode(tensor),
      run: (graph, given) => this.#inside(graph, given, scope),
    });
    return folded(operator, call) ?? valuesOf(operator.rule(call), operator, call);
  }

  /** A graph inside an attribute sees the values around it. */
  #inside(graph: GraphFile, inputs: readonly Value[], outer: Scope): readonly Value[] {
    const values = new Map<string, Value>();
    for (const tensor of graph.initializers) {
      const { array, type } = this.#library.decode(tensor);
      values.set(tensor.name, knownValue(array, type));
    }
    graph.inputs.forEach(({ name }, i) => {
      const value = inputs[i];
      if (value !== undefined) values.set(name, value);
    });
    return this.graph(graph, { ...outer, values, outer });
  }
}

function lookUp(scope: Scope, name: string): Value {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    const value = at.values.get(name);
    if (value !== undefined) return value;
  }
  throw new OnnxError("ONNX-01", `importOnnx: nothing makes the value "${name}".`);
}

/** Attributes that refer to those of the function around get its values; unset ones are absent. */
function boundAttributes(
  node: NodeFile,
  around: ReadonlyMap<string, AttributeFile> | undefined,
): ReadonlyMap<string, AttributeFile> {
  const bound = new Map<string, AttributeFile>();
  for (const [name, attribute] of node.attributes) {
    const value = attribute.kind === "reference" ? around?.get(attribute.name) : attribute;
    if (value !== undefined) bound.set(name, value);
  }
  return bound;
}

function showNode(node: NodeFile, scope: Scope): string {
  const domain = node.domain === "" ? "" : `${node.domain}:`;
  return `"${node.name}" (${domain}${node.op}, opset ${scope.opsets.get(node.domain) ?? "unknown"})`;
}

function tooMuch(why: string): OnnxError {
  return new OnnxError("ONNX-02", "importOnnx: the model is too large to be traced.", [
    ["why", why],
  ]);
}

// ---- results ------------------------------------------------------------------------------------

function listOf(results: Results): readonly Result[] {
  return Array.isArray(results) ? results : [results as Result];
}

/** The narrow type that a call is in: that of its first input that has one. */
function narrowOf(call: Call): NarrowType | undefined {
  for (const value of call.inputs) {
    if (value?.kind === "tensor" && isNarrow(value.type)) return value.type;
  }
  return undefined;
}

function valuesOf(results: Results, operator: Operator, call: Call): (Value | undefined)[] {
  const narrow = narrowOf(call);
  return listOf(results).map((result) => {
    if (result instanceof Tensor) {
      if (narrow === undefined || result.dtype !== "int32") return tensorValue(result);
      return tensorValue(operator.wraps ? wrapped(result, narrow) : result, narrow);
    }
    if (result === undefined || "kind" in result) return result;
    return knownValue(
      result,
      narrow !== undefined && result.dtype === "int32" ? narrow : undefined,
    );
  });
}

/** Results computed at once, when all inputs are known and small; undefined when they are not. */
function folded(operator: Operator, call: Call): readonly (Value | undefined)[] | undefined {
  if (!operator.fold) return undefined;
  let size = 0;
  for (const value of call.inputs) {
    if (value === undefined) continue;
    if (value.kind !== "tensor" || value.known === undefined) return undefined;
    size += value.known.data.length;
  }
  if (size > FOLD_LIMIT) return undefined;
  const builder = new Builder(call.node.op);
  return writing(builder, () => {
    const given: NdArray[] = [];
    const inner = call.with(
      call.inputs.map((value) =>
        value?.kind === "tensor" && value.known !== undefined
          ? standIn(value, value.known, builder, given)
          : value,
      ),
    );
    const values = valuesOf(operator.rule(inner), operator, call);
    const traced = values.filter(isTraced);
    if (traced.reduce((total, { form }) => total + sizeOf(form.dims), 0) > FOLD_LIMIT)
      return undefined;
    const { program, captured } = builder.finish(traced.map((value) => value.tensor()));
    const large = program.equations.some(({ outputs }) =>
      outputs.some(({ aval }) => sizeOf(aval.dims) > WORK_LIMIT),
    );
    if (large) return undefined;
    const stored = captured.map((x) => tensorValue(x)).map(({ known }) => known);
    if (stored.some((known) => known === undefined)) return undefined;
    const results = interpret(program, [...given, ...(stored as NdArray[])]);
    return values.map((value) => {
      // A stand-in ends with this program: what it stood for goes on.
      if (value !== undefined && inner.inputs.includes(value))
        return call.inputs[inner.inputs.indexOf(value)];
      if (!isTraced(value)) return value;
      const result = results[traced.indexOf(value)];
      return result === undefined ? undefined : knownValue(result, value.type);
    });
  });
}

function isTraced(value: Value | undefined): value is TensorValue {
  return value?.kind === "tensor" && value.known === undefined;
}

/** A known value as an input of a program of its own. */
function standIn(
  value: TensorValue,
  known: NdArray,
  builder: Builder,
  given: NdArray[],
): TensorValue {
  let tensor: Tensor | undefined;
  return {
    ...value,
    tensor() {
      if (tensor === undefined) {
        tensor = builder.input(value.form);
        given.push(known);
      }
      return tensor;
    },
  };
}
